# SPDX-License-Identifier: Apache-2.0
"""Row store: the rows of a tile, uncompressed, to be looked up; and those of the next tile."""

import itertools
from functools import reduce
from operator import and_, or_

from amaranth import Array, Cat, Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out, connect, flipped

from ..config import ArrayConfig, ElementConfig
from ..ftp.layouts import index_range
from ..ftp.row_buffer import row_beat_layout
from .layouts import place_range, tile_rows_layout
from .row_expander import RowExpander

__all__ = ["RowStore", "look_up", "words_layout"]


def words_layout(config: ElementConfig) -> data.ArrayLayout:
    """Return the lane words of all rows of an element at one position."""
    return data.ArrayLayout(unsigned(config.timesteps), config.rows_per_pe)


class RowStore(wiring.Component):
    """Expand the rows of a tile into ``b`` banks and look lane words up there.

    Position k is in slice ``s = k // V``, so in bank ``s % b`` at place ``(s // b) * V + k % V``.

    Latency: 2 cycles from ``places`` to ``words``; the rows are ``loaded`` 1 cycle after their
    last slice, which all used rows wait for. Throughput: 1 place in each bank and 1 slice of
    each row per cycle.
    Back-pressure: with two tiles held no slice is taken until ``release``.
    Reset: synchronous; forgets all tiles and clears the errors.

    Parameters
    ----------
    config : ArrayConfig

    Members
    -------
    i_tile : In(stream.Signature(tile_rows_layout(config)))
        Rows that are used in each tile.
    i_row : In(stream.Signature(row_beat_layout(config))).array(r)
        Spike fibers, one for each tile in which the row is used.
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
    row_overflow : Out(1)
        Set for good when a fiber or a chunk is too long.
    length_mismatch : Out(1)
        Set for good when the rows of a tile differ in their number of chunks.
    """

    i_tile: stream.Interface
    i_row: list[stream.Interface]
    loaded: Signal
    used: Signal
    places: data.View
    beyond: Signal
    words: data.View
    release: Signal
    row_overflow: Signal
    length_mismatch: Signal

    def __init__(self, config: ArrayConfig):
        self.config = config
        row = stream.Signature(row_beat_layout(config))
        super().__init__({
            "i_tile": In(stream.Signature(tile_rows_layout(config))),
            "i_row": In(row).array(config.rows_per_pe),
            "loaded": Out(1),
            "used": Out(config.rows_per_pe),
            "places": In(data.ArrayLayout(place_range(config), config.probes)),
            "beyond": Out(config.probes),
            "words": Out(data.ArrayLayout(words_layout(config), config.probes)),
            "release": In(1),
            "row_overflow": Out(1),
            "length_mismatch": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        rows, banks = self.config.rows_per_pe, self.config.probes
        expanders = [RowExpander(self.config) for _ in range(rows)]
        for row, expander in enumerate(expanders):
            m.submodules[f"expander_{row}"] = expander
            connect(m, flipped(self.i_row[row]), expander.i)
        m.d.comb += self.row_overflow.eq(Cat(expander.error for expander in expanders).any())
        slices = [expander.o for expander in expanders]
        values = data.ArrayLayout(unsigned(self.config.timesteps), self.config.beat_values)
        addresses = [Signal(self._address_bits(), name=f"address_{row}") for row in range(rows)]
        memories = [[Memory(shape=values.size, depth=2 << self._address_bits(), init=[])
                     for _ in range(banks)] for _ in range(rows)]
        for row, bank in itertools.product(range(rows), range(banks)):
            m.submodules[f"words_{row}_{bank}"] = memories[row][bank]
        newest, oldest = Signal(), Signal()  # half of the memories of two tiles
        end = self._load(m, slices, addresses, newest, oldest)
        self._write(m, slices, addresses, memories, newest)
        look_up(m, self, memories, oldest, end)
        return m

    def _address_bits(self) -> int:
        slices = self.config.max_chunks * self.config.chunk_beats // self.config.probes
        return max((slices - 1).bit_length(), 1)

    def _load(self, m: Module, slices: list, addresses: list, newest, oldest) -> Signal:
        """Take the slices of one tile after the other; return the last address of the oldest."""
        wanted, held = Signal(self.config.rows_per_pe), Signal()  # of the newest tile
        tiles = Signal(range(3))  # that are loaded
        used = Array(Signal.like(wanted, name=f"used_{half}") for half in range(2))
        ends = Array(Signal.like(addresses[0], name=f"end_{half}") for half in range(2))
        some, every = Signal.like(addresses[0]), Signal.like(addresses[0])
        ready, complete = Signal(), Signal()
        waiting = Cat(part.valid & part.p.last for part in slices)
        m.d.comb += [
            self.i_tile.ready.eq(~held),
            ready.eq(held & (tiles != 2)),
            complete.eq(ready & (waiting | ~wanted).all()),
            self.loaded.eq(tiles != 0),
            self.used.eq(used[oldest]),
        ]
        masked = [Mux(wanted[row], address, 0) for row, address in enumerate(addresses)]
        filled = [Mux(wanted[row], address, ~0) for row, address in enumerate(addresses)]
        m.d.comb += [some.eq(reduce(or_, masked)), every.eq(reduce(and_, filled))]
        for row, part in enumerate(slices):
            m.d.comb += part.ready.eq(ready & wanted[row] & (~part.p.last | complete))
        m.d.sync += tiles.eq(tiles + complete - self.release)
        with m.If(self.release):
            m.d.sync += oldest.eq(~oldest)
        with m.If(self.i_tile.valid & self.i_tile.ready):
            m.d.sync += [held.eq(1), wanted.eq(self.i_tile.p.used)]
        with m.If(complete):
            m.d.sync += [held.eq(0), newest.eq(~newest), used[newest].eq(wanted),
                         ends[newest].eq(every)]
        with m.If(complete & (some != every) & wanted.any()):
            m.d.sync += self.length_mismatch.eq(1)
        return ends[oldest]

    def _write(self, m: Module, slices: list, addresses: list, memories: list, newest) -> None:
        """Write each slice to its bank."""
        bank_bits = (self.config.probes - 1).bit_length()
        for part, address, banks in zip(slices, addresses, memories, strict=True):
            m.d.comb += address.eq(part.p.index >> bank_bits)
            for bank, memory in enumerate(banks):
                write = memory.write_port()
                m.d.comb += [
                    write.en.eq(part.valid & part.ready & part.p.fits
                                & (part.p.index[:bank_bits] == bank)),
                    write.addr.eq(Cat(address, newest)),
                    write.data.eq(part.p.values),
                ]


def look_up(m: Module, store, memories: list, oldest, end) -> None:
    """Read a slice of each row in each bank, then choose one position of it.

    Parameters
    ----------
    store
        A component with the ports ``places``, ``beyond``, ``words`` and ``used``.
    memories : list of list of Memory
        For each row its banks; two halves of slices.
    oldest, end : Signal
        The half to read, and the last address there.
    """
    config, address_bits = store.config, len(end)
    lane_bits = (config.beat_values - 1).bit_length()
    width = config.timesteps
    used = Signal.like(store.used)  # when the slices were read
    m.d.sync += used.eq(store.used)
    for bank in range(config.probes):
        place = store.places[bank]
        lane = Signal(index_range(config.beat_values), name=f"lane_{bank}")
        address = Signal(address_bits, name=f"place_{bank}")
        m.d.sync += lane.eq(place[:lane_bits])
        m.d.comb += address.eq(place >> lane_bits)
        if len(place) > lane_bits:  # else each row has all places
            m.d.comb += store.beyond[bank].eq(address > end)
        for row, memory in enumerate(banks[bank] for banks in memories):
            read = memory.read_port()
            m.d.comb += read.addr.eq(Cat(address, oldest))
            m.d.sync += store.words[bank][row].eq(read.data.word_select(lane, width))
            with m.If(~used[row]):  # as the reset of these flip-flops it costs no gate
                m.d.sync += store.words[bank][row].eq(0)
