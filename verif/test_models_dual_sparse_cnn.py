# SPDX-License-Identifier: Apache-2.0
"""The committed dual-sparse network: its models agree, are accurate and are sparse."""

import numpy as np
import pytest
import torch

from spikeloom.models.data import digits
from spikeloom.models.golden.errors import NetworkFileError
from spikeloom.models.golden.lane_word import pack
from spikeloom.models.golden.network_file import read_arrays
from spikeloom.models.golden.tppe import tppe
from spikeloom.models.nn.pruning import sparsity
from spikeloom.models.nn.quantization import integer_network
from spikeloom.models.nn.training import TrainingConfig
from spikeloom.models.zoo import dual_sparse_cnn, registry


@pytest.fixture(scope="module")
def test_split():
    return digits.load_test()


@pytest.fixture(scope="module")
def network():
    return dual_sparse_cnn.load()


@pytest.fixture(scope="module")
def trace(network, test_split):
    return network.run(test_split.images[:100])


def test_shape(network):
    assert network.timesteps == 4 and network.weight_bits == 8
    assert [layer.kind for layer in network.layers] == ["conv"] * 3 + ["linear"] * 2
    assert [layer.outputs for layer in network.layers] == [
        (32, 14, 14), (64, 7, 7), (64, 3, 3), (128, 1, 1), (10, 1, 1)]
    assert [layer.psum_bits for layer in network.layers] == [20, 17, 18, 18, 15]


def test_fake_quantized_model_is_the_integer_network(trace, test_split):
    model = dual_sparse_cnn.load_fake_quantized().double()
    images = test_split.images[:100]
    with torch.no_grad():
        fired, logits = model.trace(images.double() / 256)
    for spikes, layer in zip(fired, trace.layers[:-1], strict=True):
        expected = layer.spikes.unflatten(1, (100, *spikes.shape[3:])).movedim(4, 2)
        assert torch.equal(spikes, expected.double()), layer.name
    unit = 4 * 2.0 ** int(list(model)[-1].exponent[0])
    assert torch.equal(logits * unit, trace.logits.double())


def test_integer_network_is_made_from_the_fake_quantized_model(network):
    made = integer_network(network.name, dual_sparse_cnn.load_fake_quantized())
    for layer, other in zip(network.layers, made.layers, strict=True):
        assert torch.equal(layer.weight, other.weight) and torch.equal(layer.bias, other.bias)
        assert layer.lif is None or torch.equal(layer.threshold, other.threshold)


def test_accuracy_on_the_whole_test_split(network, test_split):
    right = network.predict(test_split.images) == test_split.labels
    integer = float(right.double().mean())
    floating = dual_sparse_cnn.accuracy_float(test_split.images, test_split.labels)
    assert integer >= 0.97
    assert abs(integer - floating) <= 0.005


def test_sparsity(network):
    assert network.sparsity >= 0.95
    floating = [layer.weight for layer in dual_sparse_cnn.load_float()]
    assert 0.95 <= sparsity(floating) <= network.sparsity
    for layer in network.layers:
        assert layer.weight.any()


def test_every_layer_stays_within_its_bounds_and_is_alive(network, trace):
    for layer, seen in zip(network.layers, trace.layers, strict=True):
        bound = 1 << (layer.psum_bits - 1)
        assert -bound <= int(seen.psums.min()) and int(seen.psums.max()) < bound
        assert layer.lif is None or 0.005 < seen.spikes.double().mean() < 0.5


def test_slow_processing_element_computes_the_same_psums(network, trace):
    rng = np.random.default_rng(1)
    for layer in network.layers[1:]:
        seen = trace[layer.name]
        words, weights = pack(seen.rows), layer.weight_matrix()
        for m in rng.integers(0, words.shape[0], 2).tolist():
            columns = rng.integers(0, weights.shape[1], 8)
            psums = tppe(words[m], weights[:, columns], 4, layer.psum_bits)
            assert torch.equal(psums, seen.psums[:, m, columns])


def test_weight_file_is_small_and_holds_no_pickle():
    assert dual_sparse_cnn.WEIGHTS.stat().st_size < 300_000
    with np.load(dual_sparse_cnn.WEIGHTS, allow_pickle=False) as file:
        assert all(file[field].dtype.kind in "ifU" for field in file.files)


def test_missing_float_weights_are_named(tmp_path, monkeypatch, network):
    path = tmp_path / "network.npz"
    monkeypatch.setattr(dual_sparse_cnn, "WEIGHTS", path)
    with pytest.raises(NetworkFileError, match="network.npz must be a network file, not missing"):
        dual_sparse_cnn.load_float()
    dual_sparse_cnn.network_file.save(path, network)
    with pytest.raises(NetworkFileError, match=r"float.layers.0.weight must be of shape "
                                               r"\(32, 1, 3, 3\), not missing"):
        dual_sparse_cnn.load_float()


def test_registry_knows_the_network(network, test_split):
    entry = registry.get("dual_sparse_cnn")
    assert entry.load().name == network.name == "dual_sparse_cnn"
    assert torch.equal(entry.load_test().labels, test_split.labels)
    with pytest.raises(registry.UnknownNetworkError,
                       match="^network must be one of dual_sparse_cnn, not 'resnet'$"):
        registry.get("resnet")


def test_training_command_repeats(tmp_path, monkeypatch, capsys, test_split):
    few = digits.Digits(images=test_split.images[:64], labels=test_split.labels[:64])
    monkeypatch.setattr(digits, "load_training", lambda: (few, few))
    monkeypatch.setattr(digits, "load_test", lambda: few)
    short = TrainingConfig(epochs=1, rate=1e-3, batch=32)
    plan = dual_sparse_cnn.TrainingPlan(floating=short, quantized=short)
    monkeypatch.setattr(dual_sparse_cnn, "TrainingPlan", lambda: plan)
    threads = torch.get_num_threads()
    for name in ("a.npz", "b.npz"):
        dual_sparse_cnn.train_command(tmp_path / name)
        torch.rand(1)  # whatever happened before does not matter
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    assert torch.get_num_threads() == threads
    assert not torch.are_deterministic_algorithms_enabled()
    printed = capsys.readouterr().out
    assert "float accuracy, test" in printed and "weight sparsity, overall" in printed


def test_training_command_says_what_is_missing(tmp_path, monkeypatch, capsys):
    def absent():
        raise digits.DataError("npm is missing: sudo apt-get install npm")

    monkeypatch.setattr(digits, "load_training", absent)
    with pytest.raises(SystemExit, match="1"):
        dual_sparse_cnn.train_command(tmp_path / "a.npz")
    assert capsys.readouterr().out == "error: npm is missing: sudo apt-get install npm\n"


def test_save_gives_the_same_arrays(tmp_path):
    models = dual_sparse_cnn.load_float(), dual_sparse_cnn.load_fake_quantized()
    dual_sparse_cnn.save(tmp_path / "again.npz", *models)
    again, committed = map(read_arrays, (tmp_path / "again.npz", dual_sparse_cnn.WEIGHTS))
    assert list(again) == list(committed)  # the archive around them differs between Pythons
    for name, array in again.items():
        assert array.dtype == committed[name].dtype, name
        assert np.array_equal(array, committed[name]), name
