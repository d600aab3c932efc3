# SPDX-License-Identifier: Apache-2.0
"""In-memory-computing core: lane words through crossbars and neurons, lane words out."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from amaranth import Module, Mux, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out, connect, flipped

from ..config import CrossbarConfig
from ..ftp.layouts import index_range, lif_layout
from .imc_engine import IMCEngine
from .layouts import lane_beat_layout, reading_layout, target_layout
from .membrane_lif import MembraneLIF, neuron_word_layout
from .programmer import effort_layout

__all__ = ["IMCCore", "neuron_layout", "own_neurons"]


def own_neurons(config: CrossbarConfig) -> CrossbarConfig:
    """Return the configuration with a membrane for each output."""
    return dataclasses.replace(config, neurons=config.outputs)


def neuron_layout(config: CrossbarConfig) -> data.StructLayout:
    """Return the parameters of one neuron.

    Members
    -------
    output : index_range(outputs)
        Output that it belongs to.
    bias : signed(psum_bits)
        Added to its psum at each timestep.
    threshold : signed(psum_bits)
        It fires at or above it.
    """
    return data.StructLayout({
        "output": index_range(config.outputs),
        "bias": signed(config.psum_bits),
        "threshold": signed(config.psum_bits),
    })


class IMCCore(wiring.Component):
    """A layer of spiking neurons by itself: `IMCEngine`, biases and thresholds, `MembraneLIF`.

    Each row vector gives the lane words of all outputs; its neurons start with the membrane 0.
    Psums of timesteps are the input of the neurons at these, the psum of an integer is their
    input at all T timesteps. Biases and thresholds are in the unit of psums.

    The macros are instances of the module ``crossbar``, in their place one of silicon may be.

    Equal in every bit to ``spikeloom.models.golden.imc_core.IMCCore``.

    Latency: 2 cycles from the psum of the last timestep to its lane word.
    Throughput: that of `IMCEngine`, T cycles for the psum of an integer.
    Back-pressure: words that wait on ``o`` stop the macros, and these ``i``.
    Reset: synchronous; that of `IMCEngine`, keeps biases and thresholds, too.

    Parameters
    ----------
    config : CrossbarConfig
        The membranes are those of one row vector, whatever ``neurons``.
    tables, signs
        As of `IMCEngine`.
    neurons : sequence of (int, int)
        Bias and threshold of each output at power-up; all 0 if None.

    Members
    -------
    reading : In(reading_layout(config))
        Static from the first beat of a vector to its last word.
    lif : In(lif_layout())
        Neuron model, as static.
    i : In(stream.Signature(lane_beat_layout(config)))
        Row vectors, position 0 first.
    o : Out(stream.Signature(neuron_word_layout(own_neurons(config))))
        Lane words of all outputs, output 0 first.
    i_program : In(stream.Signature(target_layout(config)))
        Conductances and signs to store; best while no vector is at work.
    i_neuron : In(stream.Signature(neuron_layout(config)))
        Biases and thresholds to store; they count from the next psum on.
    effort : Out(effort_layout(config))
        What programming took.
    programming : Out(1)
        High while a cell is at work.
    busy : Out(1)
        High while a vector is at work.
    overflow : Out(1)
        Set for good when a vector has more than K positions.
    """

    reading: data.View
    lif: data.View
    i: stream.Interface
    o: stream.Interface
    i_program: stream.Interface
    i_neuron: stream.Interface
    effort: data.View
    programming: Signal
    busy: Signal
    overflow: Signal

    def __init__(self, config: CrossbarConfig,
                 tables: Sequence[Sequence[Sequence[int]]] | None = None,
                 signs: Sequence[Sequence[int]] | None = None,
                 neurons: Sequence[tuple[int, int]] | None = None):
        self.config, self.neurons = config, neurons
        self.engine = IMCEngine(config, tables, signs)
        self.shared = self.engine.shared
        super().__init__({
            "reading": In(reading_layout(config)),
            "lif": In(lif_layout()),
            "i": In(stream.Signature(lane_beat_layout(config))),
            "o": Out(stream.Signature(neuron_word_layout(own_neurons(config)))),
            "i_program": In(stream.Signature(target_layout(config))),
            "i_neuron": In(stream.Signature(neuron_layout(config))),
            "effort": Out(effort_layout(config)),
            "programming": Out(1),
            "busy": Out(1),
            "overflow": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.engine = engine = self.engine
        m.submodules.neurons = neurons = MembraneLIF(own_neurons(self.config))
        connect(m, flipped(self.i), engine.i)
        connect(m, flipped(self.i_program), engine.i_program)
        connect(m, neurons.o, flipped(self.o))
        working = Signal()  # a timestep is in the neurons
        with m.If(neurons.i.ready):
            m.d.sync += working.eq(neurons.i.valid)
        m.d.comb += [
            engine.reading.eq(self.reading), neurons.lif.eq(self.lif),
            self.effort.eq(engine.effort), self.programming.eq(engine.programming),
            self.overflow.eq(engine.overflow),
            self.busy.eq(engine.busy | neurons.i.valid | working),
        ]
        self._join(m, engine.o, neurons.i)
        return m

    def _join(self, m: Module, psums: stream.Interface, currents: stream.Interface) -> None:
        """Give each psum to its neuron, with what the neuron has in memory."""
        shape = data.StructLayout({name: signed(self.config.psum_bits)
                                   for name in ("bias", "threshold")})
        initial: Any = [{"bias": bias, "threshold": threshold}
                        for bias, threshold in self.neurons or []]
        m.submodules.parameters = memory = Memory(
            shape=shape, depth=max(self.config.outputs, 2), init=initial)
        write, read = memory.write_port(), memory.read_port()
        held = Signal(data.StructLayout({
            name: field.shape for name, field in psums.p.shape() if name != "last"}))
        valid, advance, last = Signal(), Signal(), Signal()
        step, planes = Signal.like(currents.p.timestep), self.reading.planes
        m.d.comb += [
            self.i_neuron.ready.eq(1),
            write.en.eq(self.i_neuron.valid), write.addr.eq(self.i_neuron.p.output),
            write.data.bias.eq(self.i_neuron.p.bias),
            write.data.threshold.eq(self.i_neuron.p.threshold),
            last.eq(Mux(planes, step == self.config.timesteps - 1,
                        held.lane == self.reading.last_lane)),
            advance.eq(~valid | (currents.ready & (last | ~planes))),
            psums.ready.eq(advance), read.addr.eq(psums.p.output), read.en.eq(advance),
            currents.valid.eq(valid),
            currents.p.psum.eq(held.psum), currents.p.neuron.eq(held.output),
            currents.p.bias.eq(read.data.bias), currents.p.threshold.eq(read.data.threshold),
            currents.p.timestep.eq(Mux(planes, step, held.lane)), currents.p.last.eq(last),
        ]
        with m.If(advance):
            m.d.sync += [valid.eq(psums.valid), step.eq(0),
                         *(held[name].eq(psums.p[name]) for name, _ in held.shape())]
        with m.Elif(currents.ready):
            m.d.sync += step.eq(step + 1)
