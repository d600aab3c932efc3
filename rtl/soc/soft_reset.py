# SPDX-License-Identifier: Apache-2.0
"""Soft reset: a reset of the engines that leaves the bus in order."""

from amaranth import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["SoftReset"]


class SoftReset(wiring.Component):
    """Halt the memory, wait until it has answered all it was asked, then reset the engines.

    Latency: until the memory is idle, then 2 cycles.
    Throughput: one reset at a time; a request during a reset is served by it.
    Back-pressure: none.
    Reset: synchronous; ends a reset at work.

    Members
    -------
    request : In(1)
        Reset, please; for one cycle.
    idle : In(1)
        The memory has nothing under way.
    halt : Out(1)
        The memory must take no more requests.
    reset : Out(1)
        The engines and the memory's queues forget everything.
    """

    request: Signal
    idle: Signal
    halt: Signal
    reset: Signal

    def __init__(self):
        super().__init__({"request": In(1), "idle": In(1), "halt": Out(1), "reset": Out(1)})

    def elaborate(self, platform):
        m = Module()
        waits = Signal()
        settled = Signal()  # the halt has reached the memory
        m.d.comb += self.halt.eq(waits | self.reset)
        m.d.sync += [settled.eq(waits), self.reset.eq(0)]
        with m.If(self.request):
            m.d.sync += waits.eq(1)
        with m.Elif(waits & settled & self.idle):
            m.d.sync += [waits.eq(0), self.reset.eq(1)]
        return m
