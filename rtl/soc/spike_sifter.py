# SPDX-License-Identifier: Apache-2.0
"""Spike sifter: clears the timesteps at which a source is silent."""

from amaranth import Array, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..config import AcceleratorConfig
from ..ftp.layouts import index_range
from .descriptor import descriptor_layout
from .segments import segment_beat_layout

__all__ = ["SpikeSifter"]


class SpikeSifter(wiring.Component):
    """Clear the silent timesteps of lane words; words that become zero leave their segment.

    Segments of a source that is never silent pass as they are. Those of others come out value by
    value, each beat with the mask of those so far.

    Latency: none.
    Throughput: a beat per cycle; a value per cycle of a source that is silent at times.
    Back-pressure: a beat that waits on ``o`` stops ``i`` in the same cycle.
    Reset: synchronous; forgets the segment at work.

    Parameters
    ----------
    config : AcceleratorConfig

    Members
    -------
    layer : In(descriptor_layout())
        The layer at work, static while a segment is.
    i : In(stream.Signature(segment_beat_layout(config)))
        Segments, beat by beat.
    o : Out(stream.Signature(segment_beat_layout(config)))
        The same, sifted; a segment's mask is that of its beats together.
    """

    layer: data.View
    i: stream.Interface
    o: stream.Interface

    def __init__(self, config: AcceleratorConfig):
        self.config = config
        super().__init__({
            "layer": In(descriptor_layout()),
            "i": In(stream.Signature(segment_beat_layout(config))),
            "o": Out(stream.Signature(segment_beat_layout(config))),
        })

    def elaborate(self, platform):
        m = Module()
        i, o = self.i.p, self.o.p
        silent, word = Signal(self.config.timesteps), Signal(self.config.timesteps)
        index = Signal(index_range(self.config.beat_values))  # value of the beat
        begun = Signal()                                      # a value of the segment has gone
        rest, kept, left, lowest, chosen = (
            Signal(self.config.chunk, name=name)  # positions
            for name in ("rest", "kept", "left", "lowest", "chosen"))
        sifts, remains, beat_end = Signal(), Signal(), Signal()
        m.d.comb += [
            silent.eq(Array(self.layer.silent_steps)[i.source]), sifts.eq(silent.any()),
            left.eq(Mux(begun, rest, i.mask)), lowest.eq(left & -left),
            word.eq(Array(i.values)[index] & ~silent),
            remains.eq((i.count != 0) & word.any()),
            beat_end.eq((i.count == 0) | (index + 1 == i.count)),
            chosen.eq(Mux(begun, kept, 0) | Mux(remains, lowest, 0)),
            self.o.valid.eq(self.i.valid), self.i.ready.eq(self.o.ready & (~sifts | beat_end)),
            self.o.payload.eq(self.i.payload),
        ]
        with m.If(sifts):
            m.d.comb += [o.values[0].eq(word), o.count.eq(remains), o.mask.eq(chosen),
                         o.done.eq(i.done & beat_end)]
        with m.If(sifts & self.o.valid & self.o.ready):
            m.d.sync += [
                index.eq(Mux(beat_end, 0, index + 1)), begun.eq(~(i.done & beat_end)),
                rest.eq(left & ~lowest), kept.eq(chosen),
            ]
        return m
