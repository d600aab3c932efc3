# SPDX-License-Identifier: Apache-2.0
"""Frames that load a network of spike times into the core, and those that come back."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from amaranth.hdl import Shape
from amaranth.lib import data

from ...models.golden.ttfs_layers import TTFSDelay, TTFSFirst, TTFSNeurons
from ...models.golden.ttfs_network import TTFSNetwork
from ...rtl.config import TTFSConfig
from ...rtl.ttfs.descriptors import EdgeKind
from ...rtl.ttfs.frame_reader import FrameKind, Region, TTFSError, region_shapes
from ...rtl.ttfs.result_writer import RESULT_WORDS, result_layout
from .ttfs_checks import check_fits
from .ttfs_graph import Edge, Graph, SpikeTimes, build_graph

__all__ = ["TTFSProgram", "TTFSResult", "compile_ttfs"]


@dataclass(frozen=True, kw_only=True)
class TTFSResult:
    """What the core said about an image.

    Attributes
    ----------
    error : TTFSError
    predicted : int
        The class; 0 if undecided.
    decision : int
        Time of its spike.
    undecided, early_exit : bool
    counters : dict of str to int
        ``cycles``, ``first_cycles``, ``steps``, ``spikes``, ``events``, ``updates``.
    times : dict of str to ndarray[C, H, W]
        Spike times by layer; empty unless they were asked for.
    """

    error: TTFSError
    predicted: int
    decision: int
    undecided: bool
    early_exit: bool
    counters: dict[str, int]
    times: dict[str, np.ndarray]


@dataclass(frozen=True, kw_only=True)
class TTFSProgram:
    """A network as the core takes it.

    Attributes
    ----------
    config : TTFSConfig
    graph : Graph
    frames : list of ndarray[n]
        uint32; to send once, before the first image.
    """

    config: TTFSConfig
    graph: Graph
    frames: list[np.ndarray]

    def image_frame(self, image: np.ndarray, *, early_exit: bool = True,
                    dump: bool = False) -> np.ndarray:
        """Return the frame that runs an image, 0..255, [C, H, W]."""
        pixels = np.asarray(image, np.uint8).tobytes()
        head = FrameKind.RUN.value | early_exit << 8 | dump << 9
        body = np.frombuffer(pixels + bytes(-len(pixels) % 4), "<u4")
        return np.concatenate([np.array([head], np.uint32), body])

    def result(self, frame: np.ndarray) -> TTFSResult:
        """Return what a result frame says."""
        words = np.zeros(max(RESULT_WORDS, len(frame)), np.uint32)
        words[:len(frame)] = frame
        layout = result_layout(self.config)
        head = int.from_bytes(words[:RESULT_WORDS].astype("<u4").tobytes(), "little")
        fields = {name: head >> item.offset & ((1 << item.width) - 1) for name, item in layout}
        return TTFSResult(
            error=TTFSError(fields["error"]), predicted=fields["predicted"],
            decision=fields["decision"], undecided=bool(fields["undecided"]),
            early_exit=bool(fields["early_exit"]),
            counters={name: fields[name] for name in (
                "cycles", "first_cycles", "steps", "spikes", "events", "updates")},
            times=self._times(words[RESULT_WORDS:]) if fields["dump"] else {})

    def result_words(self, dump: bool) -> int:
        """Return the words of a result frame."""
        groups = (self.graph.neuron_groups + self.graph.time_groups) * dump
        return RESULT_WORDS + groups * -(-self.config.lanes * self.config.dump_bits // 32)

    def _times(self, words: np.ndarray) -> dict[str, np.ndarray]:
        kind = "<u1" if self.config.dump_bits == 8 else "<u2"
        rows = -(-self.config.lanes * self.config.dump_bits // 32)
        lanes = words.astype("<u4").reshape(-1, rows).view(kind)[:, :self.config.lanes]
        found = {}
        for name, times in self.graph.maps.items():
            first = times.base
            if first >= self.config.neuron_groups:
                first += self.graph.neuron_groups - self.config.neuron_groups
            found[name] = times.spike_times(lanes[first:first + times.groups])
        return found


def compile_ttfs(network: TTFSNetwork, config: TTFSConfig) -> TTFSProgram:
    """Return the frames of a network.

    Raises
    ------
    CompileError
        The configuration cannot run the network.
    """
    graph = build_graph(network, config)
    check_fits(network, config, graph)
    return TTFSProgram(config=config, graph=graph, frames=_Writer(network, config, graph).frames())


class _Writer:
    """The entries of each region."""

    def __init__(self, network: TTFSNetwork, config: TTFSConfig, graph: Graph):
        self.network, self.config, self.graph = network, config, graph
        self.numbers = {name: index for index, name in enumerate(graph.maps)}
        self.first: Any = network.layers[0]
        self.weights: list[int] = []   # a word each
        self.blocks: dict[str, int] = {}  # layer to the address of its weights

    def frames(self) -> list[np.ndarray]:
        """Return a frame for each region."""
        self._add_weights()
        channels: list[dict[str, int]] = []
        edges = [self._edge(edge, channels) for edge in self.graph.edges]
        entries: dict[Region, list[Any]] = {
            Region.NETWORK: [self._network()],
            Region.MAPS: [self._map(name, times) for name, times in self.graph.maps.items()],
            Region.EDGES: edges, Region.CHANNELS: channels, Region.WEIGHTS: self.weights,
            Region.BIASES: self._biases()}
        return [self._frame(region, entries[region]) for region in Region]

    def _frame(self, region: Region, entries: list[Any]) -> np.ndarray:
        shape, _ = region_shapes(self.config)[region]
        size = -(-Shape.cast(shape).width // 32) * 4
        body = b"".join(_packed(shape, entry).to_bytes(size, "little") for entry in entries)
        head = np.array([FrameKind.LOAD.value | region.value << 8, 0], np.uint32)
        return np.concatenate([head, np.frombuffer(body, "<u4")])

    def _add_weights(self) -> None:
        """Lay out the weights: groups innermost in neurons, outermost in the first layer."""
        lanes = self.config.lanes
        first = self._lanes(self.first.weight.numpy())  # [groups, lanes, C, kh, kw]
        self._append(first.transpose(0, 2, 3, 4, 1).reshape(-1, lanes))
        for name, times in self.graph.maps.items():
            if isinstance(times.layer, TTFSNeurons):
                self.blocks[name] = len(self.weights)
                weight = self._lanes(times.layer.weight.numpy())
                full = np.zeros((1 << times.g_bits, *weight.shape[1:]), np.int64)
                full[:len(weight)] = weight
                self._append(full.transpose(2, 3, 4, 0, 1).reshape(-1, lanes))

    def _lanes(self, weight: np.ndarray) -> np.ndarray:
        """Return weights [N, ...] as [groups, lanes, ...], filled up with zeros."""
        lanes = self.config.lanes
        full = np.zeros((-(-len(weight) // lanes) * lanes, *weight.shape[1:]), np.int64)
        full[:len(weight)] = weight
        return full.reshape(-1, lanes, *weight.shape[1:])

    def _append(self, rows: np.ndarray) -> None:
        bits = self.config.weight_bits
        mask = (1 << bits) - 1
        self.weights += [sum((int(value) & mask) << (lane * bits)
                             for lane, value in enumerate(row)) for row in rows]

    def _biases(self) -> list[list[int]]:
        bias = self._lanes(self.first.bias.numpy())
        return [[int(value) for value in row] for row in bias]

    def _map(self, name: str, times: SpikeTimes) -> dict[str, int]:
        edges = [index for index, edge in enumerate(self.graph.edges) if edge.source == name]
        entry = {"base": times.base, "x_bits": times.x_bits, "g_bits": times.g_bits,
                 "first_edge": edges[0] if edges else 0, "edges": len(edges),
                 "exponential": 0, "threshold": 0, "window": 0,
                 "output": int(name == self.network.layers[-1].name)}
        layer = times.layer
        if isinstance(layer, TTFSNeurons):
            exponential = layer.kernel == "exponential"
            unit = self.network.guard_bits if exponential else self.network.tau_shift
            entry |= {"exponential": int(exponential), "window": layer.window,
                      "threshold": layer.threshold_shift + unit}
        return entry

    def _edge(self, edge: Edge, channels: list[dict[str, int]]) -> dict[str, int]:
        """Return the descriptor of an edge; append the entries of its channels."""
        target = self.graph.maps[edge.target]
        layer = target.layer
        synapse = edge.kind == EdgeKind.SYNAPSE
        block = (edge.kernel[0] * edge.kernel[1]) << target.g_bits
        first = len(channels)
        for channel in range(self.graph.maps[edge.source].shape[0]):
            place = edge.channels.get(channel)
            value = delay = 0
            if place is not None:
                value = self.blocks[edge.target] + place * block if synapse else place
                delay = int(layer.delays[place]) if isinstance(layer, TTFSDelay) else 0
            channels.append({"used": int(place is not None), "value": value, "delay": delay})
        neurons = isinstance(layer, TTFSNeurons)
        return {
            "kind": edge.kind.value, "map": self.numbers[edge.target], "base": target.base,
            "x_bits": target.x_bits, "g_bits": target.g_bits,
            "last_group": target.pixel_groups - 1 if synapse else 0,
            "last_y": target.shape[1] - 1, "last_x": target.shape[2] - 1,
            "kernel_y": edge.kernel[0], "kernel_x": edge.kernel[1],
            "stride_bits": edge.stride.bit_length() - 1, "padding": edge.padding,
            "channels": first,
            "exponential": int(neurons and layer.kernel == "exponential"),
            "window": layer.window if neurons else self.config.silent}

    def _network(self) -> dict[str, int]:
        layer: TTFSFirst = self.first
        times = self.graph.maps[layer.name]
        channels, height, width = self.network.input_shape
        return {
            "configuration": int(self.config.hash()[:8], 16),
            "tau_shift": self.network.tau_shift,
            "neuron_groups": self.graph.neuron_groups, "time_groups": self.graph.time_groups,
            "last_y": height - 1, "last_x": width - 1, "last_channel": channels - 1,
            "y_bits": (-(-height // 2) - 1).bit_length(),
            "x_bits": (-(-width // 2) - 1).bit_length(),
            "kernel_last_y": layer.weight.shape[2] - 1,
            "kernel_last_x": layer.weight.shape[3] - 1,
            "padding": layer.padding, "shift": layer.shift, "window": layer.window,
            "first_map": self.numbers[layer.name], "first_base": times.base,
            "first_last_y": times.shape[1] - 1, "first_last_x": times.shape[2] - 1,
            "first_x_bits": times.x_bits, "first_g_bits": times.g_bits,
            "first_channels": times.shape[0], "first_last_group": times.pixel_groups - 1}


def _packed(shape: Any, entry: Any) -> int:
    """Return an entry as the unsigned integer that the hardware holds."""
    if isinstance(shape, data.StructLayout):
        return sum(_packed(field.shape, entry[name]) << field.offset for name, field in shape)
    if isinstance(shape, data.ArrayLayout):
        step = Shape.cast(shape.elem_shape).width
        return sum(_packed(shape.elem_shape, item) << (index * step)
                   for index, item in enumerate(entry))
    return int(entry) & ((1 << Shape.cast(shape).width) - 1)
