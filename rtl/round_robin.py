# SPDX-License-Identifier: Apache-2.0
"""Round robin: who of several comes next."""

from amaranth import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["RoundRobin"]


class RoundRobin(wiring.Component):
    """Choose among requests, the one that follows the last granted one first.

    Latency: 0 cycles.
    Throughput: 1 choice per cycle.
    Back-pressure: a choice may change until ``take``.
    Reset: synchronous; request 0 comes first.

    Parameters
    ----------
    count : int
        Of those who ask.

    Members
    -------
    requests : In(count)
        Who asks, a bit each.
    take : In(1)
        The choice is granted.
    chosen : Out(count)
        The choice: one bit of ``requests``, none if there are none.
    """

    requests: Signal
    take: Signal
    chosen: Signal

    def __init__(self, count: int):
        self.count = count
        super().__init__({"requests": In(count), "take": In(1), "chosen": Out(count)})

    def elaborate(self, platform):
        m = Module()
        later = Signal(self.count)  # those after the last granted one
        preferred, candidates = Signal(self.count), Signal(self.count)
        m.d.comb += [
            preferred.eq(self.requests & later),
            candidates.eq(Mux(preferred != 0, preferred, self.requests)),
            self.chosen.eq(candidates & -candidates),
        ]
        with m.If(self.take):
            m.d.sync += later.eq(~(self.chosen | (self.chosen - 1)))
        return m
