# SPDX-License-Identifier: Apache-2.0
"""The golden network of spike times: what it computes, its file, and what it refuses."""

import dataclasses
import json

import numpy as np
import pytest
import torch

from spikeloom.models.golden.errors import GoldenError, NetworkError, NetworkFileError
from spikeloom.models.golden.network_file import read_arrays
from spikeloom.models.golden.ttfs_layers import (
    TTFSAdd,
    TTFSConcat,
    TTFSDelay,
    TTFSFirst,
    TTFSMinPool,
    TTFSNeurons,
    TTFSSplit,
)
from spikeloom.models.golden.ttfs_network import TTFSNetwork
from spikeloom.models.golden.ttfs_network_file import load_ttfs, save_ttfs
from spikeloom.models.golden.ttfs_ops import decide
from spikeloom.verif.random_ttfs import SHAPES, random_images, random_network

SMALL = {"channels": 4, "side": 10, "classes": 3, "tau_shift": 2, "time_bits": 7}


def _small(shape="delay"):
    return random_network(shape, **SMALL)


@pytest.mark.parametrize("shape", SHAPES)
def test_layers_read_their_sources(shape):
    network = _small(shape)
    images = random_images(network, 3)
    trace = network.run(images)
    assert list(trace.times) == [layer.name for layer in network.layers]
    for name, times in trace.times.items():
        assert times.shape == (3, *network.shapes[name])
        spikes = times[times < network.silent]
        assert spikes.numel() and spikes.min() >= 0
        if isinstance(network[name], TTFSNeurons):
            assert spikes.min() > 0 and spikes.max() <= network[name].window
    classes, decisions = decide(trace.times["output"].flatten(1), network.silent)
    assert torch.equal(trace.classes, classes) and torch.equal(trace.decisions, decisions)
    assert torch.equal(network.predict(images, batch=2), classes)


def test_skips_are_what_they_are_called():
    trace = _small("res").run(random_images(_small("res"), 2)).times
    assert torch.equal(trace["sum1"], (trace["conv1b"] + trace["skip1"]).clamp(max=127))
    assert torch.equal(trace["twice2"], torch.cat([trace["skip2"]] * 2, 1))
    network = _small("delay")
    trace = network.run(random_images(network, 2)).times
    delays = network["delayed1"].delays
    assert torch.equal(trace["delayed1"],
                       (trace["skip1"] + delays[:, None, None]).clamp(max=127))
    joined = torch.stack([trace["delayed1"], trace["conv1b"]], 2).flatten(1, 2)
    assert torch.equal(trace["joined1"], joined)
    assert torch.equal(trace["around2"], joined[:, 4:])


@pytest.mark.parametrize("shape", SHAPES)
def test_file_gives_the_network_back(shape, tmp_path):
    network, path = _small(shape), tmp_path / "net.npz"
    save_ttfs(path, network, {"more": np.arange(3)})
    content = path.read_bytes()
    save_ttfs(path, network, {"more": np.arange(3)})
    assert path.read_bytes() == content
    found = load_ttfs(path)
    images = random_images(network, 2)
    one, other = network.run(images).times, found.run(images).times
    assert all(torch.equal(times, other[name]) for name, times in one.items())
    assert found.name == network.name and list(read_arrays(path)["more"]) == [0, 1, 2]


def _rewritten(path, change):
    arrays = read_arrays(path)
    header = json.loads(str(arrays["header"]))
    change(header, arrays)
    arrays["header"] = np.array(json.dumps(header))
    np.savez(path, **arrays)
    return path


@pytest.mark.parametrize("text, change", [
    ("format must be 'spikeloom-ttfs-1', not 'x'", lambda header, _: header.update(format="x")),
    ("'what'", lambda header, _: header["layers"][1].update(kind="what")),
    ("unexpected keyword argument 'more'", lambda header, _: header["layers"][1].update(more=1)),
    ("'output.weight'", lambda _, arrays: arrays.pop("output.weight")),
    ("output.weight must hold integers", lambda _, arrays: arrays.update(
        {"output.weight": arrays["output.weight"] * 0.5})),
    ("window must be an int in 1..65534", lambda header, _: header["layers"][-1].update(window=0)),
])
def test_bad_files_are_named(text, change, tmp_path):
    path = tmp_path / "net.npz"
    save_ttfs(path, _small())
    with pytest.raises(NetworkFileError, match=text) as caught:
        load_ttfs(_rewritten(path, change))
    assert str(path) in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(NetworkFileError, match="missing"):
        load_ttfs(tmp_path / "none.npz")


