# SPDX-License-Identifier: Apache-2.0
"""The zoo: each committed network's models agree, are sparse, alive and fit the hardware."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from spikeloom.gen.presets import load_config
from spikeloom.models.data.labelled import DataError, LabelledImages
from spikeloom.models.golden import network_file
from spikeloom.models.golden.errors import NetworkFileError
from spikeloom.models.golden.network_file import read_arrays
from spikeloom.models.nn import recipe as recipes
from spikeloom.models.nn.pruning import sparsity
from spikeloom.models.nn.quantization import integer_network
from spikeloom.models.nn.training import operand
from spikeloom.models.zoo import command, digits_micro, dual_sparse_cnn, registry, vgg_fashion

NAMES = sorted(registry.NETWORKS)
LEAST = {"dual_sparse_cnn": 0.97, "digits_micro": 0.92, "vgg_fashion": 0.88}  # of 300 images
SPARSITY = {"digits_micro": 0.5}
TUNED = [name for name in NAMES if registry.get(name).base]
IMAGES = 20


@pytest.fixture(scope="module", params=NAMES)
def recipe(request):
    return registry.get(request.param)


@pytest.fixture(scope="module")
def network(recipe):
    return recipe.load()


@pytest.fixture(scope="module")
def trace(recipe, network):
    return network.run(recipe.load_test().images[:IMAGES])


def test_fake_quantized_model_is_the_integer_network(recipe, trace):
    model = recipe.load_fake_quantized().double()
    with torch.no_grad():
        maps, logits = model.trace(operand(recipe.load_test().images[:IMAGES], torch.float64))
    for seen in trace.layers[:-1]:
        assert torch.equal(maps[seen.name].bool(), seen.maps), seen.name
    assert torch.equal(logits * 4 / list(model)[-1].unit[0], trace.logits.double())


def test_integer_network_is_made_from_the_fake_quantized_model(recipe, network):
    made = integer_network(network.name, recipe.load_fake_quantized())
    assert network.name == recipe.name
    arrays = network_file.network_arrays(made)
    for field, array in network_file.network_arrays(network).items():
        assert np.array_equal(array, arrays[field]), field


def test_accuracy(recipe, network):
    test = recipe.load_test()
    images, labels = test.images[:300], test.labels[:300]
    integer = float((network.predict(images, batch=50) == labels).double().mean())
    assert integer >= LEAST.get(recipe.name, 0.85)
    assert abs(integer - recipe.accuracy_float(images, labels)) <= 0.04  # few images


def test_sparsity(recipe, network):
    least = SPARSITY.get(recipe.name, 0.95)
    assert network.sparsity >= least
    assert least <= sparsity(recipe.load_float().weights) <= network.sparsity + 1e-3
    for layer in network.layers:
        assert all(source.weight.any() for source in layer.sources)


def test_every_layer_fits_the_hardware_and_is_alive(network, trace):
    config = load_config("loas")
    assert network.timesteps == config.timesteps and network.weight_bits <= config.weight_bits
    for layer, seen in zip(network.layers, trace.layers, strict=True):
        assert layer.row_length <= config.max_fan_in and layer.psum_bits <= 20
        bound = 1 << (layer.psum_bits - 1)
        assert -bound <= int(seen.psums.min()) and int(seen.psums.max()) < bound
        if layer.keep_residual:
            assert -32768 < int(seen.currents.min()) and int(seen.currents.max()) < 32767
        assert layer.output == "readout" or 0.001 < seen.spikes.double().mean() < 0.5, layer.name


@pytest.mark.parametrize("name", TUNED)
def test_fine_tuned_network_drops_words(name):
    tuned = registry.get(name)
    images = tuned.load_test().images[:IMAGES]
    network, base = tuned.load(), tuned.base.load()
    assert network.layers[0].drop_single is network.layers[-1].drop_single is False
    assert all(layer.drop_single for layer in network.layers[1:-1])
    assert not any(layer.drop_single for layer in base.layers)
    for layer, other in zip(network.layers, base.layers, strict=True):
        assert layer.sources[0].weight.shape == other.sources[0].weight.shape
    before, after = (command.silent_ratio(x, images)["overall"] for x in (base, network))
    assert before < after < 1


def test_networks_differ_in_what_they_use():
    layers = {name: registry.get(name).load().layers for name in NAMES}
    assert any(len(x.sources) > 1 and x.sources[1].groups > 1 for x in layers["resnet_fashion"])
    assert any(x.residual for x in layers["ms_resnet_fashion"])
    assert all(x.requantize for x in layers["ms_resnet_fashion"] if x.keep_residual)
    assert not any(len(x.sources) > 1 for x in layers["vgg_fashion"])


def test_weight_file_is_small_and_holds_no_pickle(recipe):
    assert recipe.weights.stat().st_size < 600_000
    with np.load(recipe.weights, allow_pickle=False) as file:
        assert all(file[field].dtype.kind in "ifU" for field in file.files)


def test_save_gives_the_same_arrays(recipe, tmp_path):
    recipe.save(tmp_path / "again.npz", recipe.load_float(), recipe.load_fake_quantized())
    again, committed = map(read_arrays, (tmp_path / "again.npz", recipe.weights))
    assert list(again) == list(committed)  # the archive around them differs between Pythons
    for name, array in again.items():
        assert array.dtype == committed[name].dtype, name
        assert np.array_equal(array, committed[name]), name


def test_missing_float_weights_are_named(tmp_path, monkeypatch):
    recipe = dual_sparse_cnn.RECIPE
    network = recipe.load()
    monkeypatch.setattr(recipes, "_WEIGHTS", tmp_path)
    with pytest.raises(NetworkFileError, match="cnn.npz must be a network file, not missing"):
        recipe.load_float()
    network_file.save(recipe.weights, network)
    with pytest.raises(NetworkFileError, match=r"float.layers.0.weights.0 must be of shape "
                                               r"\(32, 1, 3, 3\), not missing"):
        recipe.load_float()


def test_registry_knows_the_networks():
    for name in NAMES:
        assert registry.get(name).name == name
    with pytest.raises(registry.UnknownNetworkError,
                       match="^network must be one of digits_micro, .*, not 'alexnet'$"):
        registry.get("alexnet")


def short(recipe, images=64):
    """Return the recipe with little training on few images."""
    test = recipe.load_test()
    few = LabelledImages(images=test.images[:images], labels=test.labels[:images])
    config = replace(recipe.plan.floating, epochs=1, rate=1e-3, batch=32, smoothing=0.0)
    return replace(recipe, plan=replace(recipe.plan, floating=config, quantized=config),
                   load_training=lambda: (few, few), load_test=lambda: few)


@pytest.mark.parametrize("module", [digits_micro, dual_sparse_cnn, vgg_fashion])
def test_training_command_repeats(module, tmp_path, capsys):
    recipe = short(module.RECIPE)
    threads = torch.get_num_threads()
    for name in ("a.npz", "b.npz"):
        command.training_app(recipe)(["train", str(tmp_path / name)], result_action="return_value")
        torch.rand(1)  # whatever happened before does not matter
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    assert torch.get_num_threads() == threads
    assert not torch.are_deterministic_algorithms_enabled()
    printed = capsys.readouterr().out
    assert "float accuracy, test" in printed and "weight sparsity, overall" in printed
    assert "silent neurons, overall" in printed


@pytest.mark.parametrize("name", TUNED)
def test_fine_tuning_starts_from_the_base(name, tmp_path, capsys):
    recipe = short(registry.get(name))
    command.train(recipe, tmp_path / "a.npz")
    printed = capsys.readouterr().out
    assert recipe.base.name in printed and recipe.name in printed
    network = network_file.load(tmp_path / "a.npz")
    base = recipe.base.load_float()
    assert network.name == name and network.layers[1].drop_single
    weight = next(iter(base)).weights[0]
    assert network.layers[0].sources[0].weight[weight == 0].eq(0).all()


def test_measure_command_shows_what_tuning_is_worth(capsys):
    recipe = registry.get("vgg_fashion_ft")
    test = recipe.load_test()
    few = LabelledImages(images=test.images[:40], labels=test.labels[:40])
    app = command.training_app(replace(recipe, load_test=lambda: few))
    app(["measure"], result_action="return_value")
    lines = {line.split("│")[1].strip(): line.split("│")[2:-1]
             for line in capsys.readouterr().out.splitlines() if line.startswith("│")}
    silent = [float(cell.strip("% ")) for cell in lines["silent neurons, overall"]]
    assert len(silent) == 3 and silent[0] < min(silent[1:])
    assert "validation" not in "".join(lines)


def test_training_command_says_what_is_missing(tmp_path, capsys):
    def absent():
        raise DataError("npm is missing: sudo apt-get install npm")

    with pytest.raises(SystemExit, match="1"):
        command.train(replace(dual_sparse_cnn.RECIPE, load_training=absent), tmp_path / "a.npz")
    assert capsys.readouterr().out == "error: npm is missing: sudo apt-get install npm\n"
