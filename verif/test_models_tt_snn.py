# SPDX-License-Identifier: Apache-2.0
"""Networks of tensor-train cores: integers equal floating point, sizes as published, commands."""

from dataclasses import replace

import msgspec
import pytest
import torch

from spikeloom.models.data import digits, quadrants
from spikeloom.models.data.labelled import LabelledImages
from spikeloom.models.golden.errors import NetworkFileError
from spikeloom.models.golden.layer import IntegerLayer
from spikeloom.models.nn.costs import costs
from spikeloom.models.nn.quantization import fold_network, integer_network
from spikeloom.models.nn.tensor_train_layer import floating_network
from spikeloom.models.nn.tensor_train_recipe import Measurement, TensorTrainRecipe, merged
from spikeloom.models.nn.training import STILL, TrainingConfig, operand
from spikeloom.models.nn.unmerged import choose_exponents, unmerge
from spikeloom.models.zoo import tt_published, tt_snn
from spikeloom.models.zoo.errors import UnknownNetworkError
from spikeloom.verif.tt_networks import MODES, RANKS, SHAPE, frames, network_of, pictures


def assert_same(quantized, integer, images):
    """Spikes, integers, membranes and logits are equal."""
    with torch.no_grad():
        maps, logits = quantized.trace(operand(images, torch.float64))
    trace = integer.run(images)
    for layer, seen in zip(quantized, trace.layers, strict=True):
        if seen.maps is not None:
            numbers = layer.config.integers
            unit = 2.0 ** -numbers.exponent if numbers else 1
            assert torch.equal(maps[seen.name] / unit, seen.maps.double()), seen.name
    assert torch.equal(logits * 4 / list(quantized)[-1].unit[0], trace.logits.double())
    assert len(trace.logits.unique()) > 4
    for seen in trace.layers:
        assert seen.spikes is None or 0.001 < seen.spikes.double().mean() < 0.9, seen.name


@pytest.mark.parametrize("weight_bits", [8, 4])
@pytest.mark.parametrize("seen", [pictures, frames])
@pytest.mark.parametrize("mode", MODES)
def test_merged_network_in_integers_is_the_quantized_one(mode, seen, weight_bits):
    shape = replace(SHAPE, frames=seen is frames)
    network = network_of(mode, shape)
    quantized = merged(network, weight_bits)
    integer = integer_network("small", quantized)
    assert_same(quantized, integer, seen(20).images)
    assert integer.input_bits == (0 if shape.frames else 8)
    a = integer.layers[[layer.name for layer in integer.layers].index("block1a")]
    assert [source.time_mask for source in a.sources] == ([3, 12] if mode == "htt" else [None])
    corners = a.sources[0].weight[..., [0, 0, 2, 2], [0, 2, 0, 2]]
    assert bool(corners.any()) == (mode in ("dense", "stt"))
    short = next(layer for layer in integer.layers if layer.name == "block3_shortcut")
    assert (short.input_bits, short.input_signed, short.input_each_step) == (16, True, True)


@pytest.mark.parametrize("seen", [pictures, frames])
@pytest.mark.parametrize("mode", MODES[1:])
def test_unmerged_network_in_integers_is_the_quantized_one(mode, seen):
    shape = replace(SHAPE, frames=seen is frames)
    network = network_of(mode, shape)
    images = seen(30).images
    for bits in (8, 5):
        quantized = unmerge(network, choose_exponents(network, images, bits), bits=bits)
        integer = integer_network("small", quantized)
        assert_same(quantized, integer, images[:20])
        found = [layer for layer in integer.layers if layer.name.startswith("block1a_")]
        assert {"stt": ["g1", "g2", "g3"], "ptt": ["g1", "plus"],
                "htt": ["g1", "late", "plus"]}[mode] == [x.name[8:] for x in found]
        trace = integer.run(images)
        for layer in found:
            assert (layer.output, layer.out_bits, layer.out_each_step) == ("integers", bits, True)
            largest = int(trace[layer.name].currents.abs().max())
            assert 1 << (bits - 5) < largest <= 1 << (bits - 1), layer.name


def test_unmerged_network_is_close_to_the_trained_one():
    network = network_of("ptt", SHAPE)
    images = pictures(30).images
    with torch.no_grad():
        expected = network(images.float() / 256)
        errors = []
        for bits in (12, 8, 4):
            exponents = choose_exponents(network, images, bits)
            found = unmerge(network, exponents, bits=bits)(images.double() / 256)
            errors.append(float((found - expected).abs().mean()))
    assert errors[0] < errors[2] and errors[1] < errors[2]


