# SPDX-License-Identifier: Apache-2.0
"""Spike fetch: reads chunk slots, of the values only those that are there."""

from typing import Any

from amaranth import Cat, Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..config import AcceleratorConfig, beat_slot_bits
from ..ftp.layouts import index_range
from ..population_count import population_count
from ..stream_queue import StreamQueue
from .descriptor import SOURCES
from .memory_port import ReadClient
from .segments import segment_beat_layout, segment_layout

__all__ = ["SpikeFetch"]


class SpikeFetch(wiring.Component):
    """Read the bitmask of each segment, then as many words of values as it needs.

    The masks of up to ``fetch_depth`` segments are requested ahead, and the values of up to
    ``fetch_depth`` more. Silent segments read nothing, empty ones no values.

    Latency: that of the memory twice, and 6 cycles.
    Throughput: a beat per cycle; a segment per ``mask_words`` cycles.
    Back-pressure: beats that wait on ``o`` stop the requests when the queues are full.
    Reset: synchronous; forgets all segments, but not the requests that the memory has taken.

    Parameters
    ----------
    config : AcceleratorConfig

    Members
    -------
    i : In(stream.Signature(segment_layout(config)))
        Segments to read.
    masks : Out(ReadClient(config))
        Memory that bitmasks come from.
    values : Out(ReadClient(config))
        Memory that values come from.
    o : Out(stream.Signature(segment_beat_layout(config)))
        Segments, beat by beat.
    busy : Out(1)
        High while a segment is held.
    """

    i: stream.Interface
    masks: Any
    values: Any
    o: stream.Interface
    busy: Signal

    def __init__(self, config: AcceleratorConfig):
        self.config = config
        super().__init__({
            "i": In(stream.Signature(segment_layout(config))),
            "masks": Out(ReadClient(config)),
            "values": Out(ReadClient(config)),
            "o": Out(stream.Signature(segment_beat_layout(config))),
            "busy": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        config = self.config
        depth = config.queue_depth(max(3, config.fetch_depth))
        m.submodules.asked = asked = StreamQueue(segment_layout(config), depth)
        m.submodules.known = known = StreamQueue(self._known_layout(), depth)
        may_ask = Signal()
        m.d.comb += [
            may_ask.eq(self.masks.request.ready | ~self.i.p.fetch),
            self.masks.request.valid.eq(self.i.valid & self.i.p.fetch & asked.i.ready),
            self.masks.request.p.address.eq(self.i.p.address),
            self.masks.request.p.words.eq(config.mask_words),
            asked.i.payload.eq(self.i.payload),
            asked.i.valid.eq(self.i.valid & may_ask),
            self.i.ready.eq(asked.i.ready & may_ask),
        ]
        masked = stream.Signature(data.StructLayout({
            "mask": unsigned(config.chunk), "segment": segment_layout(config),
        })).create(path=("masked",))
        counted = stream.Signature(data.StructLayout({
            "known": self._known_layout(), "address": unsigned(config.bounds.address_bits),
        })).create(path=("counted",))
        self._read_mask(m, asked.o, masked)
        self._count(m, masked, counted)
        self._request_values(m, counted, known.i)
        self._give_out(m, known.o)
        m.d.comb += self.busy.eq(asked.busy | masked.valid | counted.valid | known.busy)
        return m

    def _known_layout(self) -> data.StructLayout:
        """Return a segment whose mask has come."""
        return data.StructLayout({
            "count": range(self.config.chunk + 1), "mask": unsigned(self.config.chunk),
            "shift": index_range(self.config.chunk), "end": unsigned(1), "last": unsigned(1),
            "row": index_range(self.config.tile_rows), "source": range(SOURCES),
        })

    def _read_mask(self, m: Module, segment, masked) -> None:
        """Add the register that a mask comes into, word by word."""
        words, width = self.config.mask_words, self.config.memory_bits
        place = Signal(index_range(words))
        received = Signal(max(1, words - 1) * width)  # all words but the last one
        free, fetch, last_word, complete = Signal(), Signal(), Signal(), Signal()
        take = Signal()
        mask = Cat(received, self.masks.data.payload) if words > 1 else self.masks.data.payload
        m.d.comb += [
            fetch.eq(segment.p.fetch),
            last_word.eq(place == words - 1),
            self.masks.data.ready.eq(segment.valid & fetch & (free | ~last_word)),
            take.eq(self.masks.data.valid & self.masks.data.ready),
            complete.eq(Mux(fetch, take & last_word, segment.valid & free)),
            segment.ready.eq(complete),
        ]
        with m.If(take):
            m.d.sync += place.eq(Mux(last_word, 0, place + 1))
            if words > 1:
                m.d.sync += received.word_select(place, width).eq(self.masks.data.payload)
        if self.config.is_serial and words == 1:  # no register here
            m.d.comb += [
                masked.valid.eq(segment.valid & (self.masks.data.valid | ~fetch)),
                free.eq(masked.ready), masked.p.segment.eq(segment.payload),
                masked.p.mask.eq(Mux(fetch, mask, 0)),
            ]
            return
        m.d.comb += free.eq(~masked.valid | masked.ready)
        with m.If(free):
            m.d.sync += [
                masked.valid.eq(complete), masked.p.segment.eq(segment.payload),
                masked.p.mask.eq(Mux(fetch, mask, 0)),
            ]

    def _count(self, m: Module, masked, counted) -> None:
        """Add the count of the values."""
        known, segment = counted.p.known, masked.p.segment
        step = [
            counted.valid.eq(masked.valid), counted.p.address.eq(segment.address),
            known.count.eq(population_count(masked.p.mask)), known.mask.eq(masked.p.mask),
            known.shift.eq(segment.shift), known.end.eq(segment.end),
            known.last.eq(segment.last), known.row.eq(segment.row),
            known.source.eq(segment.source),
        ]
        if self.config.is_serial:
            m.d.comb += [masked.ready.eq(counted.ready), *step]
            return
        m.d.comb += masked.ready.eq(~counted.valid | counted.ready)
        with m.If(masked.ready):
            m.d.sync += step

    def _request_values(self, m: Module, counted, known) -> None:
        """Add the request of the words that hold values."""
        request, count = self.values.request, counted.p.known.count
        word_values = self.config.beat_values * self.config.spike_beats_per_word
        may_pass = Signal()
        m.d.comb += [
            may_pass.eq(request.ready | (count == 0)),
            request.valid.eq(counted.valid & (count != 0) & known.ready),
            request.p.address.eq(counted.p.address + self.config.mask_words),
            request.p.words.eq((count + word_values - 1) >> (word_values - 1).bit_length()),
            known.payload.eq(counted.p.known),
            known.valid.eq(counted.valid & may_pass),
            counted.ready.eq(known.ready & may_pass),
        ]

    def _give_out(self, m: Module, known) -> None:
        """Add the beats, taken from the words of values."""
        config, word, o = self.config, self.values.data, self.o
        slot_bits = beat_slot_bits(config.beat_values, config.timesteps)
        given = Signal(range(config.chunk + 1))  # values of the segment so far
        place = Signal(index_range(config.spike_beats_per_word))
        left = Signal.like(given)
        taken, word_end = Signal(), Signal()
        m.d.comb += [
            left.eq(known.p.count - given),
            o.p.done.eq(left <= config.beat_values),
            o.p.count.eq(Mux(o.p.done, left, config.beat_values)),
            o.p.values.eq(word.payload.word_select(place, slot_bits)),
            o.p.mask.eq(known.p.mask), o.p.shift.eq(known.p.shift), o.p.end.eq(known.p.end),
            o.p.last.eq(known.p.last), o.p.row.eq(known.p.row), o.p.source.eq(known.p.source),
            o.valid.eq(known.valid & (word.valid | (left == 0))),
            taken.eq(o.valid & o.ready),
            known.ready.eq(taken & o.p.done),
            word_end.eq(o.p.done | (place == config.spike_beats_per_word - 1)),
            word.ready.eq(known.valid & (left != 0) & o.ready & word_end),
        ]
        with m.If(taken):
            m.d.sync += [
                given.eq(Mux(o.p.done, 0, given + config.beat_values)),
                place.eq(Mux(word_end, 0, place + 1)),
            ]
