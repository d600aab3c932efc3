# SPDX-License-Identifier: Apache-2.0
"""From a network of spike times to the maps and edges of the time-to-first-spike core."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from ...models.golden.ttfs_layers import (
    TTFSAdd,
    TTFSConcat,
    TTFSDelay,
    TTFSFirst,
    TTFSLayer,
    TTFSMinPool,
    TTFSNeurons,
    TTFSSplit,
)
from ...models.golden.ttfs_network import TTFSNetwork
from ...rtl.config import TTFSConfig
from ...rtl.ttfs.descriptors import EdgeKind

__all__ = ["Edge", "Graph", "SpikeTimes", "build_graph"]


@dataclass(kw_only=True)
class SpikeTimes:
    """A map: spike times that the core keeps.

    Attributes
    ----------
    layer : TTFSLayer
        What they are; concatenation, split and what is fused into another have no map.
    shape : tuple of int
        Channels, height and width.
    lanes : int
        Channels of a group.
    base : int
        Address of the first group.
    """

    layer: TTFSLayer
    shape: tuple[int, int, int]
    lanes: int
    base: int = 0

    @property
    def pixel_groups(self) -> int:
        """Groups of a pixel in use."""
        return -(-self.shape[0] // self.lanes)

    @property
    def g_bits(self) -> int:
        """Place of the pixel's number in a group's address."""
        return (self.pixel_groups - 1).bit_length()

    @property
    def x_bits(self) -> int:
        """Place of the row in a pixel's number."""
        return (self.shape[2] - 1).bit_length()

    @property
    def groups(self) -> int:
        """Addresses that it takes."""
        return self.shape[1] << (self.x_bits + self.g_bits)

    def spike_times(self, words: np.ndarray) -> np.ndarray:
        """Return the times, [C, H, W], from the lanes of its groups, [groups, P]."""
        channels, height, width = self.shape
        pixels = words.reshape(height, 1 << self.x_bits, -1)[:, :width, :channels]
        return pixels.transpose(2, 0, 1)


@dataclass(kw_only=True)
class Edge:
    """What goes from one map to another.

    Attributes
    ----------
    kind : EdgeKind
    source, target : str
        Layers of the maps.
    kernel : tuple of int
        Height and width.
    stride, padding : int
    channels : dict of int to int
        Channel of the source to channel of what the target's layer reads.
    """

    kind: EdgeKind
    source: str
    target: str
    kernel: tuple[int, int] = (1, 1)
    stride: int = 1
    padding: int = 0
    channels: dict[int, int] = field(default_factory=dict)


@dataclass(kw_only=True)
class Graph:
    """Maps and edges of a network.

    Attributes
    ----------
    maps : dict of str to SpikeTimes
        By layer, in the order of the network; neurons have the lower addresses.
    edges : list of Edge
        Those of one source behind one another, sources in the order of the maps.
    fused : dict of str to str
        Layers without a map of their own whose delay is added on the way to another's.
    neuron_groups, time_groups : int
        Addresses in use.
    """

    maps: dict[str, SpikeTimes]
    edges: list[Edge]
    fused: dict[str, str]
    neuron_groups: int
    time_groups: int


def build_graph(network: TTFSNetwork, config: TTFSConfig) -> Graph:
    """Return the maps and edges of a network, with addresses, whether they fit or not."""
    readers = {layer.name: [other for other in network.layers if layer.name in other.sources]
               for layer in network.layers}
    fused = {layer.name: readers[layer.name][0].name for layer in network.layers
             if isinstance(layer, TTFSMinPool) and len(readers[layer.name]) == 1
             and isinstance(readers[layer.name][0], TTFSDelay)}
    maps = {layer.name: SpikeTimes(layer=layer, shape=network.shapes[layer.name],
                                   lanes=config.lanes)
            for layer in network.layers
            if not isinstance(layer, TTFSConcat | TTFSSplit) and layer.name not in fused}
    neurons = _place([times for times in maps.values() if isinstance(times.layer, TTFSNeurons)], 0)
    others = _place([times for times in maps.values()
                     if not isinstance(times.layer, TTFSNeurons)], config.neuron_groups)
    order = list(maps)
    edges = [edge for name, times in maps.items() if not isinstance(times.layer, TTFSFirst)
             for edge in _edges(network, maps, fused, name)]
    edges.sort(key=lambda edge: order.index(edge.source))
    return Graph(maps=maps, edges=edges, fused=fused, neuron_groups=neurons,
                 time_groups=others - config.neuron_groups)


def _place(maps: Iterable[SpikeTimes], base: int) -> int:
    """Give maps their addresses from ``base`` on; return the first behind them."""
    for times in maps:
        times.base = base
        base += times.groups
    return base


def _edges(network: TTFSNetwork, maps: dict[str, SpikeTimes], fused: dict[str, str],
           name: str) -> list[Edge]:
    """Return the edges that lead to the map of a layer."""
    layer = network[name]
    inner = next((network[pool] for pool, delay in fused.items() if delay == name), layer)
    kind, kernel, stride, padding = EdgeKind.POOL, (1, 1), 1, 0
    match inner:
        case TTFSNeurons():
            kind = EdgeKind.SYNAPSE
            kernel = (inner.weight.shape[2], inner.weight.shape[3])
            stride, padding = inner.stride, inner.padding
        case TTFSMinPool():
            kernel, stride, padding = (inner.size, inner.size), inner.stride, inner.padding
        case TTFSAdd():
            kind = EdgeKind.ADD
    edges = []
    for source in inner.sources:
        own: list[Edge] = []
        for channel, (origin, place) in enumerate(_channels(network, maps, source)):
            edge = next((edge for edge in own
                         if edge.source == origin and place not in edge.channels), None)
            if edge is None:
                edge = Edge(kind=kind, source=origin, target=name, kernel=kernel, stride=stride,
                            padding=padding)
                own.append(edge)
            edge.channels[place] = channel
        edges += own
    return edges


def _channels(network: TTFSNetwork, maps: dict[str, SpikeTimes],
              name: str) -> list[tuple[str, int]]:
    """Return map and channel there of each channel of a layer."""
    if name in maps:
        return [(name, channel) for channel in range(maps[name].shape[0])]
    layer = network[name]
    parts = [channel for source in layer.sources for channel in _channels(network, maps, source)]
    if isinstance(layer, TTFSSplit):
        return parts[layer.first:layer.first + layer.channels]
    groups = layer.groups if isinstance(layer, TTFSConcat) else 1
    size = len(parts) // groups
    return [parts[group * size + index] for index in range(size) for group in range(groups)]
