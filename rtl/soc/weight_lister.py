# SPDX-License-Identifier: Apache-2.0
"""Weight lister: memory words of weights in either format to lists of weights."""

from typing import Any

from amaranth import Module, Mux, Signal, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect

from ..config import AcceleratorConfig
from ..pe.fiber_lister import FiberLister
from ..pe.layouts import list_beat_layout
from ..pe.list_decoder import ListDecoder
from .descriptor import descriptor_layout
from .list_unpacker import ListUnpacker, beat_delta_bits
from .weight_decoder import WeightDecoder

__all__ = ["WeightLister"]


class WeightLister(wiring.Component):
    """List the weights of a layer, whether they come as lists or as fibers with bitmasks.

    Latency: 2 cycles from a word of a list to its first beat; 6 from the last word of a chunk.
    Throughput: 1 beat per cycle; that of a list has a weight of each bank, the other one weight.
    Back-pressure: a beat that waits on ``o`` stops ``i``, at once or when a few chunks wait.
    Reset: synchronous; stops, drops all that is at work and clears ``error``.

    Parameters
    ----------
    config : AcceleratorConfig

    Members
    -------
    layer : In(descriptor_layout())
        Layer whose weights come.
    start : In(1)
        Begin with the first column of the layer.
    rounds : In(32)
        How often its columns come; counts with ``start``.
    i : In(stream.Signature(unsigned(memory_bits)))
        Words of the weights.
    o : Out(stream.Signature(list_beat_layout(config)))
        Beats of lists; ``final`` marks the last column of each weight block.
    busy : Out(1)
        High from ``start`` until the last word of the last round is taken apart.
    error : Out(1)
        Set for good when the words of a round or its blocks are not as many as the layer says,
        or when a weight is at a place that no row has.
    """

    layer: Any
    i: stream.Interface
    o: stream.Interface
    start: Signal
    rounds: Signal
    busy: Signal
    error: Signal

    def __init__(self, config: AcceleratorConfig):
        self.config = config
        super().__init__({
            "layer": In(descriptor_layout()),
            "start": In(1),
            "rounds": In(32),
            "i": In(stream.Signature(unsigned(config.memory_bits))),
            "o": Out(stream.Signature(list_beat_layout(config))),
            "busy": Out(1),
            "error": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.unpacker = unpacker = ListUnpacker(self.config)
        m.submodules.list_decoder = list_decoder = ListDecoder(
            self.config, beat_delta_bits(self.config))
        m.submodules.fiber_decoder = fiber_decoder = WeightDecoder(self.config)
        m.submodules.fiber_lister = fiber_lister = FiberLister(self.config)
        connect(m, unpacker.o, list_decoder.i)
        connect(m, fiber_decoder.o, fiber_lister.i)
        is_list = self.layer.weight_list
        for first, last, chosen in ((unpacker, list_decoder, is_list),
                                    (fiber_decoder, fiber_lister, ~is_list)):
            m.d.comb += [
                first.layer.eq(self.layer),
                first.start.eq(self.start & chosen),
                first.rounds.eq(self.rounds),
                first.i.payload.eq(self.i.payload),
                first.i.valid.eq(self.i.valid & chosen),
                last.o.ready.eq(self.o.ready & chosen),
            ]
        m.d.comb += [
            self.i.ready.eq(Mux(is_list, unpacker.i.ready, fiber_decoder.i.ready)),
            self.o.valid.eq(Mux(is_list, list_decoder.o.valid, fiber_lister.o.valid)),
            self.o.payload.eq(Mux(is_list, list_decoder.o.payload.as_value(),
                                  fiber_lister.o.payload.as_value())),
            self.busy.eq(unpacker.busy | fiber_decoder.busy),
            self.error.eq(unpacker.error | list_decoder.error | fiber_decoder.error
                          | fiber_lister.error),
        ]
        return m
