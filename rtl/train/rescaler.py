# SPDX-License-Identifier: Apache-2.0
"""Divides sums by powers of two, and notes how large they are."""

from functools import reduce
from operator import or_

from amaranth import Const, Module, Mux, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ..config import TrainConfig
from .layouts import packet_layout, sums_layout

__all__ = ["Rescaler", "rescaled"]


def rescaled(m: Module, value, shift, limit, name: str) -> Signal:
    """Return a sum of at most 32 bits divided by ``2**shift``, half up, and clamped."""
    rounded = Signal(signed(34), name=f"rounded_{name}")
    result = Signal(signed(16), name=f"rescaled_{name}")
    m.d.comb += [
        rounded.eq((value + ((Const(1, 32) << shift) >> 1)) >> shift),
        result.eq(Mux(rounded > limit, limit, Mux(rounded < -limit, -limit, rounded))),
    ]
    return result


class Rescaler(wiring.Component):
    """Round sums to 8 bits, currents to 16, and gather the magnitudes for the delayed shift.

    Equal in every bit to ``spikeloom.models.golden.tt_ops.rescale``.

    Latency: 1 cycle. Throughput: ``L`` sums per cycle. Back-pressure: none.
    Reset: synchronous; drops the sums at work.

    Parameters
    ----------
    config : TrainConfig

    Members
    -------
    shift : In(5)
        Right shift, with the sums.
    wide : In(1)
        Clamp to 16 bits, not 8.
    i : In(sums_layout(config))
        Sums.
    o : Out(packet_layout(config))
        Rescaled.
    found : Out(32)
        The magnitudes of the sums given, or-ed; zero if there are none.
    """

    shift: Signal
    wide: Signal
    i: data.View
    o: data.View
    found: Signal

    def __init__(self, config: TrainConfig):
        self.config = config
        super().__init__({
            "shift": In(5), "wide": In(1), "i": In(sums_layout(config)),
            "o": Out(packet_layout(config)), "found": Out(32)})

    def elaborate(self, platform):
        m = Module()
        limit = Signal(signed(17))
        m.d.comb += limit.eq(Mux(self.wide, 32767, 127))
        magnitudes = []
        for lane, value in enumerate(self.i.values):
            m.d.sync += self.o.values[lane].eq(
                rescaled(m, value, self.shift, limit, str(lane)))
            magnitudes.append(Mux(value < 0, -value, value)[:32])
        with m.If(self.i.valid):
            m.d.comb += self.found.eq(reduce(or_, magnitudes))
        for name in ("valid", "core", "back", "bypass", "pixel", "step", "group"):
            m.d.sync += getattr(self.o, name).eq(getattr(self.i, name))
        return m
