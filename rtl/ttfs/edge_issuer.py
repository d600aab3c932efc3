# SPDX-License-Identifier: Apache-2.0
"""Edge issuer: the edges that a spike takes."""

from amaranth import Cat, Module, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory, ReadPort
from amaranth.lib.wiring import In, Out

from ..config import TTFSConfig
from ..ftp.layouts import index_range
from .descriptors import (
    channel_entry_layout,
    chosen_fields,
    edge_layout,
    index_bits,
    map_layout,
)
from .layouts import element_layout

__all__ = ["EdgeIssuer", "issue_layout", "table", "table_write_layout"]

_OF_MAP = ("base", "x_bits", "g_bits", "first_edge", "edges")


def table_write_layout(shape, depth: int) -> data.StructLayout:
    """Return one entry of a table that is being loaded.

    Members
    -------
    address : index_range(depth)
        Where it goes.
    entry : shape
        What it is.
    """
    return data.StructLayout({"address": index_range(depth), "entry": shape})


def table(m: Module, name: str, writes: stream.Interface, shape: data.StructLayout,
          depth: int) -> ReadPort:
    """Add a table that keeps some fields of what is loaded, and return its read port."""
    m.submodules[name] = memory = Memory(shape=shape, depth=depth, init=[])
    write = memory.write_port()
    m.d.comb += [write.addr.eq(writes.p.address), write.en.eq(writes.valid),
                 *(write.data[field].eq(writes.p.entry[field]) for field, _ in shape)]
    return memory.read_port()


def issue_layout(config: TTFSConfig) -> data.StructLayout:
    """Return a spike on one of its edges.

    Members
    -------
    edge : edge_layout(config)
        Which.
    entry : channel_entry_layout(config)
        What the edge does with the spike's channel.
    y : range(config.max_side)
        Row of the spike's pixel.
    x : range(config.max_side)
        Its column.
    """
    return data.StructLayout({
        "edge": edge_layout(config),
        "entry": channel_entry_layout(config),
        "y": range(config.max_side),
        "x": range(config.max_side),
    })


class EdgeIssuer(wiring.Component):
    """Find the edges of spiking elements: those that lead on, with the entry of their channel.

    Latency: 4 cycles. Throughput: 1 edge per cycle.
    Back-pressure: an edge that waits on ``o`` stops ``i`` in the same cycle.
    Reset: synchronous; drops what is under way. The tables stay.

    Parameters
    ----------
    config : TTFSConfig

    Members
    -------
    i_map : In(stream.Signature(table_write_layout(map_layout(config), config.maps), \
always_ready=True))
        Loads the table of maps.
    i_edge : In(stream.Signature(table_write_layout(edge_layout(config), config.edges), \
always_ready=True))
        Loads the table of edges.
    i_channel : In(stream.Signature(table_write_layout(channel_entry_layout(config), \
config.channel_entries), always_ready=True))
        Loads the table of channels.
    time : In(unsigned(config.time_bits))
        The present step.
    i : In(stream.Signature(element_layout(config)))
        Elements that spike in it.
    o : Out(stream.Signature(issue_layout(config)))
        Their edges.
    busy : Out(1)
        High while an element is under way.
    """

    i_map: stream.Interface
    i_edge: stream.Interface
    i_channel: stream.Interface
    time: Signal
    i: stream.Interface
    o: stream.Interface
    busy: Signal

    def __init__(self, config: TTFSConfig):
        self.config = config
        tables = (("i_map", map_layout(config), config.maps),
                  ("i_edge", edge_layout(config), config.edges),
                  ("i_channel", channel_entry_layout(config), config.channel_entries))
        super().__init__({
            **{name: In(stream.Signature(table_write_layout(shape, depth), always_ready=True))
               for name, shape, depth in tables},
            "time": In(unsigned(config.time_bits)),
            "i": In(stream.Signature(element_layout(config))),
            "o": Out(stream.Signature(issue_layout(config))),
            "busy": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        config = self.config
        maps, edges, channels = (
            table(m, name, writes, shape, depth) for name, writes, shape, depth in (
                ("maps", self.i_map, chosen_fields(map_layout(config), _OF_MAP), config.maps),
                ("edges", self.i_edge, edge_layout(config), config.edges),
                ("channels", self.i_channel, channel_entry_layout(config),
                 config.channel_entries)))
        element = Signal(element_layout(config))
        has_map, has_edge, has_channel = Signal(), Signal(), Signal()
        index = Signal(range(config.edges))
        last, advance, accept = Signal(), Signal(), Signal()
        place = {name: Signal(range(config.max_side)) for name in ("y", "x")}
        later = {name: Signal(range(config.max_side), name=f"later_{name}") for name in place}
        channel = Signal(index_bits(config.groups) + index_bits(config.lanes))
        edge = Signal(edge_layout(config))

        own: data.View = maps.data
        group = Signal(index_range(config.groups))  # counted from the map's base
        pixel = Signal.like(group)
        m.d.comb += [
            group.eq(element.group - own.base), pixel.eq(group >> own.g_bits),
            last.eq(index + 1 >= own.edges),
            advance.eq(~self.o.valid | self.o.ready),
            accept.eq(advance & (~has_map | last)),
            self.i.ready.eq(accept),
            maps.addr.eq(self.i.p.map), maps.en.eq(accept),
            edges.addr.eq(own.first_edge + index), edges.en.eq(advance),
            channels.addr.eq(edges.data.channels + channel), channels.en.eq(advance),
            self.o.valid.eq(has_channel & channels.data.used & (self.time < edge.window)),
            self.o.p.edge.eq(edge), self.o.p.entry.eq(channels.data),
            self.o.p.y.eq(later["y"]), self.o.p.x.eq(later["x"]),
            self.busy.eq(has_map | has_edge | has_channel),
        ]
        with m.If(accept):
            m.d.sync += [has_map.eq(self.i.valid), element.eq(self.i.payload), index.eq(0)]
        with m.Elif(advance):
            m.d.sync += index.eq(index + 1)
        with m.If(advance):
            m.d.sync += [
                has_edge.eq(has_map & (own.edges != 0)), has_channel.eq(has_edge),
                place["y"].eq(pixel >> own.x_bits),
                place["x"].eq(pixel & ((1 << own.x_bits) - 1)),
                channel.eq(Cat(element.lane, group & ((1 << own.g_bits) - 1))),
                edge.eq(edges.data), *(later[name].eq(place[name]) for name in place),
            ]
        return m
