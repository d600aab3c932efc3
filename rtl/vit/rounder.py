# SPDX-License-Identifier: Apache-2.0
"""Rounds sums to few bits."""

from amaranth import Const, Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Rounder", "sum_layout"]


def sum_layout() -> data.StructLayout:
    """Return a sum.

    Members
    -------
    value : signed(32)
        What was added up.
    bias : signed(32)
        Added to it; the total fits 32 bits.
    """
    return data.StructLayout({"value": signed(32), "bias": signed(32)})


class Rounder(wiring.Component):
    """Add a bias, divide by a power of two, half up, and clip.

    Same result as ``spikeloom.models.golden.vit_layers.round_shift``.

    Latency: 1 cycle. Throughput: 1 sum per cycle.
    Back-pressure: a result that waits on ``o`` stops ``i`` in the same cycle.
    Reset: synchronous; drops the result that waits.

    Members
    -------
    shift : In(unsigned(5))
        Right shift.
    wide : In(1)
        Clip to 16 bits, not to 8.
    whole : In(1)
        Neither shift nor clip.
    i : In(stream.Signature(sum_layout()))
        Sums.
    o : Out(stream.Signature(signed(32)))
        Results.
    """

    shift: Signal
    wide: Signal
    whole: Signal
    i: stream.Interface
    o: stream.Interface

    def __init__(self):
        super().__init__({
            "shift": In(unsigned(5)),
            "wide": In(1),
            "whole": In(1),
            "i": In(stream.Signature(sum_layout())),
            "o": Out(stream.Signature(signed(32))),
        })

    def elaborate(self, platform):
        m = Module()
        total, rounded, high = (Signal(signed(34), name=name)
                                for name in ("total", "rounded", "high"))
        m.d.comb += [
            self.i.ready.eq(~self.o.valid | self.o.ready),
            total.eq(self.i.p.value + self.i.p.bias),
            rounded.eq((total + ((Const(1, 32) << self.shift) >> 1)) >> self.shift),
            high.eq(Mux(self.wide, 0x7FFF, 0x7F)),
        ]
        with m.If(self.i.ready):
            m.d.sync += [
                self.o.valid.eq(self.i.valid),
                self.o.payload.eq(Mux(self.whole, total,
                                      Mux(rounded > high, high,
                                          Mux(rounded < ~high, ~high, rounded)))),
            ]
        return m