def test_sizes_are_those_published():
    found = {(count.network, count.mode): count for count in tt_published.counts()}
    dense = found["ms_resnet34", "dense"]
    assert dense.parameters == 21_311_104 and dense.macs["output"] == 15_644_212_224
    for mode in ("stt", "ptt"):
        count = found["ms_resnet34", mode]
        assert count.parameters == 2_671_716 and count.macs["output"] == 1_691_820_096
        assert round(count.parameter_ratio, 2) == tt_published.CLAIMED["parameters"]
        assert round(count.mac_ratios["output"], 2) == tt_published.CLAIMED["macs"]
        assert round(count.mac_ratios["pooled"], 2) == 7.96
        assert count.mac_ratios["pooled"] < count.mac_ratios["cores"] < 9.25
    htt = found["ms_resnet34", "htt"]
    assert [round(htt.mac_ratios[way], 1) for way in ("output", "pooled")] == [11.7, 10.1]
    small = found["ms_resnet18", "ptt"]
    assert (small.parameters, round(small.parameter_ratio, 1)) == (1_647_546, 6.8)
    assert [round(small.mac_ratios[way], 2) for way in ("output", "pooled")] == [5.97, 4.57]
    assert round(found["ms_resnet18", "htt"].mac_ratios["pooled"], 1) == 6.0


@pytest.mark.parametrize("mode", MODES)
def test_parameters_are_those_of_the_modules(mode):
    layers = SHAPE.layers(mode, RANKS)
    count = sum(weight.numel() for weight in floating_network(layers, 4).weights)
    assert costs(layers, 4).parameters == count
    with pytest.raises(ValueError, match="strides must be one of cores, output, pooled, not 'x'"):
        costs(layers, 4, "x")


def test_strided_cores_are_counted_as_they_run():
    shape = replace(SHAPE, blocks=((6, 2),), stem=5)
    macs = {mode: {way: costs([layer for layer in shape.layers(mode, (2, 3))
                               if layer.name == "block1a"], 4, way).macs
                   for way in ("cores", "output", "pooled")} for mode in MODES}
    g1, g2, g3, g4 = 5 * 2, 3 * 4, 3 * 4, 2 * 6
    assert macs["dense"]["cores"] == 9 * 5 * 6 * 16 * 4
    assert macs["stt"] == {"cores": 4 * (64 * g1 + 32 * g2 + 16 * (g3 + g4)),
                           "output": 4 * 16 * (g1 + g2 + g3 + g4),
                           "pooled": 4 * 64 * (g1 + g2 + g3 + g4)}
    assert macs["ptt"]["cores"] == 4 * (64 * g1 + 16 * (g2 + g3 + g4))
    assert macs["htt"]["cores"] == macs["ptt"]["cores"] // 2 + 2 * 16 * (g1 + g4)


def test_published_networks_can_be_built():
    shape, ranks = tt_published.NETWORKS["ms_resnet18"], tt_published.RANKS["ms_resnet18"]
    network = floating_network(shape.layers("htt", ranks), shape.timesteps).eval()
    with torch.no_grad():
        assert network(torch.rand(1, 3, 32, 32)).shape == (1, 10)
    shape, ranks = tt_published.NETWORKS["ms_resnet34"], tt_published.RANKS["ms_resnet34"]
    layers = shape.layers("ptt", ranks)
    assert [layer.name for layer in layers[:3]] == ["stem", "block1a", "block1b"]
    with pytest.raises(ValueError, match="readout: mean_pool must be a power of two"):
        fold_network(floating_network(layers[-1:], 6))
    with pytest.raises(ValueError, match="ranks must be 32, two for each block, not 3"):
        shape.layers("ptt", (1, 2, 3))


def test_quarters_follow_one_another():
    data = digits.load_test()
    found = quadrants.look(LabelledImages(images=data.images[:50], labels=data.labels[:50]))
    assert found.images.shape == (50, 4, 1, 14, 14)
    for step, (y, x) in enumerate(((0, 0), (0, 14), (14, 0), (14, 14))):
        quarter = data.images[:50, y:y + 14, x:x + 14]
        assert torch.equal(found.images[:, step, 0], (quarter > 127).to(torch.uint8))


def recipe_of(mode):
    return TensorTrainRecipe(
        name=f"corners_{mode}", layers=SHAPE.layers(mode, (6,) * 6), timesteps=4,
        training=TrainingConfig(epochs=6, rate=0.01, batch=16, augmentation=STILL),
        tuning=TrainingConfig(epochs=2, rate=0.005, batch=16, augmentation=STILL),
        load_training=pictures, load_test=pictures)


