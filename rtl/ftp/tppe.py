# SPDX-License-Identifier: Apache-2.0
"""Temporal-parallel processing element (TPPE): one row times one column at a time."""

from amaranth import Module, Mux, Signal, unsigned
from amaranth.lib import data, enum, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from ..config import FTPConfig
from .accumulator import Accumulator, output_layout
from .column_buffer import ColumnBuffer, column_beat_layout, column_chunk_layout
from .inner_join import InnerJoin
from .layouts import index_range
from .row_buffer import RowBuffer, row_beat_layout

__all__ = ["TPPE", "Activity", "tppe_error_layout"]


class Activity(enum.Enum, shape=3):
    """What a TPPE does in a cycle."""

    MATCH = 0         # finds a match: the useful cycles
    EMPTY = 1         # passes a chunk pair without a match
    STALL_JOIN = 2    # waits for the laggy prefix sum or its queue
    STALL_OUTPUT = 3  # waits for the output path to take a result
    STALL_ROW = 4     # waits for its spike fiber
    STALL_COLUMN = 5  # waits for weights
    IDLE = 6          # has no row in this tile, or no tile


def tppe_error_layout() -> data.StructLayout:
    """Return what can be wrong with the fibers; each bit stays set until reset.

    Members
    -------
    row_overflow : unsigned(1)
        A spike fiber or one of its chunks is too long.
    column_overflow : unsigned(1)
        A chunk of a weight fiber has too many beats.
    length_mismatch : unsigned(1)
        A weight fiber has not as many chunks as the spike fiber it meets.
    """
    return data.StructLayout({
        "row_overflow": unsigned(1),
        "column_overflow": unsigned(1),
        "length_mismatch": unsigned(1),
    })


