# SPDX-License-Identifier: Apache-2.0
"""Walk over the active rows of a pattern of wordlines."""

from amaranth import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..ftp.layouts import index_range
from ..one_hot import encode

__all__ = ["ActiveRows"]


class ActiveRows(wiring.Component):
    """Hold a pattern and give its active rows one by one, lowest first.

    Latency: 1 cycle from ``load`` to the first row. Throughput: 1 row per cycle.
    Back-pressure: a row stays until ``step``.
    Reset: synchronous; forgets the pattern.

    Parameters
    ----------
    rows : int

    Members
    -------
    load : In(1)
        Take a new pattern; an old one must have no rows left.
    lines : In(rows)
        The pattern.
    row : Out(index_range(rows))
        Lowest active row that is left.
    some : Out(1)
        There is one.
    step : In(1)
        Go on to the next one.
    """

    load: Signal
    lines: Signal
    row: Signal
    some: Signal
    step: Signal

    def __init__(self, rows: int):
        self.rows = rows
        super().__init__({
            "load": In(1),
            "lines": In(rows),
            "row": Out(index_range(rows)),
            "some": Out(1),
            "step": In(1),
        })

    def elaborate(self, platform):
        m = Module()
        left, lowest = Signal(self.rows), Signal(self.rows)
        m.d.comb += [
            lowest.eq(left & -left),
            self.some.eq(left.any()),
            self.row.eq(encode(m, lowest)),
        ]
        with m.If(self.load):
            m.d.sync += left.eq(self.lines)
        with m.Elif(self.step):
            m.d.sync += left.eq(left & ~lowest)
        return m
