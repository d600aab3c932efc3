# SPDX-License-Identifier: Apache-2.0
"""Fiber joiner: kernel taps that share a chunk become one chunk of the array."""

from amaranth import Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..config import AcceleratorConfig
from ..ftp.array_layouts import array_row_layout
from ..ftp.layouts import index_range
from .segments import segment_beat_layout

__all__ = ["FiberJoiner"]


class FiberJoiner(wiring.Component):
    """Shift the masks of a chunk's segments to their places and pack their values without gaps.

    Latency: 2 cycles from the last beat of a chunk to the last one on ``o``.
    Throughput: 1 beat per cycle.
    Back-pressure: a beat that waits on ``o`` stops ``i`` in the same cycle.
    Reset: synchronous; drops the chunk at work.

    Parameters
    ----------
    config : AcceleratorConfig

    Members
    -------
    i : In(stream.Signature(segment_beat_layout(config)))
        Segments, beat by beat.
    o : Out(stream.Signature(array_row_layout(config)))
        Chunks of spike fibers.
    busy : Out(1)
        High while a chunk is at work or a beat waits.
    """

    i: stream.Interface
    o: stream.Interface
    busy: Signal

    def __init__(self, config: AcceleratorConfig):
        self.config = config
        super().__init__({
            "i": In(stream.Signature(segment_beat_layout(config))),
            "o": Out(stream.Signature(array_row_layout(config))),
            "busy": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        beat_values, timesteps = self.config.beat_values, self.config.timesteps
        values = data.ArrayLayout(unsigned(timesteps), beat_values)
        held, filled = Signal(values), Signal(range(beat_values + 1))
        mask = Signal(self.config.chunk)
        last, row = Signal(), Signal(index_range(self.config.tile_rows))
        begun, ending = Signal(), Signal()  # a segment has come; the chunk is complete

        advance, overflow = Signal(), Signal()
        place, total = Signal.like(filled), Signal(range(2 * beat_values + 1))
        fresh = Signal(values)
        both = Signal(2 * values.size)
        m.d.comb += [
            advance.eq(~self.o.valid | self.o.ready),
            self.i.ready.eq(advance),
            self.busy.eq(begun | ending | self.o.valid),
            place.eq(Mux(ending, 0, filled)),
            total.eq(place + self.i.p.count),
            overflow.eq(self.i.valid & (total > beat_values)),
        ]
        for index in range(beat_values):
            with m.If(index < self.i.p.count):
                m.d.comb += fresh[index].eq(self.i.p.values[index])
        m.d.comb += both.eq(Mux(ending, 0, held.as_value())
                            | (fresh.as_value() << place * timesteps))
        with m.If(advance):
            m.d.sync += [
                self.o.valid.eq(ending | overflow), self.o.p.end.eq(ending),
                self.o.p.values.eq(Mux(ending, held.as_value(), both[:values.size])),
                self.o.p.mask.eq(mask), self.o.p.last.eq(last),
                self.o.p.row.eq(Mux(ending, row, self.i.p.row)),
                ending.eq(0),
            ]
        with m.If(advance & ending):
            m.d.sync += [held.eq(0), filled.eq(0), mask.eq(0)]
        with m.If(advance & self.i.valid):
            end = self.i.p.done & self.i.p.end
            m.d.sync += [
                held.eq(Mux(overflow, both[values.size:], both[:values.size])),
                filled.eq(Mux(overflow, total - beat_values, total)),
                mask.eq(Mux(ending, 0, mask) | (self.i.p.mask << self.i.p.shift)),
                last.eq(self.i.p.last), row.eq(self.i.p.row),
                begun.eq(~end), ending.eq(end),
            ]
        return m