def test_training_learns_and_commands_show_it(tmp_path, monkeypatch, capsys):
    recipes = {f"corners_{mode}": recipe_of(mode) for mode in ("dense", "htt")}
    monkeypatch.setattr(tt_snn, "NETWORKS", recipes)
    seeds = ("--seeds", "1", "--seeds", "3")
    tt_snn.app(["train", *seeds, "--folder", str(tmp_path)], result_action="return_value")
    assert len(list(tmp_path.iterdir())) == 8
    capsys.readouterr()
    tt_snn.app(["measure", "--folder", str(tmp_path), "--steps", "2", "--images", "64", "--json",
                str(tmp_path / "all.json")], result_action="return_value")
    shown = capsys.readouterr().out
    assert "corners_htt" in shown and "±" in shown
    results = msgspec.json.decode((tmp_path / "all.json").read_bytes(), type=list[Measurement])
    assert [(result.name, result.seed) for result in results] == [
        (name, seed) for name in recipes for seed in (1, 3)]
    for result in results:
        assert result.images == 64 and result.accuracy_float > 0.5 and result.accuracy_int8 > 0.5
        assert (result.accuracy_unmerged is None) == (result.name == "corners_dense")
        assert result.accuracy_int4 > 0.5 and result.step_seconds > 0
    assert results[0].parameters > results[2].parameters and results[0].macs > results[2].macs
    tt_snn.app(["show", str(tmp_path / "all.json")], result_action="return_value")
    assert capsys.readouterr().out == shown
    with pytest.raises(SystemExit, match="network must be one of corners_dense, .*not 'other'"):
        tt_snn.app(["measure", "other"], result_action="return_value")
    path = tmp_path / "corners_htt-1.npz"
    recipe = recipes["corners_htt"]
    images = pictures(20).images
    assert_same(recipe.load_unmerged(path),
                integer_network("small", recipe.load_unmerged(path)), images)
    made = integer_network(recipe.name, merged(recipe.load_float(path)))
    assert torch.equal(made.run(images).logits, recipe.load(path).run(images).logits)
    with pytest.raises(NetworkFileError, match="float.layers.2.weights.0 must be of shape"):
        recipes["corners_dense"].load_float(path)
    assert set(tt_snn.found_ranks(recipes["corners_dense"].load_float(
        tmp_path / "corners_dense-1.npz"))) == {f"block{n}{x}" for n in (1, 2, 3) for x in "ab"}


def test_kernels_of_few_bits_are_trained_again(tmp_path, monkeypatch):
    once = TrainingConfig(epochs=1, rate=0.01, batch=16, augmentation=STILL)
    recipe = replace(recipe_of("ptt"), training=once, tuning=once)
    monkeypatch.setattr(tt_snn, "NETWORKS", {recipe.name: recipe})
    command = ["train", "--seeds", "2", "--folder", str(tmp_path)]
    tt_snn.app(command, result_action="return_value")
    path = tmp_path / "corners_ptt-2.npz"
    tuned_path = tmp_path / "corners_ptt_int4-2.npz"
    files = path.read_bytes(), tuned_path.read_bytes()
    tuned_path.unlink()
    with pytest.raises(NetworkFileError, match="corners_ptt_int4-2.npz"):
        recipe.load_tuned(path)
    tt_snn.app([*command, "--no-cores"], result_action="return_value")
    assert (path.read_bytes(), tuned_path.read_bytes()) == files
    found = recipe.load_tuned(path)
    rounded = integer_network(found.name, merged(recipe.load_float(path), 4))
    assert found.name == "corners_ptt_int4"
    images = pictures(20).images
    assert not torch.equal(found.run(images).logits, rounded.run(images).logits)
    layers = [layer for layer in found.layers if isinstance(layer, IntegerLayer)]
    assert len(layers) > 8
    for layer in layers:
        for source in layer.sources:
            assert layer.weight_bits == 4 and int(source.weight.abs().max()) <= 7, layer.name
            if layer.name.startswith("block") and source.weight.shape[2] == 3:
                assert not source.weight[..., [0, 0, 2, 2], [0, 2, 0, 2]].any(), layer.name


def test_command_prints_sizes(capsys):
    tt_snn.app(["counts"], result_action="return_value")
    printed = capsys.readouterr().out
    for text in ("7.98x", "9.25x", "7.96x", "11.69x", "10.09x", "6.78x", "published", "max-pooled"):
        assert text in printed


def test_names():
    assert list(tt_snn.NETWORKS) == [f"tt_{data}_{mode}" for data in ("digits", "quadrants")
                                     for mode in MODES]
    with pytest.raises(UnknownNetworkError, match="network must be one of tt_digits_dense, "):
        tt_snn.get("tt_digits")
