# SPDX-License-Identifier: Apache-2.0
"""Read noise: coins from a shift register of each ADC."""

from amaranth import Cat, Module, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ..config import NOISE_STATE_BITS, CrossbarConfig
from ..ftp.layouts import index_range

__all__ = ["ReadNoise", "samples_layout"]


def samples_layout(config: CrossbarConfig) -> data.ArrayLayout:
    """Return a sample for each ADC, in conductance units."""
    bits = ((config.noise_bits // 2) << config.noise_shift).bit_length() + 1
    return data.ArrayLayout(signed(bits), config.adcs)


class ReadNoise(wiring.Component):
    """Give a sample of noise for each conversion of each ADC.

    The sample is ``(number of ones in noise_bits bits - noise_bits/2) << noise_shift``; the bits
    are those of ``x[n] = x[n-3] ^ x[n-31]``, a sequence that each ADC of each macro starts
    elsewhere.

    Equal in every bit to ``spikeloom.models.golden.read_noise.ReadNoise``.

    Latency: 2 cycles from reset to the first sample. Throughput: 1 sample of each ADC per cycle.
    Back-pressure: the samples stay until ``step``.
    Reset: synchronous; the sequences start anew.

    Parameters
    ----------
    config : CrossbarConfig

    Members
    -------
    tile : In(index_range(tiles))
        Number of the macro, static.
    samples : Out(samples_layout(config))
        Of the present conversion.
    step : In(1)
        It is done.
    """

    tile: Signal
    samples: data.View
    step: Signal

    def __init__(self, config: CrossbarConfig):
        self.config = config
        super().__init__({
            "tile": In(index_range(config.tiles)),
            "samples": Out(samples_layout(config)),
            "step": In(1),
        })

    def elaborate(self, platform):
        m = Module()
        coins = self.config.noise_bits
        if not coins:
            return m
        started = Signal()
        m.d.sync += started.eq(1)
        for adc in range(self.config.adcs):
            state = Signal(NOISE_STATE_BITS, name=f"state_{adc}")  # the newest bit is the lowest
            bits = list(state)
            for _ in range(coins):
                bits = [bits[2] ^ bits[30], *bits[:30]]
            with m.If(~started):
                with m.Switch(self.tile):
                    for tile in range(self.config.tiles):
                        with m.Case(tile):
                            m.d.sync += state.eq(self.config.noise_state(tile, adc))
            with m.Elif(self.step):
                m.d.sync += state.eq(Cat(bits))
            heads = sum(state[k] for k in range(coins))
            m.d.comb += self.samples[adc].eq((heads - coins // 2) << self.config.noise_shift)
        return m
