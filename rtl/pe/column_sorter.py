# SPDX-License-Identifier: Apache-2.0
"""Column sorter: the results of each column from the order of the elements to that of the rows."""

from amaranth import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from ..config import ElementConfig
from ..ftp.array_layouts import array_result_layout
from ..ftp.layouts import index_range, psums_layout
from .lookup_layouts import row_place_layout

__all__ = ["ColumnSorter"]

_TILES = 4  # whose places are known: one comes, two are loaded, one leaves


class ColumnSorter(wiring.Component):
    """Sort the results of each column by their rows in the tile.

    Two columns or more fit in a ring: while one leaves others come.

    Latency: 2 cycles from the last result of a column to its first row.
    Throughput: 1 result per cycle, over columns and tiles as well.
    Back-pressure: a column waits until all of it fits; the places of four tiles at most are held.
    Reset: synchronous; forgets all places and results.

    Parameters
    ----------
    config : ElementConfig
    tile_shape : data.StructLayout
        Description of a tile, with the field ``rows``.

    Members
    -------
    i_place : In(stream.Signature(row_place_layout(config)))
        Where each row of each tile is computed.
    i : In(stream.Signature(array_result_layout(config, tile_shape)))
        Results in any order within a column; ``row`` is where they were computed.
    o : Out(stream.Signature(array_result_layout(config, tile_shape)))
        The same results in order of column, then row.
    busy : Out(1)
        High while a result is held.
    """

    i_place: stream.Interface
    i: stream.Interface
    o: stream.Interface
    busy: Signal

    def __init__(self, config: ElementConfig, tile_shape: data.StructLayout):
        self.config, self.tile_shape = config, tile_shape
        super().__init__({
            "i_place": In(stream.Signature(row_place_layout(config))),
            "i": In(stream.Signature(array_result_layout(config, tile_shape))),
            "o": Out(stream.Signature(array_result_layout(config, tile_shape))),
            "busy": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        row_bits = (self.config.tile_rows - 1).bit_length()
        stored = data.StructLayout({"psums": psums_layout(self.config), "last": 1,
                                    "tile": self.tile_shape})
        m.submodules.results = results = Memory(shape=stored, depth=2 << row_bits, init=[])
        head, tail = Signal(row_bits + 2), Signal(row_bits + 2)  # of whole columns
        take, column_end, tile_end = Signal(), Signal(), Signal()
        known, row = self._look_up(m, take, tile_end)

        # one that looks up its row
        base, result, coming = Signal(row_bits + 1), Signal(stored), Signal()
        write = results.write_port()
        m.d.comb += [
            self.i.ready.eq(known & ((head - tail)[:len(head)] + self.i.p.tile.rows
                                     <= results.depth)),
            take.eq(self.i.valid & self.i.ready),
            column_end.eq(take & self.i.p.column_end),
            tile_end.eq(column_end & self.i.p.last),
            write.en.eq(coming),
            write.addr.eq(base + row),
            write.data.eq(result),
        ]
        m.d.sync += coming.eq(take)
        with m.If(take):
            m.d.sync += [base.eq(head), result.psums.eq(self.i.p.psums),
                         result.last.eq(self.i.p.last), result.tile.eq(self.i.p.tile)]
        with m.If(column_end):
            m.d.sync += head.eq(head + self.i.p.tile.rows)
        # the last result of a column may be the first one to leave
        self._send(m, results.read_port(transparent_for=(write,)), head, tail)
        m.d.comb += self.busy.eq((head != tail) | coming | self.o.valid)
        return m

    def _look_up(self, m: Module, take, tile_end) -> tuple[Signal, Value]:
        """Add the rows of each tile by their places.

        Returns whether the places of the oldest tile are here, and the row of the result that
        was taken in the cycle before.
        """
        row_bits = (self.config.tile_rows - 1).bit_length()
        m.submodules.rows = rows = Memory(shape=index_range(self.config.tile_rows),
                                          depth=_TILES << row_bits, init=[])
        write, read = rows.write_port(), rows.read_port()
        tiles, newest, oldest = Signal(range(_TILES + 1)), Signal(range(_TILES)), Signal(
            range(_TILES))
        known, complete = Signal(), Signal()
        m.d.comb += [
            known.eq(tiles != 0),
            self.i_place.ready.eq(tiles != _TILES),
            write.en.eq(self.i_place.valid & self.i_place.ready),
            write.addr.eq(Cat(self.i_place.p.place[:row_bits], newest)),
            write.data.eq(self.i_place.p.row),
            complete.eq(write.en & self.i_place.p.last),
            read.en.eq(take),
            read.addr.eq(Cat(self.i.p.row[:row_bits], oldest)),
        ]
        m.d.sync += [tiles.eq(tiles + complete - tile_end), newest.eq(newest + complete),
                     oldest.eq(oldest + tile_end)]
        return known, read.data

    def _send(self, m: Module, read, head, tail) -> None:
        """Add the side that gives out whole columns."""
        flow, step = Signal(), Signal()
        row = Signal(index_range(self.config.tile_rows))
        m.d.comb += [
            flow.eq(~self.o.valid | self.o.ready),
            step.eq(flow & (tail != head)),
            read.en.eq(step),
            read.addr.eq(tail),
            self.o.p.psums.eq(read.data.psums),
            self.o.p.row.eq(row),
            self.o.p.column_end.eq(row + 1 == read.data.tile.rows),
            self.o.p.last.eq(read.data.last),
            self.o.p.tile.eq(read.data.tile),
        ]
        with m.If(flow):
            m.d.sync += self.o.valid.eq(step)
        with m.If(step):
            m.d.sync += tail.eq(tail + 1)
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += row.eq(Mux(self.o.p.column_end, 0, row + 1))
