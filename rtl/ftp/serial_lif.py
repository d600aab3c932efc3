# SPDX-License-Identifier: Apache-2.0
"""Serial leaky integrate-and-fire: the timesteps of a neuron one after the other."""

from amaranth import Cat, Module, Signal, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..config import FTPConfig
from .layouts import index_range, place_layout
from .plif import charge_and_fire, plif_input_layout, word_layout

__all__ = ["SerialLIF"]


class SerialLIF(wiring.Component):
    """Leaky integrate-and-fire in the place of `ParallelLIF`, with the hardware of one timestep.

    The neuron waits on ``i`` until its last timestep is over, so nothing of it is held.

    Equal in every bit to ``spikeloom.models.golden.plif.plif``.

    Latency: T - 1 cycles. Throughput: 1 neuron in T cycles.
    Back-pressure: a word that waits on ``o`` stops ``i`` in the same cycle.
    Reset: synchronous; drops the neuron at work.

    Parameters
    ----------
    config : FTPConfig
    place_shape : data.StructLayout
        What travels along with a neuron; ``place_layout(config)`` if not given.

    Members
    -------
    i : In(stream.Signature(plif_input_layout(config)))
        Psums, parameters and place of one output neuron.
    o : Out(stream.Signature(word_layout(config)))
        Its spikes.
    busy : Out(1)
        High while a neuron is at work.
    """

    i: stream.Interface
    o: stream.Interface
    busy: Signal

    def __init__(self, config: FTPConfig, place_shape: data.StructLayout | None = None):
        self.config = config
        self.place_shape = place_shape or place_layout(config)
        super().__init__({
            "i": In(stream.Signature(plif_input_layout(config, self.place_shape))),
            "o": Out(stream.Signature(word_layout(config, self.place_shape))),
            "busy": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        config, neuron = self.config, self.i.p
        t = Signal(index_range(config.timesteps))
        final = Signal()
        membrane = Signal(signed(config.membrane_bits))
        spikes = Signal(unsigned(config.timesteps))  # of the former timesteps, from the top down
        current = Signal(signed(config.current_bits))
        scaled = Signal(signed(config.current_bits + 4))
        spike, after = charge_and_fire(
            m, config, membrane, scaled, neuron.lif, neuron.channel.threshold, 0)
        m.d.comb += [
            current.eq(neuron.psums[t] + neuron.channel.bias),
            scaled.eq(current * neuron.lif.gain),
            final.eq(t == config.timesteps - 1),
            self.o.valid.eq(self.i.valid & final),
            self.o.p.word.eq(Cat(spikes[1:], spike)), self.o.p.place.eq(neuron.place),
            self.i.ready.eq(final & self.o.ready),
            self.busy.eq(self.i.valid),
        ]
        with m.If(self.i.valid & ~final):
            m.d.sync += [t.eq(t + 1), membrane.eq(after), spikes.eq(self.o.p.word)]
        with m.Elif(self.i.valid & self.o.ready):
            m.d.sync += [t.eq(0), membrane.eq(0)]
        return m
