# SPDX-License-Identifier: Apache-2.0
"""Accumulator of an element: the psums of its rows, one column at a time."""

from amaranth import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from ..config import ArrayConfig
from ..ftp.layouts import psums_layout
from ..one_hot import encode
from .hit_queue import found_layout
from .layouts import result_layout

__all__ = ["HitAccumulator"]


class HitAccumulator(wiring.Component):
    """Add weights to the timesteps in which the neurons that they meet fired.

    ``scan``: to one row per cycle, by ``T`` adders, the lowest row that has a spike first.
    ``bcast``: to all rows at once, by ``r * T`` adders. Sums wrap around at ``psum_bits``.

    Latency: 1 cycle from ``turn`` to ``o``. Throughput: 1 weight (``scan``: in one row) and 1
    result per cycle; a column may turn in the cycle of its last weight.
    Back-pressure: while the results of a column wait the next one is summed up; then there is no
    ``turn``.
    Reset: synchronous; drops all sums.

    Parameters
    ----------
    config : ArrayConfig

    Members
    -------
    i : In(stream.Signature(found_layout(config)))
        Weights of the present column; ``scan``: each with a spike in some row.
    ended : In(1)
        The present column has no weight but the one that may be on ``i``.
    final : In(1)
        It is the last one of the tile.
    used : In(r)
        Rows that want a result.
    turn : Out(1)
        The present column is summed up; go on to the next.
    blocked : Out(1)
        A column is summed up, but the former one still waits on ``o``.
    o : Out(stream.Signature(result_layout(config)))
        Psums of the used rows.
    """

    i: stream.Interface
    ended: Signal
    final: Signal
    used: Signal
    turn: Signal
    blocked: Signal
    o: stream.Interface

    def __init__(self, config: ArrayConfig):
        self.config = config
        super().__init__({
            "i": In(stream.Signature(found_layout(config))),
            "ended": In(1),
            "final": In(1),
            "used": In(config.rows_per_pe),
            "turn": Out(1),
            "blocked": Out(1),
            "o": Out(stream.Signature(result_layout(config))),
        })

    def elaborate(self, platform):
        m = Module()
        waiting = Signal(self.config.rows_per_pe)  # rows whose results are to leave
        first = _lowest(waiting)
        rest = waiting & ~first
        row, free = encode(m, first), Signal()
        m.d.comb += [
            free.eq(~rest.any() & (~waiting.any() | self.o.ready)),
            self.turn.eq(self.ended & free & (~self.i.valid | self.i.ready)),
            self.blocked.eq(self.ended & ~free & ~self.i.valid),
            self.o.valid.eq(waiting.any()),
            self.o.p.row.eq(row),
            self.o.p.column_end.eq(~rest.any()),
        ]
        with m.If(self.turn):
            m.d.sync += [waiting.eq(self.used), self.o.p.final.eq(self.final)]
        with m.Elif(self.o.ready):
            m.d.sync += waiting.eq(rest)
        if self.config.pe == "scan":
            self._scan(m, row)
        else:
            self._broadcast(m, row)
        return m

    def _scan(self, m: Module, leaving) -> None:
        """Add to one row after the other, in a memory for the sums of two columns."""
        rows = self.config.rows_per_pe
        row_bits = (rows - 1).bit_length()
        column, served = Signal(), Signal(rows)
        touched, sent = Signal(rows), Signal(rows)  # rows of either column with a sum
        sums = psums_layout(self.config)
        m.submodules.sums = memory = Memory(shape=sums.size, depth=2 << row_bits, init=[])
        write, old, ready = (memory.write_port(), memory.read_port(domain="comb"),
                             memory.read_port(domain="comb"))
        hits, first = Signal(rows), Signal(rows)
        row = encode(m, first)
        m.d.comb += [
            hits.eq(Cat(word.any() for word in self.i.p.words) & ~served),
            first.eq(_lowest(hits)),
            self.i.ready.eq(hits == first),
            old.addr.eq(Cat(row[:row_bits], column)),
            write.addr.eq(old.addr),
            write.en.eq(self.i.valid),
            ready.addr.eq(Cat(leaving[:row_bits], ~column)),
        ]
        word, psums = self.i.p.words[row], data.View(sums, write.data)
        m.d.comb += self._add(psums, Mux((touched & first).any(), old.data, 0), word)
        is_there = (sent >> leaving)[0]
        m.d.comb += self.o.p.psums.eq(Mux(is_there, ready.data, 0))
        now = Signal(rows)
        m.d.comb += now.eq(touched | Mux(self.i.valid, first, 0))
        m.d.sync += touched.eq(now)
        with m.If(self.i.valid):
            m.d.sync += served.eq(Mux(self.i.ready, 0, served | first))
        with m.If(self.turn):
            m.d.sync += [column.eq(~column), sent.eq(now), touched.eq(0)]

    def _broadcast(self, m: Module, leaving) -> None:
        """Add to all rows at once, in registers, and copy the sums when the column turns."""
        layout = data.ArrayLayout(psums_layout(self.config), self.config.rows_per_pe)
        sums, total, results = Signal(layout), Signal(layout), Signal(layout)
        m.d.comb += [self.i.ready.eq(1), self.o.p.psums.eq(results[leaving])]
        for row in range(self.config.rows_per_pe):
            word = Mux(self.i.valid, self.i.p.words[row], 0)
            m.d.comb += self._add(total[row], sums[row].as_value(), word)
        m.d.sync += sums.eq(total)
        with m.If(self.turn):
            m.d.sync += [results.eq(total), sums.eq(0)]

    def _add(self, psums: data.View, sums: Value, word: Value) -> list:
        """Return the statements that add the weight in the timesteps of ``word``."""
        old = data.View(psums.shape(), sums)
        return [psums[t].eq(old[t] + Mux(word[t], self.i.p.weight, 0))
                for t in range(self.config.timesteps)]


def _lowest(bits: Signal) -> Value:
    """Return the lowest set bit alone."""
    return Cat(bit & ~bits[:place].any() for place, bit in enumerate(bits))
