# SPDX-License-Identifier: Apache-2.0
"""Cells of a crossbar: conductances, the sums of their columns, and programming pulses."""

from collections.abc import Sequence
from typing import Any

from amaranth import Array, Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from ..config import CrossbarConfig
from ..ftp.layouts import index_range
from .active_rows import ActiveRows
from .layouts import program_layout, sums_layout

__all__ = ["CellArray"]


class CellArray(wiring.Component):
    """Sum up the conductances of the active rows, column by column.

    ``sum[c] = offset[c] + sum over active rows r of (cell[r][c] - g_min)``. The rows are walked
    one by one, as a table in memory allows; silent ones cost no time. A pulse of amplitude ``a``
    moves a conductance by ``a - (a >> pulse_loss)``, within its width.

    Latency: active rows + 2 cycles from ``i`` to the first beat on ``o``; 1 cycle from
    ``i_program`` to ``o_verify``.
    Throughput: 1 read in active rows + M + 2 cycles; 1 pulse or verify read per cycle, a pulse
    after a pulse in 2.
    Back-pressure: sums that wait on ``o``, or a conductance on ``o_verify``, hold both inputs.
    Reset: synchronous; drops the read at work, keeps the conductances.

    Parameters
    ----------
    config : CrossbarConfig
    table : sequence of rows
        Conductances at power-up, then as one more row the offsets; all 0 if None.

    Members
    -------
    i : In(stream.Signature(unsigned(rows)))
        Wordlines of one read.
    o : Out(stream.Signature(sums_layout(config)))
        Sums: beat m has column ``k*M + m`` of each ADC k.
    i_program : In(stream.Signature(program_layout(config)))
        Pulses and verify reads; they come before reads.
    o_verify : Out(stream.Signature(unsigned(cell_word_bits)))
        A conductance.
    """

    i: stream.Interface
    o: stream.Interface
    i_program: stream.Interface
    o_verify: stream.Interface

    def __init__(self, config: CrossbarConfig, table: Sequence[Sequence[int]] | None = None):
        self.config, self.table = config, table
        super().__init__({
            "i": In(stream.Signature(unsigned(config.rows))),
            "o": Out(stream.Signature(sums_layout(config))),
            "i_program": In(stream.Signature(program_layout(config))),
            "o_verify": Out(stream.Signature(unsigned(config.cell_word_bits))),
        })

    def elaborate(self, platform):
        m = Module()
        rows, width = self.config.rows, self.config.cell_word_bits
        words = data.ArrayLayout(unsigned(width), self.config.columns)
        initial: Any = [] if self.table is None else [
            [int(value) & ((1 << width) - 1) for value in row] for row in self.table]
        m.submodules.table = table = Memory(shape=words, depth=rows + 1, init=initial)
        m.submodules.walk = walk = ActiveRows(rows)
        read, write = table.read_port(), table.write_port()
        reading, first, converting, last = Signal(), Signal(), Signal(), Signal()
        programming, free = self._program(m, read, write)
        turn = Signal(index_range(self.config.columns_per_adc))  # column that each ADC converts
        m.d.comb += [
            last.eq(turn == self.config.columns_per_adc - 1),
            walk.lines.eq(self.i.payload),
        ]

        with m.FSM():
            with m.State("idle"):
                m.d.comb += [self.i_program.ready.eq(free),
                             self.i.ready.eq(~self.i_program.valid & ~programming),
                             walk.load.eq(self.i.valid & self.i.ready)]
                m.d.comb += read.addr.eq(Mux(self.i_program.valid, self.i_program.p.row, rows))
                m.d.sync += first.eq(1)
                with m.If(walk.load):
                    m.next = "sum"
            with m.State("sum"):
                m.d.comb += [reading.eq(1), read.addr.eq(walk.row), walk.step.eq(1)]
                m.d.sync += first.eq(0)
                with m.If(~walk.some):
                    m.next = "convert"
            with m.State("convert"):
                m.d.comb += [self.o.valid.eq(1), converting.eq(self.o.ready)]
                with m.If(self.o.ready & last):
                    m.next = "idle"
        with m.If(converting):
            m.d.sync += turn.eq(Mux(last, 0, turn + 1))
        sums, reference = self._sum(m, read.data, reading, first)
        share = self.config.columns_per_adc
        for adc in range(self.config.adcs):
            group = Array(sums[adc * share:(adc + 1) * share])
            m.d.comb += self.o.payload[adc].eq(group[turn] - reference)
        return m

    def _sum(self, m: Module, row, reading, first) -> tuple[list[Signal], Signal]:
        """Add up the row that was read; return the sums, and that of a column at level 0."""
        shape = signed(self.config.sum_bits)
        sums = [Signal(shape, name=f"sum_{c}") for c in range(self.config.columns)]
        reference = Signal(index_range(self.config.rows * self.config.g_min + 1))
        with m.If(reading):
            m.d.sync += reference.eq(Mux(first, 0, reference + self.config.g_min))
            for column, total in enumerate(sums):
                offset = row[column].as_signed()
                m.d.sync += total.eq(Mux(first, offset, total + row[column]))
        return sums, reference

    def _program(self, m: Module, read, write) -> tuple[Signal, Signal]:
        """Answer verify reads and move conductances; return whether any is at work, and free.

        The row of a request is read while the one before is at work, so that what that one
        writes must be passed on.
        """
        width, loss = self.config.cell_word_bits, self.config.pulse_loss
        coming, request = self.i_program, Signal(program_layout(self.config))
        busy, free, advance, pulses = Signal(), Signal(), Signal(), Signal()
        present, moved = Signal(width), Signal(self.config.pulse_bits)
        new = Signal(signed(max(width, self.config.pulse_bits) + 2))
        following, former = Signal(width), Signal(width)
        changed = Signal()  # by the request before, after the row was read
        m.d.comb += [
            pulses.eq(busy & ~request.verify),
            advance.eq(~busy | pulses | self.o_verify.ready),
            free.eq(advance & ~(pulses & ~coming.p.verify)),  # as a pulse writes its whole row
            read.en.eq(advance),
            self.o_verify.payload.eq(present), self.o_verify.valid.eq(busy & request.verify),
            present.eq(Mux(changed, former,
                           read.data.as_value().word_select(request.column, width))),
            moved.eq(request.amplitude - (request.amplitude >> loss if loss else 0)),
            new.eq(Mux(request.down, present - moved, present + moved)),
            following.eq(Mux(new < 0, 0, Mux(new >> width > 0, (1 << width) - 1, new))),
            write.addr.eq(request.row), write.en.eq(pulses), write.data.eq(read.data),
            write.data.as_value().word_select(request.column, width).eq(following),
        ]
        with m.If(advance):
            m.d.sync += [
                busy.eq(coming.valid & coming.ready), request.eq(coming.payload),
                former.eq(following),
                changed.eq(pulses & (request.row == coming.p.row)
                           & (request.column == coming.p.column)),
            ]
        return busy, free
