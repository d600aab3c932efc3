# SPDX-License-Identifier: Apache-2.0
"""Tensor-train cores: rank by variational Bayes, decomposition, and merges equal on integers."""

import pytest
import torch
from torch.nn import functional

from spikeloom.models.nn.evbmf import evbmf
from spikeloom.models.nn.layer_config import LayerConfig, SourceConfig
from spikeloom.models.nn.tensor_train import (
    MODES,
    TensorTrain,
    chain,
    choose_rank,
    core_shapes,
    decompose,
    merge,
    plus_kernel,
    short_chain,
    short_merge,
)
from spikeloom.models.nn.tensor_train_layer import TensorTrainLayer, tensor_train_sources


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(5)


def noise(generator, *shape):
    return torch.randn(shape, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("shape", [(32, 288), (288, 32), (64, 64)])
@pytest.mark.parametrize("rank", [1, 6, 12])
def test_planted_rank_is_found(shape, rank, generator):
    signal = noise(generator, shape[0], rank) @ noise(generator, rank, shape[1])
    found = evbmf(signal + 0.3 * noise(generator, *shape))
    assert found.rank == rank
    assert 0.06 < found.noise < 0.14  # 0.09
    clean = torch.linalg.svdvals(signal)[:rank]
    assert (found.values < torch.linalg.svdvals(signal + 0)[0] * 1.05).all()
    assert torch.allclose(found.values, clean, rtol=0.2)


@pytest.mark.parametrize("shape", [(32, 288), (288, 32), (64, 64), (1, 50)])
def test_noise_has_rank_0(shape, generator):
    found = evbmf(7 * noise(generator, *shape))
    assert found.rank == 0 and found.noise == pytest.approx(49, rel=0.5)


def test_known_noise_decides(generator):
    matrix = noise(generator, 20, 2) @ noise(generator, 2, 90) + 0.1 * noise(generator, 20, 90)
    assert evbmf(matrix, 0.01).rank == 2 and evbmf(matrix, 100.0).rank == 0


def test_noise_threshold_is_the_largest_value_of_a_random_matrix(generator):
    """For noise alone the limit lies above the edge ``(1 + sqrt(L/M))**2`` of its spectrum."""
    matrix = noise(generator, 40, 160)
    assert evbmf(matrix, 1.0).rank == 0
    assert evbmf(matrix, 0.5).rank > 0


@pytest.mark.parametrize(("matrix", "given", "message"), [
    (torch.zeros(3, 4), None, "matrix must have 2 dimensions and a value that is not zero"),
    (torch.ones(3), None, r"not shape \(3,\)"),
    (torch.ones(3, 4), -1.0, "noise must be positive, not -1.0"),
])
def test_matrices_that_have_no_factors(matrix, given, message):
    with pytest.raises(ValueError, match=message):
        evbmf(matrix, given)


def test_rank_of_a_kernel(generator):
    cores = [noise(generator, *shape) for shape in core_shapes(24, 32, 5)]
    kernel = merge(cores, "stt")
    assert choose_rank(kernel + 0.5 * noise(generator, *kernel.shape)) == 5
    assert choose_rank(torch.nn.Conv2d(24, 32, 3).weight) == 0


@pytest.mark.parametrize(("inputs", "outputs"), [(5, 7), (9, 4), (1, 6)])
def test_decomposition_of_enough_rank_is_exact(inputs, outputs, generator):
    kernel = noise(generator, outputs, inputs, 3, 3)
    cores = decompose(kernel, 3 * max(inputs, outputs))
    assert [tuple(core.shape) for core in cores] == [
        *core_shapes(inputs, outputs, 3 * max(inputs, outputs))]
    torch.testing.assert_close(merge(cores, "stt"), kernel)


def test_truncated_decomposition_keeps_what_is_planted(generator):
    planted = merge([noise(generator, *shape) for shape in core_shapes(8, 10, 3)], "stt")
    torch.testing.assert_close(merge(decompose(planted, 3), "stt"), planted)
    kernel = noise(generator, 10, 8, 3, 3)
    errors = [float((merge(decompose(kernel, rank), "stt") - kernel).norm()) for rank in (2, 4, 8)]
    assert errors == sorted(errors, reverse=True) and errors[0] < kernel.norm()


def integer_cores(generator, inputs=6, outputs=9, rank=4):
    return [torch.randint(-8, 8, shape, generator=generator).double()
            for shape in core_shapes(inputs, outputs, rank)]


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", [(7, 7), (8, 6), (5, 4), (1, 1)])
@pytest.mark.parametrize("mode", ["stt", "ptt"])
def test_merged_kernel_equals_the_chain(mode, size, stride, generator):
    cores = integer_cores(generator)
    x = torch.randint(0, 2, (3, 6, *size), generator=generator).double()
    kernel = merge(cores, mode)
    merged = functional.conv2d(x, kernel, stride=stride, padding=1)
    assert merged.any() and torch.equal(chain(x, cores, mode, stride), merged)
    # the same in integers: the mean of two cores is half of an integer
    twice = functional.conv2d(x.long(), (2 * kernel).long(), stride=stride, padding=1)
    assert torch.equal(2 * merged, twice.double())


@pytest.mark.parametrize("stride", [1, 2])
def test_merged_kernel_of_the_outer_cores_equals_them(stride, generator):
    cores = integer_cores(generator)
    x = torch.randint(0, 2, (3, 6, 7, 5), generator=generator)
    merged = functional.conv2d(x, short_merge(cores).long(), stride=stride)
    assert torch.equal(short_chain(x.double(), cores, stride), merged.double())


def test_parallel_kernel_is_plus_shaped(generator):
    corners = torch.tensor([[1, 0, 1], [0, 0, 0], [1, 0, 1]]).bool()
    kernel = merge(integer_cores(generator), "ptt")
    assert not kernel[..., corners].any() and kernel[..., ~corners].any((0, 1)).all()
    assert merge(integer_cores(generator), "stt").any((0, 1)).all()
    second, third = (torch.ones(1, 1, *size) for size in ((3, 1), (1, 3)))
    assert plus_kernel(second, third)[0, 0].tolist() == [[0, 0.5, 0], [0.5, 1, 0.5], [0, 0.5, 0]]


def layer_config(mode, stride=1, **fields):
    source = SourceConfig(input="x", inputs=6, height=7, width=5, stride=stride)
    train = TensorTrain(mode=mode, rank=4)
    return LayerConfig(name="a", outputs=9, tensor_train=train,
                       sources=tensor_train_sources(source, train, 5, **fields))


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize(("mode", "fields"), [
    ("stt", {}), ("ptt", {}), ("htt", {}), ("htt", {"full_steps": 0b10010})])
def test_layer_of_cores_equals_the_layer_of_its_kernels(mode, fields, stride, generator):
    layer = TensorTrainLayer(layer_config(mode, stride, **fields)).double()
    with torch.no_grad():
        for core, value in zip(layer.weights, integer_cores(generator), strict=True):
            core.copy_(value)
    x = torch.randint(0, 2, (5, 2, 6, 7, 5), generator=generator).double()
    inputs = [(source, x) for source in layer.config.sources]
    y = layer.convolved(inputs).unflatten(0, (5, 2))
    full = fields.get("full_steps", 0b00011 if mode == "htt" else 0b11111)
    kernels, bias = layer.synapse()
    assert bias is None and [kernel.shape[2:] for kernel in kernels] == [
        (3, 3), (1, 1)][:len(inputs)]
    for t in range(5):
        acts = full >> t & 1
        expected = functional.conv2d(x[t], kernels[0] if acts else kernels[1], stride=stride,
                                     padding=1 if acts else 0)
        assert torch.equal(y[t], expected), t


def test_gradients_are_those_of_the_merged_kernel(generator):
    layer = TensorTrainLayer(layer_config("htt", 2)).double()
    x = torch.randint(0, 2, (5, 2, 6, 7, 5), generator=generator).double()
    loss = layer.products([x, x]).pow(3).sum()
    expected = torch.autograd.grad(loss, list(layer.weights))
    kernels, _ = layer.synapse()
    parts = [functional.conv2d(x[t], kernels[t >= 2], stride=2, padding=int(t < 2))
             for t in range(5)]
    loss = layer.norm(torch.cat(parts)).pow(3).sum()
    for one, other in zip(torch.autograd.grad(loss, list(layer.weights)), expected, strict=True):
        torch.testing.assert_close(one, other)


def test_what_cannot_be_a_layer_of_cores():
    with pytest.raises(ValueError, match="mode must be one of stt, ptt, htt, not 'tt'"):
        TensorTrain(mode="tt", rank=2)
    with pytest.raises(ValueError, match="rank must be at least 1, not 0"):
        TensorTrain(mode="stt", rank=0)
    source = SourceConfig(input="x", inputs=6, height=7, width=5, kernel=(1, 1), padding=(0, 0))
    for mode in MODES:
        with pytest.raises(ValueError, match="a: cores must make a kernel of 3x3 with padding, "
                                             r"not \(1, 1\) with \(0, 0\)"):
            TensorTrainLayer(LayerConfig(name="a", outputs=9, sources=(source,),
                                         tensor_train=TensorTrain(mode=mode, rank=1)))
    config = layer_config("ptt")
    with pytest.raises(ValueError, match="a: sources of a layer in the mode htt must be 2, not 1"):
        TensorTrainLayer(LayerConfig(name="a", outputs=9, sources=config.sources,
                                     tensor_train=TensorTrain(mode="htt", rank=1)))
    with pytest.raises(ValueError, match=r"full_steps must be in 1\.\.30, not 31"):
        layer_config("htt", full_steps=31)
