# SPDX-License-Identifier: Apache-2.0
"""Sign correction: the active wordlines, or those whose weight is below 0, counted digitally."""

from collections.abc import Sequence
from typing import Any

from amaranth import Module, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from ..config import CrossbarConfig
from ..ftp.layouts import index_range
from .active_rows import ActiveRows

__all__ = ["SignCorrection", "counts_layout", "sign_write_layout"]


def counts_layout(config: CrossbarConfig) -> data.ArrayLayout:
    """Return counts of wordlines: one for each output with sign encoding, else one for all."""
    return data.ArrayLayout(range(config.rows + 1),
                            config.outputs if config.encoding == "sign" else 1)


def sign_write_layout(config: CrossbarConfig) -> data.StructLayout:
    """Return the sign of one weight.

    Members
    -------
    row : index_range(rows)
        Wordline.
    output : index_range(outputs)
        Output.
    negative : unsigned(1)
        The weight is below 0.
    """
    return data.StructLayout({
        "row": index_range(config.rows),
        "output": index_range(config.outputs),
        "negative": unsigned(1),
    })


class SignCorrection(wiring.Component):
    """Count what shift-add subtracts: the sign is digital and exact, whatever the cells do.

    Latency: active wordlines + 2 cycles from ``i`` to ``o``.
    Throughput: 1 pattern in active wordlines + 3 cycles.
    Back-pressure: counts that wait on ``o`` hold ``i``.
    Reset: synchronous; drops the pattern at work, keeps the signs.

    Parameters
    ----------
    config : CrossbarConfig
        With offset or sign encoding.
    signs : sequence of int
        For each row the weights below 0, bit n for output n, at power-up; none if None.

    Members
    -------
    i : In(stream.Signature(unsigned(rows)))
        Wordlines of one read.
    o : Out(stream.Signature(counts_layout(config)))
        Their counts.
    write : In(sign_write_layout(config))
        The sign of a weight; only sign encoding has them.
    write_en : In(1)
        Store it.
    """

    i: stream.Interface
    o: stream.Interface
    write: data.View
    write_en: Signal

    def __init__(self, config: CrossbarConfig, signs: Sequence[int] | None = None):
        self.config, self.signs = config, signs
        super().__init__({
            "i": In(stream.Signature(unsigned(config.rows))),
            "o": Out(stream.Signature(counts_layout(config))),
            "write": In(sign_write_layout(config)),
            "write_en": In(1),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.walk = walk = ActiveRows(self.config.rows)
        present: list[Any] = [1]
        if self.config.encoding == "sign":
            present = self._signs(m, walk.row)
        counting = Signal()  # the signs of a row are here
        m.d.comb += walk.lines.eq(self.i.payload)
        with m.FSM():
            with m.State("idle"):
                m.d.comb += [self.i.ready.eq(1), walk.load.eq(self.i.valid)]
                m.d.sync += [count.eq(0) for count in self.o.payload]
                with m.If(self.i.valid):
                    m.next = "count"
            with m.State("count"):
                m.d.comb += walk.step.eq(1)
                m.d.sync += counting.eq(walk.some)
                with m.If(~walk.some):
                    m.next = "done"
            with m.State("done"):
                m.d.comb += self.o.valid.eq(1)
                with m.If(self.o.ready):
                    m.next = "idle"
        with m.If(counting):
            m.d.sync += [count.eq(count + bit)
                         for count, bit in zip(self.o.payload, present, strict=True)]
        return m

    def _signs(self, m: Module, row) -> list:
        """Add the memory of signs; return those of the row that was walked last."""
        initial: Any = [[word >> n & 1 for n in range(self.config.outputs)]
                        for word in self.signs or []]
        m.submodules.signs = signs = Memory(
            shape=data.ArrayLayout(unsigned(1), self.config.outputs), depth=self.config.rows,
            init=initial)
        read, write = signs.read_port(), signs.write_port(granularity=1)
        m.d.comb += [read.addr.eq(row), write.addr.eq(self.write.row)]
        for n in range(self.config.outputs):
            m.d.comb += [write.en[n].eq(self.write_en & (self.write.output == n)),
                         write.data[n].eq(self.write.negative)]
        return [read.data[n] for n in range(self.config.outputs)]
