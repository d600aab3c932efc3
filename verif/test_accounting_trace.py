# SPDX-License-Identifier: Apache-2.0
"""Traces: files to workloads, and what is wrong with a file in one clear line."""

import numpy as np
import pytest
import torch

from spikeloom.models.golden.ftp_array import ftp_matmul
from spikeloom.verif.accounting.trace import TraceError, load_trace

CONV = """
[[layers]]
name = "a"
channels = 5
kernel = [3, 2]
stride = 2
padding = [1, 0]
"""


@pytest.fixture
def files(tmp_path):
    """Write a trace and its geometry; return their paths."""
    def write(geometry, weights=None, **arrays):
        paths = tmp_path / "spikes.npz", tmp_path / "layers.toml"
        np.savez(paths[0], **arrays)
        paths[1].write_text(geometry)
        if weights:
            np.savez(tmp_path / "weights.npz", **weights)
        return paths
    return write


def spikes(*shape):
    return np.random.default_rng(1).integers(0, 2, shape, np.uint8)


def test_lowering_is_the_convolution(files):
    maps = spikes(3, 4, 7, 6)
    weight = np.random.default_rng(2).integers(-8, 8, (5, 4, 3, 2), np.int8)
    trace = load_trace(*files(CONV + 'weights = "weights.npz"', {"a_weight": weight},
                              a_input=maps))
    (work,) = trace.workloads
    assert (trace.name, trace.notes, work.name, work.taps) == ("spikes", (), "a", 6)
    expected = torch.nn.functional.conv2d(torch.from_numpy(maps).double(),
                                          torch.from_numpy(weight).double(), stride=2,
                                          padding=(1, 0))
    psums = ftp_matmul(work.spikes, work.weights, 24)
    assert torch.equal(psums, expected.permute(0, 2, 3, 1).flatten(1, 2).long())
    # Pixel-major: the first positions of a row are the channels of one pixel.
    assert torch.equal(work.weights[:4], torch.from_numpy(weight[:, :, 0, 0]).T.long())
    assert torch.equal(work.channel_major().weights,
                       torch.from_numpy(weight).flatten(1).T.long())


@pytest.mark.parametrize("shape", [(5, 8), (5, 8, 1, 1)])
def test_linear_layer(files, shape):
    weight = np.arange(40).reshape(shape) - 20
    trace = load_trace(*files('[[layers]]\nname = "fc"\nchannels = 5\nweights = "weights.npz"',
                              {"fc_weight": weight}, fc_input=spikes(4, 8).astype(np.float32)))
    (work,) = trace.workloads
    assert (work.rows, work.positions, work.columns, work.timesteps) == (1, 8, 5, 4)
    assert torch.equal(work.weights, torch.from_numpy(weight.reshape(5, 8)).T)
    assert torch.equal(work.spikes[:, 0], torch.from_numpy(spikes(4, 8)).bool())


def test_random_weights(files):
    def load(count, seed=0, name="a", bits=8):
        text = CONV.replace('"a"', f'"{name}"') + f"nonzeros = {count}"
        arrays = {f"{name}_input": spikes(2, 4, 7, 6), "other": spikes(1)}
        return load_trace(*files(f"seed = {seed}\n{text}", **arrays), weight_bits=bits)

    trace = load(60)
    weights = trace.workloads[0].weights
    assert int((weights != 0).sum()) == 60 and weights.shape == (24, 5)
    assert trace.notes == ("array other of spikes.npz is ignored: no layer has that name",
                           "a: 60 weights at random positions with random values, seed 0")
    assert torch.equal(load(60).workloads[0].weights, weights)
    for other in (load(60, seed=1), load(60, name="b")):
        assert not torch.equal(other.workloads[0].weights, weights)
    assert int((load(120).workloads[0].weights != 0).sum()) == 120
    assert int((load(0).workloads[0].weights != 0).sum()) == 0
    assert set(load(120, bits=2).workloads[0].weights.unique().tolist()) == {-1, 1}
    assert 64 < int(load(120).workloads[0].weights.abs().max()) <= 127


ONE = '[[layers]]\nname = "a"\nchannels = 2\n'


