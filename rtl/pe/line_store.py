# SPDX-License-Identifier: Apache-2.0
"""Line store: the rows of an element, uncompressed, as they come one after another."""

import itertools

from amaranth import Array, Cat, Module, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from ..config import ElementConfig
from .layouts import place_range, tile_rows_layout
from .line_expander import line_layout
from .row_store import look_up, words_layout

__all__ = ["LineStore"]


class LineStore(wiring.Component):
    """Keep the rows of a tile in ``b`` banks and look lane words up there.

    As `RowStore`, for rows that come expanded and on one stream.

    Latency: 2 cycles from ``places`` to ``words``; the rows are ``loaded`` 1 cycle after their
    last line. Throughput: 1 place in each bank and 1 line per cycle.
    Back-pressure: with two tiles held no line is taken until ``release``.
    Reset: synchronous; forgets all tiles and clears the error.

    Parameters
    ----------
    config : ElementConfig

    Members
    -------
    i_tile : In(stream.Signature(tile_rows_layout(config)))
        Rows that are used in each tile, one or more.
    i_line : In(stream.Signature(line_layout(config)))
        Their lines, one row after another; of ``row`` count the lowest bits.
    loaded : Out(1)
        All rows of the oldest tile are here.
    used : Out(r)
        Those are its rows.
    places : In(data.ArrayLayout(place_range(config), b))
        Where to look, in each bank.
    beyond : Out(b)
        The place is behind the end of the rows; in the same cycle.
    words : Out(data.ArrayLayout(words_layout(config), b))
        What is there; zero in rows that are not used.
    release : In(1)
        Forget the oldest tile; its last places may come in the same cycle.
    length_mismatch : Out(1)
        Set for good when the rows of a tile differ in their number of lines.
    """

    i_tile: stream.Interface
    i_line: stream.Interface
    loaded: Signal
    used: Signal
    places: data.View
    beyond: Signal
    words: data.View
    release: Signal
    length_mismatch: Signal

    def __init__(self, config: ElementConfig):
        self.config = config
        super().__init__({
            "i_tile": In(stream.Signature(tile_rows_layout(config))),
            "i_line": In(stream.Signature(line_layout(config))),
            "loaded": Out(1),
            "used": Out(config.rows_per_pe),
            "places": In(data.ArrayLayout(place_range(config), config.probes)),
            "beyond": Out(config.probes),
            "words": Out(data.ArrayLayout(words_layout(config), config.probes)),
            "release": In(1),
            "length_mismatch": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        rows, banks = self.config.rows_per_pe, self.config.probes
        values = data.ArrayLayout(unsigned(self.config.timesteps), self.config.beat_values)
        address_bits = len(self.i_line.p.index)
        memories = [[Memory(shape=values.size, depth=2 << address_bits, init=[])
                     for _ in range(banks)] for _ in range(rows)]
        for row, bank in itertools.product(range(rows), range(banks)):
            m.submodules[f"words_{row}_{bank}"] = memories[row][bank]
        newest, oldest = Signal(), Signal()  # half of the memories of two tiles
        take, end = self._load(m, newest, oldest)
        for row, bank in itertools.product(range(rows), range(banks)):
            write = memories[row][bank].write_port()
            m.d.comb += [
                write.en.eq(take[row]),
                write.addr.eq(Cat(self.i_line.p.index, newest)),
                write.data.eq(self.i_line.p.values.as_value().word_select(bank, values.size)),
            ]
        look_up(m, self, memories, oldest, end)
        return m

    def _load(self, m: Module, newest, oldest) -> tuple[Signal, Signal]:
        """Take the rows of one tile after the other.

        Returns which row takes a line in this cycle, and the last address of the oldest tile.
        """
        line, index_shape = self.i_line, self.i_line.p.index.shape()
        wanted, done, held = Signal(self.config.rows_per_pe), Signal(self.config.rows_per_pe), (
            Signal())  # of the newest tile
        tiles = Signal(range(3))  # that are loaded
        used = Array(Signal.like(wanted, name=f"used_{half}") for half in range(2))
        ends = Array(Signal(index_shape, name=f"end_{half}") for half in range(2))
        take, ended = Signal.like(wanted), Signal.like(wanted)
        complete = Signal()
        row = line.p.row[:(self.config.rows_per_pe - 1).bit_length()]
        m.d.comb += [
            self.i_tile.ready.eq(~held),
            line.ready.eq(held & (tiles != 2)),
            take.eq(Cat(line.valid & line.ready & (row == number)
                        for number in range(self.config.rows_per_pe))),
            ended.eq(done | Cat(bit & line.p.last for bit in take)),
            complete.eq(take.any() & (ended == wanted)),
            self.loaded.eq(tiles != 0),
            self.used.eq(used[oldest]),
        ]
        m.d.sync += [tiles.eq(tiles + complete - self.release), done.eq(ended)]
        with m.If(take.any() & line.p.last):
            m.d.sync += ends[newest].eq(line.p.index)
        with m.If(take.any() & line.p.last & done.any() & (ends[newest] != line.p.index)):
            m.d.sync += self.length_mismatch.eq(1)
        with m.If(self.release):
            m.d.sync += oldest.eq(~oldest)
        with m.If(self.i_tile.valid & self.i_tile.ready):
            m.d.sync += [held.eq(1), wanted.eq(self.i_tile.p.used)]
        with m.If(complete):
            m.d.sync += [held.eq(0), done.eq(0), newest.eq(~newest), used[newest].eq(wanted)]
        return take, ends[oldest]
