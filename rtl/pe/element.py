# SPDX-License-Identifier: Apache-2.0
"""Element that looks the weights of a column up in its rows."""

from typing import Any

from amaranth import Cat, Module, Signal, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.fifo import SyncFIFO
from amaranth.lib.wiring import In, Out, connect, flipped

from ..config import ArrayConfig
from ..ftp.row_buffer import row_beat_layout
from ..ftp.tppe import Activity
from .hit_accumulator import HitAccumulator
from .hit_queue import HitQueue
from .layouts import list_beat_layout, result_layout, tile_rows_layout
from .line_expander import line_layout
from .line_store import LineStore
from .row_store import RowStore

__all__ = ["Element", "element_error_layout"]


def element_error_layout() -> data.StructLayout:
    """Return what can be wrong with rows and weights; each bit stays set until reset.

    Members
    -------
    row_overflow : unsigned(1)
        A spike fiber or one of its chunks is too long.
    length_mismatch : unsigned(1)
        The rows of a tile differ in their number of chunks.
    place_overflow : unsigned(1)
        A weight lies beyond the end of the rows.
    """
    return data.StructLayout({
        "row_overflow": unsigned(1),
        "length_mismatch": unsigned(1),
        "place_overflow": unsigned(1),
    })


class Element(wiring.Component):
    """Add up the weights of columns for up to ``r`` rows; all timesteps in one pass.

    ``psum[t] = sum over k of weight[k] where bit t of word[k] is set``. The rows lie uncompressed
    in ``b`` banks; each beat of a column's list looks one weight up in each bank. A weight at
    which some row has a spike waits in the queue of its bank to be added: ``scan`` adds it to one
    row at a time, ``bcast`` to all at once. The elements of a group that is ``bcast`` take the
    same beats in the same cycle and queue the same weights.

    Equal in every bit to ``spikeloom.models.golden.element.element``.

    Latency: 5 cycles from the last beat of a column to its first result if that beat has one hit.
    Throughput: 1 beat per cycle (queues of 8 or more); 1 hit (``scan``: a weight in one row,
    ``bcast``: a weight) per cycle, no cycle lost between columns; 1 result per cycle.
    Back-pressure: while the results of a column wait on ``o`` the next is summed up; then the
    queues fill up and ``i_weights`` stops. With one tile in use and one loaded, ``i_row`` stops
    when each row holds a chunk and most of another.
    Reset: synchronous; forgets all rows, weights and sums and clears ``error``.

    Parameters
    ----------
    config : ArrayConfig
    lines : bool
        Rows come expanded, one after another: in place of ``i_row`` there is a stream ``i_line``
        of `line_layout`. Each tile then has a row, and there is no ``row_overflow``.

    Members
    -------
    i_tile : In(stream.Signature(tile_rows_layout(config)))
        Rows that are used in each tile.
    i_row : In(stream.Signature(row_beat_layout(config))).array(r)
        Spike fibers, one for each tile in which the row is used.
    i_weights : In(stream.Signature(list_beat_layout(config)))
        The lists of the columns of every tile, also of those in which no row is used.
    o : Out(stream.Signature(result_layout(config)))
        Psums of each column in turn, of its used rows in ascending order.
    live : Out(b)
        For each bank, if a weight that was taken 2 cycles ago met a spike in some row.
    i_live : In(b)
        ``bcast``: the OR of ``live`` over the elements of the group, in the same cycle.
    activity : Out(Activity)
        What the element does in this cycle: ``MATCH`` adds a weight, ``EMPTY`` takes a beat and
        has nothing to add; there is no ``STALL_JOIN``, and only the array knows ``IDLE``.
    error : Out(element_error_layout())
        Rows and weights that do not fit; the psums of their tile are void, later ones are right.
    """

    i_tile: stream.Interface
    i_row: list[stream.Interface]
    i_line: stream.Interface
    i_weights: stream.Interface
    o: stream.Interface
    live: Signal
    i_live: Signal
    activity: Signal
    error: data.View

    def __init__(self, config: ArrayConfig, lines: bool = False):
        self.config, self.lines = config, lines
        row = stream.Signature(row_beat_layout(config))
        super().__init__({
            "i_tile": In(stream.Signature(tile_rows_layout(config))),
            **({"i_line": In(stream.Signature(line_layout(config)))} if lines else
               {"i_row": In(row).array(config.rows_per_pe)}),
            "i_weights": In(stream.Signature(list_beat_layout(config))),
            "o": Out(stream.Signature(result_layout(config))),
            "live": Out(config.probes),
            "i_live": In(config.probes),
            "activity": Out(Activity),
            "error": Out(element_error_layout()),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.store = store = self._store(m)
        m.submodules.queue = queue = HitQueue(self.config)
        m.submodules.accumulator = accumulator = HitAccumulator(self.config)
        # a tile's rows wait here until its first column is summed up
        m.submodules.tiles = tiles = SyncFIFO(width=self.config.rows_per_pe, depth=4)
        connect(m, flipped(self.i_tile), store.i_tile)
        connect(m, queue.o, accumulator.i)
        connect(m, accumulator.o, flipped(self.o))

        take, tile_end, begins = Signal(), Signal(), Signal(init=1)
        m.d.comb += [
            self.i_weights.ready.eq(store.loaded & queue.room & tiles.w_rdy),
            take.eq(self.i_weights.valid & self.i_weights.ready),
            tile_end.eq(take & self.i_weights.p.column_end & self.i_weights.p.final),
            store.release.eq(tile_end),
            tiles.w_data.eq(store.used),
            tiles.w_en.eq(take & begins),
            tiles.r_en.eq(accumulator.turn & queue.final),
            accumulator.used.eq(tiles.r_data),
            accumulator.ended.eq(queue.ended),
            accumulator.final.eq(queue.final),
            queue.turn.eq(accumulator.turn),
        ]
        with m.If(take):
            m.d.sync += begins.eq(tile_end)
        valid = self._look_up(m, store, queue, take)
        self._tell(m, store, accumulator, take, valid)
        return m

    def _store(self, m: Module) -> Any:
        """Return what keeps the rows, connected to them."""
        if self.lines:
            lines = LineStore(self.config)
            connect(m, flipped(self.i_line), lines.i_line)
            return lines
        store = RowStore(self.config)
        for row, port in zip(self.i_row, store.i_row, strict=True):
            connect(m, flipped(row), port)
        m.d.comb += self.error.row_overflow.eq(store.row_overflow)
        return store

    def _look_up(self, m: Module, store, queue: HitQueue, take) -> Signal:
        """Send a beat along with its places, 2 cycles to the queues; never wait on the way.

        So the elements of a group, which take the same beats in the same cycle, agree on them.
        """
        beat = self.i_weights.p
        carried = data.StructLayout({
            "weights": data.ArrayLayout(signed(self.config.weight_bits), self.config.probes),
            "valid": unsigned(self.config.probes), "column_end": unsigned(1), "final": unsigned(1),
        })
        stages = [Signal(carried, name=f"beat_{delay}") for delay in range(3)]
        taken = [take, Signal(name="taken_1"), Signal(name="taken_2")]
        for bank in range(self.config.probes):
            entry, found = beat.entries[bank], queue.i.found[bank]
            m.d.comb += [
                store.places[bank].eq(entry.place),
                stages[0].weights[bank].eq(entry.weight),
                found.weight.eq(stages[2].weights[bank]),
                found.words.eq(store.words[bank]),
            ]
        m.d.comb += [
            stages[0].valid.eq(Cat(entry.valid for entry in beat.entries)),
            stages[0].column_end.eq(beat.column_end),
            stages[0].final.eq(beat.final),
        ]
        for delay in range(2):
            m.d.sync += [stages[delay + 1].eq(stages[delay]), taken[delay + 1].eq(taken[delay])]
        hits = Cat(words.as_value().any() for words in store.words) & stages[2].valid
        m.d.comb += [
            self.live.eq(hits & taken[2].replicate(self.config.probes)),
            queue.push.eq(taken[2]),
            queue.i.column_end.eq(stages[2].column_end),
            queue.i.final.eq(stages[2].final),
            queue.i.hits.eq(self.live if self.config.pe == "scan" else self.i_live),
        ]
        return stages[0].valid

    def _tell(self, m: Module, store, accumulator: HitAccumulator, take, valid) -> None:
        """Report errors and activity."""
        m.d.comb += self.error.length_mismatch.eq(store.length_mismatch)
        with m.If(take & (valid & store.beyond).any()):
            m.d.sync += self.error.place_overflow.eq(1)
        with m.If(accumulator.i.valid):
            m.d.comb += self.activity.eq(Activity.MATCH)
        with m.Elif(accumulator.blocked):
            m.d.comb += self.activity.eq(Activity.STALL_OUTPUT)
        with m.Elif(take):
            m.d.comb += self.activity.eq(Activity.EMPTY)
        with m.Elif(self.i_weights.valid & ~store.loaded):
            m.d.comb += self.activity.eq(Activity.STALL_ROW)
        with m.Else():
            m.d.comb += self.activity.eq(Activity.STALL_COLUMN)
