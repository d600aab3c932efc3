# SPDX-License-Identifier: Apache-2.0
"""Residual adder: the membrane shortcut from memory, and back to it."""

from amaranth import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..config import AcceleratorConfig
from .descriptor import descriptor_layout
from .neuron_stream import neuron_layout
from .residual_format import residuals_layout, saturated

__all__ = ["ResidualAdder"]


class ResidualAdder(wiring.Component):
    """Add residuals and saturate, with ``flags.residual_in``; give out, with ``residual_out``.

    What is given out is what goes on, saturated to 16 bits signed; that makes a difference only
    if nothing is added and the values come without requantization.

    Same result as ``spikeloom.models.golden.residual_add.residual_add``.

    Latency: 1 cycle. Throughput: 1 neuron per cycle.
    Back-pressure: a neuron that waits on either output stops ``i`` in the same cycle; a neuron
    waits for its residuals.
    Reset: synchronous; drops what is held.

    Parameters
    ----------
    config : AcceleratorConfig

    Members
    -------
    layer : In(descriptor_layout())
        The layer at work, static while it is.
    i : In(stream.Signature(neuron_layout(config)))
        Neurons.
    i_residual : In(stream.Signature(residuals_layout(config)))
        What to add to each neuron.
    o : Out(stream.Signature(neuron_layout(config)))
        The same neurons.
    o_residual : Out(stream.Signature(residuals_layout(config)))
        Their values.
    busy : Out(1)
        High while a neuron waits on either output.
    """

    layer: data.View
    i: stream.Interface
    i_residual: stream.Interface
    o: stream.Interface
    o_residual: stream.Interface
    busy: Signal

    def __init__(self, config: AcceleratorConfig):
        self.config = config
        super().__init__({
            "layer": In(descriptor_layout()),
            "i": In(stream.Signature(neuron_layout(config))),
            "i_residual": In(stream.Signature(residuals_layout(config))),
            "o": Out(stream.Signature(neuron_layout(config))),
            "o_residual": Out(stream.Signature(residuals_layout(config))),
            "busy": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        add, store = self.layer.flags.residual_in, self.layer.flags.residual_out
        free, take = Signal(), Signal()
        m.d.comb += [
            free.eq((~self.o.valid | self.o.ready)
                    & (~self.o_residual.valid | self.o_residual.ready)),
            take.eq(self.i.valid & self.i.ready),
            self.i.ready.eq(free & (self.i_residual.valid | ~add)),
            self.i_residual.ready.eq(free & add & self.i.valid),
            self.busy.eq(self.o.valid | self.o_residual.valid),
        ]
        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.If(self.o_residual.ready):
            m.d.sync += self.o_residual.valid.eq(0)
        with m.If(take):
            m.d.sync += [
                self.o.valid.eq(1), self.o_residual.valid.eq(store),
                self.o.p.threshold.eq(self.i.p.threshold), self.o.p.place.eq(self.i.p.place),
            ]
            for t in range(self.config.timesteps):
                value = self.i.p.values[t]
                total = saturated(value + Mux(add, self.i_residual.p[t], 0))
                m.d.sync += [
                    self.o.p.values[t].eq(Mux(add, total, value)),
                    self.o_residual.p[t].eq(total),
                ]
        return m
