# SPDX-License-Identifier: Apache-2.0
"""LIF with membrane memory: one timestep of a neuron at a time."""

from amaranth import Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from ..config import CrossbarConfig
from ..ftp.layouts import index_range, lif_layout

__all__ = ["MembraneLIF", "current_layout", "neuron_word_layout"]


def current_layout(config: CrossbarConfig) -> data.StructLayout:
    """Return one timestep of one neuron.

    Members
    -------
    psum : signed(psum_bits)
        Its input.
    bias : signed(psum_bits)
        Added to it.
    threshold : signed(psum_bits)
        The neuron fires at or above it.
    neuron : index_range(neurons)
        Place of its membrane.
    timestep : index_range(timesteps)
        At 0 the membrane starts at 0.
    last : unsigned(1)
        Last timestep: its lane word goes out.
    """
    return data.StructLayout({
        "psum": signed(config.psum_bits),
        "bias": signed(config.psum_bits),
        "threshold": signed(config.psum_bits),
        "neuron": index_range(config.neurons),
        "timestep": index_range(config.timesteps),
        "last": unsigned(1),
    })


def neuron_word_layout(config: CrossbarConfig) -> data.StructLayout:
    """Return the spikes of one neuron.

    Members
    -------
    word : unsigned(timesteps)
        Bit t is the spike at timestep t.
    neuron : index_range(neurons)
        Neuron that fired.
    """
    return data.StructLayout({
        "word": unsigned(config.timesteps),
        "neuron": index_range(config.neurons),
    })


class MembraneLIF(wiring.Component):
    """Leaky integrate-and-fire, with what neurons keep from one timestep to the next in memory.

    With ``x = psum + bias`` and the membrane ``v``, 0 at first::

        u = (v + gain*x) >> shift      if decay_input
            (v >> shift) + gain*x      otherwise
        s = u >= threshold
        v = u - s*threshold            if soft_reset
            0 if s else u              otherwise

    Neurons may come in any order, their timesteps in theirs. No membrane overflows, whatever the
    parameters, see `CrossbarConfig.membrane_bits`.

    Same result as ``spikeloom.models.golden.plif.plif``.

    Latency: 1 cycle. Throughput: 1 timestep of a neuron per cycle, also of the same neuron.
    Back-pressure: a word that waits on ``o`` stops ``i`` in the same cycle.
    Reset: synchronous; drops the timestep at work, membranes start anew with ``first``.

    Parameters
    ----------
    config : CrossbarConfig

    Members
    -------
    lif : In(lif_layout())
        Neuron model, static while neurons are at work.
    i : In(stream.Signature(current_layout(config)))
        Timesteps of neurons.
    o : Out(stream.Signature(neuron_word_layout(config)))
        Lane words.
    """

    lif: data.View
    i: stream.Interface
    o: stream.Interface

    def __init__(self, config: CrossbarConfig):
        self.config = config
        super().__init__({
            "lif": In(lif_layout()),
            "i": In(stream.Signature(current_layout(config))),
            "o": Out(stream.Signature(neuron_word_layout(config))),
        })

    def elaborate(self, platform):
        m = Module()
        state = data.StructLayout({"membrane": signed(self.config.membrane_bits),
                                   "spikes": unsigned(self.config.timesteps)})
        m.submodules.states = states = Memory(shape=state, depth=max(self.config.neurons, 2),
                                              init=[])
        write = states.write_port()
        read = states.read_port(transparent_for=[write])
        held, valid, advance, spike = Signal.like(self.i.payload), Signal(), Signal(), Signal()
        before, after = Signal(state), Signal(state)
        potential = self._charge(m, held, before.membrane)
        kept = Mux(self.lif.soft_reset, potential - held.threshold, 0)
        m.d.comb += [
            advance.eq(~self.o.valid | self.o.ready), self.i.ready.eq(advance),
            read.addr.eq(self.i.p.neuron), read.en.eq(advance),
            before.eq(Mux(held.timestep == 0, 0, read.data.as_value())),
            spike.eq(potential >= held.threshold),
            after.membrane.eq(Mux(spike, kept, potential)),
            after.spikes.eq(before.spikes | (spike << held.timestep)),
            write.addr.eq(held.neuron), write.data.eq(after), write.en.eq(valid & advance),
            self.o.valid.eq(valid & held.last),
            self.o.p.word.eq(after.spikes), self.o.p.neuron.eq(held.neuron),
        ]
        with m.If(advance):
            m.d.sync += valid.eq(self.i.valid)
            with m.If(self.i.valid):
                m.d.sync += held.eq(self.i.payload)
        return m

    def _charge(self, m: Module, neuron, membrane) -> Signal:
        """Add the membrane potential, before the neuron may fire."""
        current = Signal(signed(self.config.current_bits))
        scaled = Signal(signed(self.config.current_bits + 4))
        total, potential = (Signal(signed(self.config.membrane_bits), name=name)
                            for name in ("total", "potential"))
        decays = self.lif.decay_input
        m.d.comb += [
            current.eq(neuron.psum + neuron.bias),
            scaled.eq(current * self.lif.gain),
            total.eq(Mux(decays, membrane, membrane >> self.lif.shift) + scaled),
            potential.eq(Mux(decays, total >> self.lif.shift, total)),
        ]
        return potential
