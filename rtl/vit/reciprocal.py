# SPDX-License-Identifier: Apache-2.0
"""Reciprocal of a positive integer, a bit per cycle."""

from amaranth import Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Reciprocal", "reciprocal_layout"]


def reciprocal_layout(width: int, bits: int) -> data.StructLayout:
    """Return a reciprocal.

    Members
    -------
    mantissa : unsigned(bits + 2)
        ``2**(exponent + bits)`` over the integer, floor.
    exponent : range(width + 1)
        Bits of the integer.
    """
    return data.StructLayout({"mantissa": unsigned(bits + 2), "exponent": range(width + 1)})


class Reciprocal(wiring.Component):
    """Divide ``2**(e + bits)`` by an integer of e bits.

    Equal in every bit to ``spikeloom.models.golden.reciprocal.reciprocal``.

    Latency: ``width - e + bits + 3`` cycles. Throughput: one integer in as many cycles, plus one.
    Back-pressure: an integer waits until the reciprocal before it is taken.
    Reset: synchronous; drops the integer at work.

    Parameters
    ----------
    width : int
        Bits of the integer.
    bits : int
        Of the mantissa.

    Members
    -------
    i : In(stream.Signature(unsigned(width)))
        Integer, at least 1.
    o : Out(stream.Signature(reciprocal_layout(width, bits)))
        Its reciprocal.
    """

    i: stream.Interface
    o: stream.Interface

    def __init__(self, width: int, bits: int):
        self.width, self.bits = width, bits
        super().__init__({
            "i": In(stream.Signature(unsigned(width))),
            "o": Out(stream.Signature(reciprocal_layout(width, bits))),
        })

    def elaborate(self, platform):
        m = Module()
        # The divisor moves up until its highest bit is set; 2**(e + bits) over it is then
        # 2**(width + bits) over the moved one, and the first remainder is 2**(width - 1).
        divisor, rest = Signal(self.width), Signal(self.width)
        doubled = Signal(self.width + 1)
        left = Signal(range(self.bits + 2))
        m.d.comb += doubled.eq(rest << 1)
        with m.FSM():
            with m.State("wait"):
                m.d.comb += self.i.ready.eq(1)
                m.d.sync += [divisor.eq(self.i.payload), self.o.p.exponent.eq(self.width)]
                with m.If(self.i.valid):
                    m.next = "align"
            with m.State("align"):
                with m.If(divisor[-1]):
                    # The quotient's first bit: 2**(width-1) is below the divisor or equal.
                    exact = divisor == 1 << (self.width - 1)
                    m.d.sync += [self.o.p.mantissa.eq(exact), left.eq(self.bits + 1),
                                 rest.eq(Mux(exact, 0, 1 << (self.width - 1)))]
                    m.next = "divide"
                with m.Else():
                    m.d.sync += [divisor.eq(divisor << 1),
                                 self.o.p.exponent.eq(self.o.p.exponent - 1)]
            with m.State("divide"):
                fits = doubled >= divisor
                m.d.sync += [
                    self.o.p.mantissa.eq((self.o.p.mantissa << 1) | fits),
                    rest.eq(doubled), left.eq(left - 1),
                ]
                with m.If(fits):
                    m.d.sync += rest.eq(doubled - divisor)
                with m.If(left == 1):
                    m.next = "offer"
            with m.State("offer"):
                m.d.comb += self.o.valid.eq(1)
                with m.If(self.o.ready):
                    m.next = "wait"
        return m
