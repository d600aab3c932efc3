# SPDX-License-Identifier: Apache-2.0
"""Serial leaky integrate-and-fire: the timesteps of a neuron one after the other."""

from amaranth import Cat, Module, Signal, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..config import FTPConfig
from .layouts import channel_layout, index_range, lif_layout, place_layout
from .plif import charge_and_fire, word_layout

__all__ = ["SerialLIF", "timestep_layout"]


def timestep_layout(config: FTPConfig, place_shape: data.StructLayout | None = None
                    ) -> data.StructLayout:
    """Return one timestep of one output neuron.

    Members
    -------
    psum : signed(psum_bits)
        Its psum.
    channel : channel_layout(config)
        Bias and threshold; the same in all timesteps, as the fields below.
    lif : lif_layout()
        Neuron model.
    place : place_layout(config)
        Passed on unchanged; ``place_shape`` in its stead if given.
    """
    return data.StructLayout({
        "psum": signed(config.psum_bits), "channel": channel_layout(config),
        "lif": lif_layout(), "place": place_shape or place_layout(config),
    })


class SerialLIF(wiring.Component):
    """Leaky integrate-and-fire in the place of `ParallelLIF`, with the hardware of one timestep.

    Equal in every bit to ``spikeloom.models.golden.plif.plif``.

    Latency: 0 cycles from the last timestep. Throughput: 1 timestep per cycle.
    Back-pressure: a word that waits on ``o`` stops ``i`` in the same cycle.
    Reset: synchronous; drops the neuron at work.

    Parameters
    ----------
    config : FTPConfig
    place_shape : data.StructLayout
        What travels along with a neuron; ``place_layout(config)`` if not given.

    Members
    -------
    i : In(stream.Signature(timestep_layout(config)))
        The timesteps of one output neuron, then those of the next one.
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
            "i": In(stream.Signature(timestep_layout(config, self.place_shape))),
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
            current.eq(neuron.psum + neuron.channel.bias),
            scaled.eq(current * neuron.lif.gain),
            final.eq(t == config.timesteps - 1),
            self.o.valid.eq(self.i.valid & final),
            self.o.p.word.eq(Cat(spikes[1:], spike)), self.o.p.place.eq(neuron.place),
            self.i.ready.eq(~final | self.o.ready),
            self.busy.eq(self.i.valid | (t != 0)),
        ]
        with m.If(self.i.valid & ~final):
            m.d.sync += [t.eq(t + 1), membrane.eq(after), spikes.eq(self.o.p.word)]
        with m.Elif(self.i.valid & self.o.ready):
            m.d.sync += [t.eq(0), membrane.eq(0)]
        return m
