# SPDX-License-Identifier: Apache-2.0
"""Readout: logits of the last layer, and the class they vote for."""

from amaranth import Const, Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..config import AcceleratorConfig
from ..ftp.layouts import index_range
from .descriptor import descriptor_layout
from .neuron_stream import neuron_config, neuron_layout

__all__ = ["Readout", "result_layout"]

_BITS = 32  # of a logit


def result_layout() -> data.StructLayout:
    """Return a word of a result record.

    Members
    -------
    value : unsigned(32)
        A logit, two's complement; in the last word the index of the largest logit.
    last : unsigned(1)
        The index.
    """
    return data.StructLayout({"value": unsigned(_BITS), "last": unsigned(1)})


class Readout(wiring.Component):
    """Sum each neuron over the timesteps; after ``columns`` neurons say which is the largest.

    With ``limits.serial`` the timesteps of a neuron come one after the other.

    The first one wins among equals. Sums are taken modulo ``2**32``.

    Same result as ``spikeloom.models.golden.readout.readout``.

    Latency: 1 cycle. Throughput: 1 neuron per cycle, and 1 cycle for the index.
    Back-pressure: a word that waits on ``o`` stops ``i`` in the same cycle.
    Reset: synchronous; drops what is held and starts with the first column.

    Parameters
    ----------
    config : AcceleratorConfig

    Members
    -------
    layer : In(descriptor_layout())
        The layer at work, static while it is.
    i : In(stream.Signature(neuron_layout(config)))
        Neurons, one for each column.
    o : Out(stream.Signature(result_layout()))
        Logits in order of column, then the index of the largest.
    busy : Out(1)
        High from the first neuron until the index has left.
    """

    layer: data.View
    i: stream.Interface
    o: stream.Interface
    busy: Signal

    def __init__(self, config: AcceleratorConfig):
        self.config = config
        super().__init__({
            "layer": In(descriptor_layout()),
            "i": In(stream.Signature(neuron_layout(config))),
            "o": Out(stream.Signature(result_layout())),
            "busy": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        spread = (self.config.timesteps - 1).bit_length()
        sum_bits = min(_BITS, neuron_config(self.config).value_bits + spread)
        logit, largest = Signal(signed(sum_bits)), Signal(signed(sum_bits))
        bits = self.config.bounds.output_bits
        column, winner = Signal(bits), Signal(bits)  # column of the logit that is held
        begun, deciding = Signal(), Signal()     # deciding: the index is what is held
        leave, better, complete = Signal(), Signal(), Signal()
        m.d.comb += [
            leave.eq(self.o.valid & self.o.ready),
            complete.eq(~deciding & (column == self.layer.columns - 1)),
            better.eq(~begun | (logit > largest)),
            self.i.ready.eq(~self.o.valid | (self.o.ready & ~complete)),
            self.o.p.value.eq(Mux(deciding, winner, logit)),
            self.o.p.last.eq(deciding),
            self.busy.eq(self.o.valid | begun),
        ]
        with m.If(leave & ~deciding):
            m.d.sync += [column.eq(column + 1), begun.eq(1)]
            with m.If(better):
                m.d.sync += [largest.eq(logit), winner.eq(column)]
        with m.If(leave):
            m.d.sync += deciding.eq(complete)
        with m.If(leave & deciding):
            m.d.sync += [column.eq(0), begun.eq(0)]
        values, whole = [self.i.p.values[t] for t in range(self.config.timesteps)], Const(1)
        if self.config.is_serial:  # they come one after the other
            t = Signal(index_range(self.config.timesteps))
            whole = t == self.config.timesteps - 1
            values = [values[0], Mux(t == 0, 0, logit)]
            with m.If(self.i.ready & self.i.valid):
                m.d.sync += t.eq(Mux(whole, 0, t + 1))
        with m.If(self.i.ready):
            m.d.sync += self.o.valid.eq(self.i.valid & whole)
        with m.If(self.i.ready & self.i.valid):
            m.d.sync += logit.eq(sum(values[1:], values[0]))
        return m
