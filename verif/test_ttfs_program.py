# SPDX-License-Identifier: Apache-2.0
"""The compiler of the time-to-first-spike core: maps, edges, frames, and what does not fit."""

import dataclasses

import numpy as np
import pytest

from spikeloom.gen.compiler.errors import CompileError
from spikeloom.gen.compiler.ttfs_graph import build_graph
from spikeloom.gen.compiler.ttfs_program import compile_ttfs
from spikeloom.gen.presets import load_unit_config
from spikeloom.models.golden.ttfs_network import TTFSNetwork
from spikeloom.rtl.config import TTFSConfig
from spikeloom.rtl.ttfs.descriptors import EdgeKind
from spikeloom.rtl.ttfs.frame_reader import TTFSError
from spikeloom.verif.random_ttfs import SHAPES, random_network

PRESET = load_unit_config("ttfs")


def _edges(shape, config=PRESET):
    graph = build_graph(random_network(shape), config)
    return graph, [(edge.kind, edge.source, edge.target) for edge in graph.edges]


def test_concatenation_is_addressing():
    graph, edges = _edges("delay")
    assert list(graph.maps) == ["first", "conv1a", "conv1b", "delayed1", "conv2a", "conv2b",
                                "delayed2", "output"]
    assert graph.fused == {"skip1": "delayed1", "skip2": "delayed2"}
    assert (EdgeKind.POOL, "first", "delayed1") in edges
    halves = {edge.target: edge.channels for edge in graph.edges if edge.source == "first"}
    assert halves["conv1a"] == {k: k for k in range(32)}
    assert halves["delayed1"] == {32 + k: k for k in range(32)}
    mixed = {(edge.source, edge.target): edge.channels for edge in graph.edges}
    assert mixed["delayed1", "conv2a"] == {k: 2 * k for k in range(16)}
    assert mixed["conv1b", "conv2a"] == {k: 2 * k + 1 for k in range(16)}
    assert mixed["conv1b", "delayed2"] == {16 + k: 2 * k + 1 for k in range(16)}


def test_channels_used_twice_take_two_edges():
    graph, edges = _edges("res")
    twice = [edge.channels for edge in graph.edges
             if (edge.source, edge.target) == ("skip2", "sum2")]
    assert twice == [{k: k for k in range(32)}, {k: 32 + k for k in range(32)}]
    assert (EdgeKind.ADD, "conv1b", "sum1") in edges


@pytest.mark.parametrize("shape", SHAPES)
def test_maps_do_not_overlap(shape):
    graph, _ = _edges(shape)
    used = [address for times in graph.maps.values()
            for address in range(times.base, times.base + times.groups)]
    assert len(set(used)) == len(used) == graph.neuron_groups + graph.time_groups
    order = [edge.source for edge in graph.edges]
    assert sorted(order, key=list(graph.maps).index) == order


def test_frames_are_repeatable_and_results_are_read_back():
    program = compile_ttfs(random_network("delay"), PRESET)
    again = compile_ttfs(random_network("delay"), PRESET)
    assert all(np.array_equal(*pair) for pair in zip(program.frames, again.frames, strict=True))
    frame = program.image_frame(np.arange(784).reshape(1, 28, 28) % 256, dump=True)
    assert len(frame) == 1 + 784 // 4 and frame[:2].tolist() == [0x302, 0x03020100]
    words = np.zeros(program.result_words(True), np.uint32)
    words[:4] = [7 << 16 | 1 << 9, 30, 1000, 400]
    lanes = words[8:].view(np.uint8).reshape(-1, 16)
    times = program.graph.maps["conv1b"]
    lanes[times.base + (((3 << times.x_bits) + 2) << times.g_bits) + 1, 5] = 77
    result = program.result(words)
    assert (result.predicted, result.decision, result.error) == (7, 30, TTFSError.NONE)
    assert result.counters["cycles"] == 1000 and result.counters["first_cycles"] == 400
    assert result.times["conv1b"][21, 3, 2] == 77 and result.times["conv1b"].sum() == 77
    assert program.result(np.array([5], np.uint32)).error == TTFSError.NO_NETWORK


def _changed(network, **fields):
    kept = {field.name: getattr(network, field.name) for field in dataclasses.fields(network)
            if field.init}
    return TTFSNetwork(**kept | fields)


@pytest.mark.parametrize("text, options", [
    ("time_bits must be 7, not 8", {"time_bits": 7}),
    ("tau_shift must be at most 3, not 4; choose a larger max_tau_shift", {"max_tau_shift": 3}),
    ("guard_bits must be 4, not 8", {"guard_bits": 4}),
    ("conv1a: kernel must be linear, not exponential", {"kernel": "linear"}),
    (r"first: weight must be in -32..31, not ", {"weight_bits": 6}),
    (r"conv1a: sum of the \|weights\| of a neuron must be at most 2047", {"charge_bits": 12}),
    ("delayed1: delay must be at most 3", {"delay_bits": 2}),
    ("first: side of an image must be at most 16, not 28", {"max_side": 16}),
    ("first: kernel must be at most 3, not 5", {"max_kernel": 3}),
    ("first: bytes of an image, sides rounded up must be at most 1023, not 1024",
     {"image_bytes": 1023}),
    ("first: groups of channels must be at most 3, not 4", {"first_groups": 3}),
    ("first: largest sum must be at most 32767", {"accumulator_bits": 16}),
    ("groups of neurons must be at most 100", {"neuron_groups": 100}),
    ("groups of other maps must be at most 100", {"time_groups": 100}),
    ("maps must be at most 5, not 8", {"maps": 5}),
    ("edges must be at most 5, not", {"edges": 5}),
    ("channels of all edges must be at most 100", {"channel_entries": 100}),
    ("words of weights must be at most 100", {"weight_words": 100}),
    ("groups of a pixel must be at most 3, not 4", {"pixel_groups": 3}),
    ("skips must be 0, not 1", {"skips": 0}),
])
def test_what_does_not_fit_is_named(text, options):
    with pytest.raises(CompileError, match=text):
        compile_ttfs(random_network("delay"), dataclasses.replace(PRESET, **options))


def test_strides_are_powers_of_two():
    network = random_network("base")
    layers = list(network.layers)
    layers[1] = dataclasses.replace(layers[1], stride=3)
    layers[-1] = dataclasses.replace(layers[-1], weight=layers[-1].weight[:, :, :2, :2])
    layers[3] = dataclasses.replace(layers[3], stride=3)
    with pytest.raises(CompileError, match="stride must be a power of two up to 8, not 3"):
        compile_ttfs(_changed(network, layers=tuple(layers)), PRESET)


def test_widths_follow_the_kernel():
    assert TTFSConfig(kernel="linear", charge_bits=16).charge_width == 16
    assert TTFSConfig(kernel="linear", charge_bits=16, time_bits=10).potential_width == 26
    assert TTFSConfig(kernel="exponential", charge_bits=16, guard_bits=6).charge_width == 22
    assert TTFSConfig(kernel="both", charge_bits=16, guard_bits=6).potential_width == 24
