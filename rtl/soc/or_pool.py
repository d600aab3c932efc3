# SPDX-License-Identifier: Apache-2.0
"""OR pooling: lane words of a window's members to one."""

from amaranth import Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from ..config import AcceleratorConfig
from ..ftp.layouts import index_range, place_layout
from ..ftp.plif import word_layout
from .descriptor import descriptor_layout

__all__ = ["ORPool", "member_word_layout"]


def member_word_layout(config: AcceleratorConfig) -> data.StructLayout:
    """Return a lane word of a window's member.

    Members
    -------
    word : unsigned(T)
        Bit t is the spike at timestep t.
    place : place_layout(config)
        Where in the tile the word belongs.
    opens : unsigned(1)
        The tile is the first one of its windows.
    closes : unsigned(1)
        The tile is the last one of its windows.
    """
    return data.StructLayout({
        "word": unsigned(config.timesteps), "place": place_layout(config),
        "opens": unsigned(1), "closes": unsigned(1),
    })


class ORPool(wiring.Component):
    """Max pooling of spikes: at each timestep a window spikes if any of its members does.

    The rows of a column come window by window, ``members_per_tile`` of each. If a window takes
    several tiles its words wait in a memory, one for each column, until the tile that closes.
    Rows that leave are windows of the tile, numbered from 0.

    Same result as ``spikeloom.models.golden.max_pool.max_pool``.

    Latency: 1 cycle from the last member. Throughput: 1 word per cycle.
    Back-pressure: a word that waits on ``o`` stops ``i`` in the same cycle.
    Reset: synchronous; drops the window at work, and the next tile must open its window.

    Parameters
    ----------
    config : AcceleratorConfig

    Members
    -------
    layer : In(descriptor_layout())
        The layer at work, static while it is.
    i : In(stream.Signature(member_word_layout(config)))
        Words of the members, in order of column, then row.
    o : Out(stream.Signature(word_layout(config)))
        Words of the windows.
    busy : Out(1)
        High while a column has begun or a word waits; not for windows that wait for a tile.
    """

    layer: data.View
    i: stream.Interface
    o: stream.Interface
    busy: Signal

    def __init__(self, config: AcceleratorConfig):
        self.config = config
        super().__init__({
            "layer": In(descriptor_layout()),
            "i": In(stream.Signature(member_word_layout(config))),
            "o": Out(stream.Signature(word_layout(config))),
            "busy": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        columns = Memory(shape=unsigned(self.config.timesteps), depth=self.config.max_columns,
                         init=[])
        m.submodules.columns = columns
        write = columns.write_port()
        read = columns.read_port(transparent_for=(write,))
        valid, free = Signal(), Signal()
        pooled, column = Signal(member_word_layout(self.config)), Signal.like(write.addr)
        merged = Signal(self.config.timesteps)
        self._pool_members(m, pooled, valid, column, free, read)
        m.d.comb += [
            merged.eq(pooled.word | Mux(pooled.opens, 0, read.data)),
            self.o.valid.eq(valid & pooled.closes),
            self.o.p.word.eq(merged),
            self.o.p.place.eq(pooled.place),
            free.eq(~self.o.valid | self.o.ready),
            write.en.eq(valid & ~pooled.closes),
            write.addr.eq(column),
            write.data.eq(merged),
        ]
        return m

    def _pool_members(self, m: Module, pooled, valid, column, free, read) -> None:
        """Add the OR over the members in one tile; look up those of the tiles before."""
        place = self.i.p.place
        member, window = Signal(index_range(self.config.tile_rows)), Signal.like(place.row)
        collected, word = Signal.like(self.i.p.word), Signal.like(self.i.p.word)
        index = Signal.like(column)
        take, window_end = Signal(), Signal()
        m.d.comb += [
            self.i.ready.eq(free),
            take.eq(self.i.valid & free),
            window_end.eq(place.column_end | (member == self.layer.members_per_tile - 1)),
            word.eq(collected | self.i.p.word),
            read.en.eq(take & window_end),
            read.addr.eq(index),
            self.busy.eq(valid | (member != 0) | (window != 0)),
        ]
        with m.If(free):
            m.d.sync += valid.eq(take & window_end)
        with m.If(take):
            m.d.sync += [
                member.eq(Mux(window_end, 0, member + 1)),
                collected.eq(Mux(window_end, 0, word)),
            ]
        with m.If(take & window_end):
            m.d.sync += [
                pooled.eq(self.i.payload), pooled.word.eq(word), pooled.place.row.eq(window),
                column.eq(index), window.eq(Mux(place.column_end, 0, window + 1)),
            ]
        with m.If(take & place.column_end):
            m.d.sync += index.eq(Mux(place.last, 0, index + 1))