class TPPE(wiring.Component):
    """Join one spike fiber with weight fiber after weight fiber; all timesteps in one pass.

    ``psum[t] = sum over k of weight[k] where bit t of word[k] is set`` (LoAS, MICRO 2024, TPPE).
    A fiber may have any number of chunks up to ``max_chunks``. The next spike fiber is loaded,
    and the next result summed up, while the former are in use.

    Equal in every bit to ``spikeloom.models.golden.tppe.tppe``.

    Latency: from the last beat of a weight fiber to its result 6 cycles (``fast_fast``) or
    ``max(C/A + 6, 9)`` cycles (``fast_laggy``) if that chunk has one match.
    Throughput: 1 match per cycle if a beat has two values or more, 1 chunk without a match per
    cycle; see `InnerJoin`. A result takes 1 cycle (``fast_fast``) or 2 (``fast_laggy``) at least.
    Back-pressure: while a result waits on ``o`` one more is summed up, then ``i_column`` stops
    when its buffer is full. ``i_row`` stops with two spike fibers held.
    Reset: synchronous; forgets all fibers and sums and clears ``error``.

    Parameters
    ----------
    config : FTPConfig

    Members
    -------
    i_row : In(stream.Signature(row_beat_layout(config)))
        Spike fibers; each is used until a weight fiber comes that is ``final``.
    i_column : In(stream.Signature(column_beat_layout(config)))
        Weight fibers, with as many chunks as the spike fiber.
    o : Out(stream.Signature(output_layout(config)))
        Psums, one result for each weight fiber.
    activity : Out(Activity)
        What the element does in this cycle.
    error : Out(tppe_error_layout())
        Fibers that do not fit; their psums are void, those of later fibers are right.
    """

    i_row: stream.Interface
    i_column: stream.Interface
    o: stream.Interface
    activity: Signal
    error: data.View

    def __init__(self, config: FTPConfig):
        self.config = config
        super().__init__({
            "i_row": In(stream.Signature(row_beat_layout(config))),
            "i_column": In(stream.Signature(column_beat_layout(config))),
            "o": Out(stream.Signature(output_layout(config))),
            "activity": Out(Activity),
            "error": Out(tppe_error_layout()),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.row = row = RowBuffer(self.config)
        m.submodules.column = column = ColumnBuffer(self.config)
        m.submodules.join = join = InnerJoin(self.config)
        m.submodules.accumulator = accumulator = Accumulator(self.config)
        connect(m, flipped(self.i_row), row.i)
        connect(m, flipped(self.i_column), column.i)
        connect(m, join.weights, column.weights)
        connect(m, join.words, row.words)
        connect(m, join.o_speculation, accumulator.i_speculation)
        connect(m, join.o, accumulator.i)
        connect(m, accumulator.o, flipped(self.o))

        row_done = Signal()  # all words of the older spike fiber have been read
        row_ready = self._pair(m, row, column, join, row_done)
        m.d.comb += [
            row_done.eq(join.o.valid & join.o.ready & join.o.p.last & join.o.p.final),
            row.release.eq(row_done),
            column.release.eq(join.done),
            self.error.row_overflow.eq(row.error),
            self.error.column_overflow.eq(column.error),
        ]
        waited = Signal()  # the pair was there a cycle ago; it is the join that lost this one
        m.d.sync += waited.eq(join.i.valid & ~join.i.ready)
        waits_output = self.o.valid & ~self.o.ready
        blocked = Mux(waits_output, Activity.STALL_OUTPUT, Activity.STALL_JOIN)
        with m.If(join.match):
            m.d.comb += self.activity.eq(Activity.MATCH)
        with m.Elif(join.done):
            m.d.comb += self.activity.eq(Activity.EMPTY)
        with m.Elif(join.holds | (join.i.valid & (waited | ~join.i.ready))):
            m.d.comb += self.activity.eq(blocked)
        with m.Elif(column.o.valid & ~row_ready):
            m.d.comb += self.activity.eq(Activity.STALL_ROW)
        with m.Else():
            m.d.comb += self.activity.eq(Activity.STALL_COLUMN)
        return m

    def _pair(self, m: Module, row, column, join, row_done) -> Signal:
        """Bring each weight chunk together with its spike chunk; return if there is a row."""
        bank, index = Signal(), Signal(index_range(self.config.max_chunks))
        ahead = Signal(range(3))  # spike fibers paired to their end, words not yet all read
        row_ready, flow, fire, row_end = Signal(), Signal(), Signal(), Signal()
        valid, chunk = Signal(), Signal(column_chunk_layout(self.config))
        row_over = Signal()  # the weight fiber is longer than the spike fiber

        m.d.comb += [
            row_ready.eq(row.loaded > ahead),
            flow.eq(~valid | join.i.ready),
            fire.eq(column.o.valid & column.o.ready),
            column.o.ready.eq(flow & row_ready),
            row_end.eq(fire & column.o.p.last & column.o.p.final),
            row.chunks.en.eq(fire),
            row.chunks.addr.eq(Mux(bank, self.config.max_chunks, 0) + index),
            join.i.valid.eq(valid),
            join.i.p.spike_mask.eq(Mux(row_over, 0, row.chunks.data.mask)),
            join.i.p.spike_base.eq(row.chunks.data.base),
            join.i.p.weight_mask.eq(chunk.mask),
            join.i.p.weight_base.eq(chunk.base),
            join.i.p.last.eq(chunk.last),
            join.i.p.final.eq(chunk.final),
        ]
        m.d.sync += ahead.eq(ahead + row_end - row_done)
        with m.If(flow):
            m.d.sync += valid.eq(fire)
        with m.If(fire):
            m.d.sync += chunk.eq(column.o.payload)
            m.d.sync += index.eq(Mux(column.o.p.last, 0, index + 1))
        with m.If(row_end):
            m.d.sync += bank.eq(~bank)
        with m.If(valid & join.i.ready):
            m.d.sync += row_over.eq(~chunk.last & (row_over | row.chunks.data.last))
            with m.If(chunk.last != row.chunks.data.last):
                m.d.sync += self.error.length_mismatch.eq(1)
        return row_ready
