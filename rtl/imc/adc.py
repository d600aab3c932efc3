# SPDX-License-Identifier: Apache-2.0
"""ADCs of a crossbar: round, shift, clip."""

from amaranth import Module, Mux, Signal, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..config import CrossbarConfig
from .layouts import codes_layout, sums_layout

__all__ = ["ADC"]


class ADC(wiring.Component):
    """Convert the sums of columns to codes, one in each ADC at once.

    ``code = min(max((sum + half) >> adc_shift, 0), 2**adc_bits - 1)``, where half is half a step;
    the range is fixed, whatever the data.

    Equal in every bit to ``spikeloom.models.golden.adc.adc``.

    Latency: 1 cycle. Throughput: 1 conversion of each ADC per cycle.
    Back-pressure: codes that wait on ``o`` stop ``i`` in the same cycle.
    Reset: synchronous; drops waiting codes.

    Parameters
    ----------
    config : CrossbarConfig

    Members
    -------
    i : In(stream.Signature(sums_layout(config)))
        Sums, with offset and noise.
    o : Out(stream.Signature(codes_layout(config)))
        Their codes.
    """

    i: stream.Interface
    o: stream.Interface

    def __init__(self, config: CrossbarConfig):
        self.config = config
        super().__init__({
            "i": In(stream.Signature(sums_layout(config))),
            "o": Out(stream.Signature(codes_layout(config))),
        })

    def elaborate(self, platform):
        m = Module()
        shift, highest = self.config.adc_shift, (1 << self.config.adc_bits) - 1
        m.d.comb += self.i.ready.eq(~self.o.valid | self.o.ready)
        with m.If(self.i.ready):
            m.d.sync += self.o.valid.eq(self.i.valid)
        with m.If(self.i.ready & self.i.valid):
            for k in range(self.config.adcs):
                rounded = Signal(signed(self.config.sum_bits + 1), name=f"rounded_{k}")
                steps = Signal(signed(max(self.config.sum_bits + 1 - shift, 2)), name=f"steps_{k}")
                m.d.comb += [rounded.eq(self.i.payload[k] + ((1 << shift) >> 1)),
                             steps.eq(rounded >> shift)]
                clipped = Mux(steps > highest, highest, steps[:self.config.adc_bits])
                m.d.sync += self.o.payload[k].eq(Mux(steps < 0, 0, clipped))
        return m