def _ones(*shape):
    return torch.ones(shape, dtype=torch.int64)


FIRST = TTFSFirst(name="first", sources=("image",), weight=_ones(2, 1, 3, 3), bias=_ones(2),
                  shift=0, padding=1, window=9)
OUTPUT = TTFSNeurons(name="output", sources=("first",), weight=_ones(2, 2, 4, 4),
                     threshold_shift=3, window=9)


def _network(*layers, **fields):
    return TTFSNetwork(**{"name": "net", "time_bits": 5, "tau_shift": 2, "input_shape": (1, 8, 8),
                          "layers": layers} | fields)


@pytest.mark.parametrize("text, layers", [
    ("the first layer, and no other", [OUTPUT]),
    ("the first layer, and no other", [FIRST, dataclasses.replace(FIRST, name="b"), OUTPUT]),
    ("the last layer must be TTFSNeurons with a 1x1 map", [FIRST]),
    ("there must be one first", [FIRST, dataclasses.replace(OUTPUT, name="first")]),
    ("source must be an earlier layer", [FIRST, dataclasses.replace(OUTPUT, sources=("x",))]),
    ("source must be an earlier layer", [FIRST, dataclasses.replace(OUTPUT, sources=("image",))]),
    ("window must be an int in 0..30", [FIRST, dataclasses.replace(OUTPUT, window=31)]),
    ("weight must have 2 input channels", [FIRST, dataclasses.replace(
        OUTPUT, weight=_ones(2, 3, 4, 4))]),
    ("must be of the same shape", [FIRST, TTFSMinPool(name="p", sources=("first",)),
                                   TTFSAdd(name="a", sources=("first", "p")), OUTPUT]),
    ("maps of the sources must be of the same size, not 4x4, 2x2", [
        FIRST, TTFSMinPool(name="p", sources=("first",)),
        TTFSConcat(name="c", sources=("first", "p")), OUTPUT]),
    ("groups must divide the channels", [
        FIRST, TTFSConcat(name="c", sources=("first", "first"), groups=3), OUTPUT]),
    ("channels must be an int in 1..1", [
        FIRST, TTFSSplit(name="s", sources=("first",), first=1, channels=2), OUTPUT]),
    ("delays must be 2", [FIRST, TTFSDelay(name="d", sources=("first",), delays=_ones(3)),
                          OUTPUT]),
    ("delays must be in 0..31", [FIRST, TTFSDelay(name="d", sources=("first",),
                                                  delays=_ones(2) * 32), OUTPUT]),
])
def test_layers_that_do_not_fit_are_named(text, layers):
    with pytest.raises(GoldenError, match=text):
        _network(*layers)


@pytest.mark.parametrize("text, make", [
    ("sources must be 2..2, not 1", lambda: TTFSAdd(name="a", sources=("x",))),
    ("weight must be in -127..127, not -128", lambda: dataclasses.replace(
        OUTPUT, weight=_ones(2, 2, 4, 4) * -128)),
    ("weight must be int64 of rank 4", lambda: dataclasses.replace(FIRST, weight=_ones(2))),
    ("kernel must be one of linear, exponential", lambda: dataclasses.replace(
        OUTPUT, kernel="step")),
    ("tau_shift must be an int", lambda: _network(FIRST, OUTPUT, tau_shift=-1)),
])
def test_fields_out_of_range_are_named(text, make):
    with pytest.raises(GoldenError, match=text):
        make()


def test_images_and_names_are_checked():
    network = _network(FIRST, OUTPUT)
    with pytest.raises(GoldenError, match=r"images must be of shape \(1, 8, 8\)"):
        network.run(_ones(1, 1, 8, 7))
    with pytest.raises(NetworkError, match="layer must be one of first, output, not 'x'"):
        network["x"]