@pytest.mark.parametrize("geometry, message", [
    ("layers = 3", r"layers.toml: .*got `int`.*\$\.layers"),
    ("layers = []", "layers must be at least one, not none"),
    ("[[layers", "layers.toml: "),
    (ONE + "nonzeros = 1\nkernal = 3", "unknown field `kernal`"),
    (ONE.replace("channels = 2", ""), "missing required field `channels`"),
    (ONE.replace("2", "0"), r"a: channels must be an int in 1\.\.65536, not 0"),
    (ONE + "nonzeros = 1\nkernel = 0", r"a: kernel must be an int in 1\.\.255, not 0"),
    (ONE + "nonzeros = 1\nkernel = [1, 300]", r"a: kernel must be an int in 1\.\.255, not 300"),
    (ONE + "nonzeros = 1\nkernel = 'x'", r"got `str`.*kernel"),
    (ONE + "nonzeros = 1\nstride = 0", r"a: stride must be an int in 1\.\.255, not 0"),
    (ONE + "nonzeros = 1\npadding = -1", r"a: padding must be an int in 0\.\.255, not -1"),
    (ONE + "nonzeros = 1\nkernel = 9", r"a: kernel must be an int in 1\.\.4, not 9"),
    (ONE, "a: one of weights and nonzeros must be given, not none"),
    (ONE + "nonzeros = 1\nweights = 'w.npz'", "must be given, not both"),
    (ONE + "nonzeros = 7", r"a: nonzeros must be an int in 0\.\.6, not 7"),
    (ONE + "nonzeros = -1", r"a: nonzeros must be an int in 0\.\.6, not -1"),
    (ONE + "weights = 'w.npz'", r"w.npz must be an .npz file, not missing"),
    (ONE + "nonzeros = 1\n" + ONE + "nonzeros = 1",
     "name must be another one in each layer, not 'a' 2 times"),
    ("seed = -1\n" + ONE + "nonzeros = 1", "seed must be an int in 0.*, not -1"),
    (ONE.replace('"a"', '"b"') + "nonzeros = 1",
     "b_input must be present, not missing; there are a_input"),
])
def test_geometry_refused(files, geometry, message):
    with pytest.raises(TraceError, match=message):
        load_trace(*files(geometry, a_input=spikes(2, 3, 4, 4)))


@pytest.mark.parametrize("array, message", [
    (np.full((2, 3), 2, np.uint8), "a_input must be 0 or 1, not 2"),
    (np.full((2, 3), np.nan), "a_input must be 0 or 1, not nan"),
    (np.full((2, 3), "x"), "a_input must be of numbers, not of <U1"),
    (spikes(2, 3, 4), r"a_input must be of rank 2 or 4 and not empty, not of shape \(2, 3, 4\)"),
    (spikes(2, 0), r"not of shape \(2, 0\)"),
    (spikes(17, 3), r"a: timesteps must be an int in 1\.\.16, not 17"),
    (np.array([[{}]]), "a_input must be readable without pickle"),
])
def test_spikes_refused(files, array, message):
    with pytest.raises(TraceError, match=message):
        load_trace(*files(ONE + "nonzeros = 1", a_input=array))


@pytest.mark.parametrize("weights, message", [
    ({"b_weight": np.zeros(1, np.int8)}, "a_weight must be present, not missing; there are b_w"),
    ({"a_weight": np.zeros((2, 3))}, "a_weight must be of integers, not of float64"),
    ({"a_weight": np.zeros((3, 2), np.int8)},
     r"a_weight must be of shape \(2, 3, 1, 1\), not \(3, 2, 1, 1\)"),
    ({"a_weight": np.full((2, 3), 8)}, r"a_weight.* must be in -8\.\.7 \(4 bits signed\), not 8"),
])
def test_weights_refused(files, weights, message):
    with pytest.raises(TraceError, match=message):
        load_trace(*files(ONE + "weights = 'weights.npz'", weights, a_input=spikes(2, 3)),
                   weight_bits=4)


def test_other_refusals(files, tmp_path):
    trace, geometry = files(ONE + "nonzeros = 1\n" + ONE.replace('"a"', '"b"') + "nonzeros = 1",
                            a_input=spikes(2, 3), b_input=spikes(3, 3))
    with pytest.raises(TraceError, match="timesteps of b must be 2, as of a, not 3"):
        load_trace(trace, geometry)
    with pytest.raises(TraceError, match=r"weight_bits must be an int in 2\.\.8, not 9"):
        load_trace(trace, geometry, weight_bits=9)
    with pytest.raises(TraceError, match="none.toml"):
        load_trace(trace, tmp_path / "none.toml")
    with pytest.raises(TraceError, match="none.npz must be an .npz file, not missing"):
        load_trace(tmp_path / "none.npz", geometry)
    trace.write_bytes(b"PK")
    with pytest.raises(TraceError, match="spikes.npz: archive must be readable"):
        load_trace(trace, geometry)
