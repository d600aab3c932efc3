# SPDX-License-Identifier: Apache-2.0
"""Floor of the square root of an integer, a bit per cycle."""

from amaranth import Cat, Const, Module, Signal, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..ftp.layouts import index_range

__all__ = ["SquareRoot"]


class SquareRoot(wiring.Component):
    """Find the largest integer whose square is not larger.

    Same result as ``spikeloom.models.golden.layer_norm.floor_sqrt``.

    Latency: ``bits + 1`` cycles. Throughput: one integer in ``bits + 2`` cycles.
    Back-pressure: an integer waits until the root before it is taken.
    Reset: synchronous; drops the integer at work.

    Parameters
    ----------
    bits : int
        Of the root.

    Members
    -------
    i : In(stream.Signature(unsigned(2 * bits)))
        Integer.
    o : Out(stream.Signature(unsigned(bits)))
        Its root.
    """

    i: stream.Interface
    o: stream.Interface

    def __init__(self, bits: int):
        self.bits = bits
        super().__init__({
            "i": In(stream.Signature(unsigned(2 * bits))),
            "o": Out(stream.Signature(unsigned(bits))),
        })

    def elaborate(self, platform):
        m = Module()
        digits = Signal(2 * self.bits)  # those to come, two of them for each bit of the root
        rest = Signal(self.bits)        # at most twice the root so far
        taken, trial = (Signal(self.bits + 2, name=name) for name in ("taken", "trial"))
        left = Signal(index_range(self.bits))
        root = self.o.payload
        m.d.comb += [taken.eq(Cat(digits[-2:], rest)), trial.eq(Cat(Const(1, 2), root))]
        with m.FSM():
            with m.State("wait"):
                m.d.comb += self.i.ready.eq(1)
                m.d.sync += [digits.eq(self.i.payload), rest.eq(0), root.eq(0),
                             left.eq(self.bits - 1)]
                with m.If(self.i.valid):
                    m.next = "root"
            with m.State("root"):
                fits = taken >= trial
                m.d.sync += [digits.eq(digits << 2), left.eq(left - 1), rest.eq(taken),
                             root.eq(Cat(fits, root))]
                with m.If(fits):
                    m.d.sync += rest.eq(taken - trial)
                with m.If(left == 0):
                    m.next = "offer"
            with m.State("offer"):
                m.d.comb += self.o.valid.eq(1)
                with m.If(self.o.ready):
                    m.next = "wait"
        return m
