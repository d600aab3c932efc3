# SPDX-License-Identifier: Apache-2.0
"""Requantizer: bias, and scaling by a multiplier and a shift for each channel."""

from amaranth import Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..config import AcceleratorConfig
from ..ftp.layouts import index_range
from .channel_loader import channel_record_layout
from .descriptor import descriptor_layout
from .neuron_stream import combined_layout, neuron_layout, neuron_place_layout
from .residual_format import saturated

__all__ = ["Requantizer"]


class Requantizer(wiring.Component):
    """Add the bias; with ``flags.requantize`` scale, round half up and clamp to 16 bits signed.

    For each timestep::

        y = psum + bias
        y = clamp((y * multiplier + (1 << shift >> 1)) >> shift)      if flags.requantize

    A sum has one bit more than a psum; a product has ``current_bits + 16`` bits and the rounding
    constant 31, so that their sum has one bit more than the wider of them and nothing overflows.
    Without ``config.requantize`` only the bias is built.

    Same result as ``spikeloom.models.golden.requantize.requantize``.

    Latency: 3 cycles, without ``config.requantize`` 1. Throughput: 1 neuron per cycle.
    Back-pressure: with all stages full ``i`` stops. A neuron waits for its channel.
    Reset: synchronous; drops what is held.

    Parameters
    ----------
    config : AcceleratorConfig

    Members
    -------
    layer : In(descriptor_layout())
        The layer at work, static while it is.
    i : In(stream.Signature(combined_layout(config)))
        Neurons in order of column.
    i_channel : In(stream.Signature(channel_record_layout(config)))
        A record for each column, taken with its last neuron.
    o : Out(stream.Signature(neuron_layout(config)))
        The same neurons.
    busy : Out(1)
        High while a neuron is held.
    """

    layer: data.View
    i: stream.Interface
    i_channel: stream.Interface
    o: stream.Interface
    busy: Signal

    def __init__(self, config: AcceleratorConfig):
        self.config = config
        super().__init__({
            "layer": In(descriptor_layout()),
            "i": In(stream.Signature(combined_layout(config))),
            "i_channel": In(stream.Signature(channel_record_layout(config))),
            "o": Out(stream.Signature(neuron_layout(config))),
            "busy": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        valid, free = Signal(), Signal()
        if not self.config.requantize:
            if self.config.is_serial:
                self._add_bias_in_turn(m)
                return m
            m.d.comb += free.eq(~self.o.valid | self.o.ready)
            self._add_bias(m, self.o.valid, self.o.payload, free)
            m.d.comb += self.busy.eq(self.o.valid)
            return m
        biased = Signal(self._stage_layout(self.config.current_bits, multiplier=unsigned(16)))
        self._add_bias(m, valid, biased, free)
        self._scale(m, valid, biased, free)
        return m

    def _stage_layout(self, bits: int, **extra) -> data.StructLayout:
        """Return a neuron on its way, with what is still needed of its channel."""
        return data.StructLayout({
            "values": data.ArrayLayout(signed(bits), self.config.timesteps),
            "threshold": signed(self.config.psum_bits),
            "place": neuron_place_layout(self.config),
            "shift": unsigned(5), **extra,
        })

    def _add_bias_in_turn(self, m: Module) -> None:
        """Add the bias to one timestep after the other; the neuron waits on ``i`` for them all."""
        channel, neuron = self.i_channel, self.o.p
        t, over = Signal(index_range(self.config.timesteps)), Signal()
        m.d.comb += [
            self.o.valid.eq(self.i.valid & channel.valid),
            over.eq(self.o.ready & (t == self.config.timesteps - 1)),
            self.i.ready.eq(over & channel.valid),
            channel.ready.eq(self.i.valid & self.i.p.place.column_end & over),
            neuron.threshold.eq(channel.p.threshold), neuron.place.eq(self.i.p.place),
            neuron.values[0].eq(self.i.p.values[t] + channel.p.bias),
        ]
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += t.eq(Mux(over, 0, t + 1))

    def _add_bias(self, m: Module, valid, biased, free) -> None:
        """Add the stage that meets the channel; ``free`` says that its successor takes it."""
        channel, ready, take = self.i_channel.p, Signal(), Signal()
        m.d.comb += [
            ready.eq(~valid | free),
            take.eq(self.i.valid & self.i_channel.valid & ready),
            self.i.ready.eq(self.i_channel.valid & ready),
            self.i_channel.ready.eq(self.i.valid & self.i.p.place.column_end & ready),
        ]
        with m.If(ready):
            m.d.sync += valid.eq(take)
        with m.If(take):
            m.d.sync += [biased.threshold.eq(channel.threshold), biased.place.eq(self.i.p.place)]
            for t in range(self.config.timesteps):
                m.d.sync += biased.values[t].eq(self.i.p.values[t] + channel.bias)
            if self.config.requantize:
                m.d.sync += [biased.multiplier.eq(channel.multiplier),
                             biased.shift.eq(channel.shift)]

    def _scale(self, m: Module, valid, biased, free) -> None:
        """Add the stages of the product and of what is made of it."""
        requantize = self.layer.flags.requantize
        product = Signal(self._stage_layout(self.config.current_bits + 16))
        product_valid, product_free, half = Signal(), Signal(), Signal(31)
        m.d.comb += [
            product_free.eq(~self.o.valid | self.o.ready),
            free.eq(~product_valid | product_free),
            half.eq((1 << product.shift)[1:]),
            self.busy.eq(valid | product_valid | self.o.valid),
        ]
        with m.If(free):
            m.d.sync += product_valid.eq(valid)
        with m.If(free & valid):
            m.d.sync += [product[name].eq(biased[name])
                         for name in ("threshold", "place", "shift")]
            for t in range(self.config.timesteps):
                factor = Mux(requantize, biased.multiplier, 1)
                m.d.sync += product.values[t].eq(biased.values[t] * factor)
        with m.If(product_free):
            m.d.sync += self.o.valid.eq(product_valid)
        with m.If(product_free & product_valid):
            m.d.sync += [self.o.p.threshold.eq(product.threshold),
                         self.o.p.place.eq(product.place)]
            for t in range(self.config.timesteps):
                rounded = (product.values[t] + half) >> product.shift
                m.d.sync += self.o.p.values[t].eq(
                    Mux(requantize, saturated(rounded), product.values[t]))
