# SPDX-License-Identifier: Apache-2.0
"""Parallel leaky integrate-and-fire (P-LIF): all timesteps of a neuron in one pass."""

from amaranth import Cat, Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..config import FTPConfig
from .layouts import channel_layout, lif_layout, place_layout, psums_layout

__all__ = ["ParallelLIF", "plif_input_layout", "word_layout"]


def plif_input_layout(config: FTPConfig) -> data.StructLayout:
    """Return what the P-LIF needs of one output neuron.

    Members
    -------
    psums : psums_layout(config)
        One psum for each timestep.
    channel : channel_layout(config)
        Bias and threshold.
    lif : lif_layout()
        Neuron model.
    place : place_layout(config)
        Passed on unchanged.
    """
    return data.StructLayout({
        "psums": psums_layout(config),
        "channel": channel_layout(config),
        "lif": lif_layout(),
        "place": place_layout(config),
    })


def word_layout(config: FTPConfig) -> data.StructLayout:
    """Return a lane word and its place.

    Members
    -------
    word : unsigned(T)
        Bit t is the spike at timestep t.
    place : place_layout(config)
        Where in the tile the word belongs.
    """
    return data.StructLayout({
        "word": unsigned(config.timesteps),
        "place": place_layout(config),
    })


class ParallelLIF(wiring.Component):
    """Leaky integrate-and-fire over all timesteps at once (LoAS, MICRO 2024, P-LIF).

    With ``x[t] = psum[t] + bias`` and ``v[-1] = 0``, for each timestep in turn::

        u[t] = (v[t-1] + gain*x[t]) >> shift      if decay_input
               (v[t-1] >> shift) + gain*x[t]      otherwise
        s[t] = u[t] >= threshold
        v[t] = u[t] - s[t]*threshold              if soft_reset
               0 if s[t] else u[t]                otherwise

    The shift is arithmetic, so it rounds down; with an integer threshold the neuron then fires
    on exactly the steps on which it would with unlimited precision. No step can overflow
    ``FTPConfig.membrane_bits``.

    Equal in every bit to ``spikeloom.models.golden.plif.plif``.

    Latency: 1 cycle. Throughput: 1 neuron, all its timesteps, per cycle.
    Back-pressure: a word that waits on ``o`` stops ``i`` in the same cycle.
    Reset: synchronous; drops a waiting word.

    Parameters
    ----------
    config : FTPConfig

    Members
    -------
    i : In(stream.Signature(plif_input_layout(config)))
        Psums, parameters and place of one output neuron.
    o : Out(stream.Signature(word_layout(config)))
        Its spikes.
    """

    i: stream.Interface
    o: stream.Interface

    def __init__(self, config: FTPConfig):
        self.config = config
        super().__init__({
            "i": In(stream.Signature(plif_input_layout(config))),
            "o": Out(stream.Signature(word_layout(config))),
        })

    def elaborate(self, platform):
        m = Module()
        neuron = self.i.payload
        spikes = [Signal(name=f"spike_{t}") for t in range(self.config.timesteps)]

        membrane = None
        for t in range(self.config.timesteps):
            potential = self._charge(m, t, neuron, membrane)
            m.d.comb += spikes[t].eq(potential >= neuron.channel.threshold)
            membrane = Signal(signed(self.config.membrane_bits), name=f"membrane_{t}")
            kept = Mux(neuron.lif.soft_reset, potential - neuron.channel.threshold, 0)
            m.d.comb += membrane.eq(Mux(spikes[t], kept, potential))

        m.d.comb += self.i.ready.eq(~self.o.valid | self.o.ready)
        with m.If(self.i.ready):
            m.d.sync += self.o.valid.eq(self.i.valid)
        with m.If(self.i.ready & self.i.valid):
            m.d.sync += [self.o.p.word.eq(Cat(spikes)), self.o.p.place.eq(neuron.place)]
        return m

    def _charge(self, m: Module, t: int, neuron, membrane) -> Signal:
        """Add the membrane potential of timestep ``t``, before the neuron may fire."""
        current = Signal(signed(self.config.current_bits), name=f"current_{t}")
        scaled = Signal(signed(self.config.current_bits + 4), name=f"scaled_{t}")
        potential = Signal(signed(self.config.membrane_bits), name=f"potential_{t}")
        m.d.comb += [
            current.eq(neuron.psums[t] + neuron.channel.bias),
            scaled.eq(current * neuron.lif.gain),
        ]
        if membrane is None:  # the membrane starts at zero
            decayed = scaled >> neuron.lif.shift
            m.d.comb += potential.eq(Mux(neuron.lif.decay_input, decayed, scaled))
        else:
            addend = Mux(neuron.lif.decay_input, membrane, membrane >> neuron.lif.shift)
            total = Signal(signed(self.config.membrane_bits), name=f"total_{t}")
            m.d.comb += total.eq(addend + scaled)
            decayed = total >> neuron.lif.shift
            m.d.comb += potential.eq(Mux(neuron.lif.decay_input, decayed, total))
        return potential
