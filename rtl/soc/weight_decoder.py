# SPDX-License-Identifier: Apache-2.0
"""Weight decoder: memory words to beats of weight fibers."""

from typing import Any

from amaranth import Const, Module, Mux, Signal, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..config import AcceleratorConfig, beat_slot_bits
from ..ftp.column_buffer import column_beat_layout
from ..population_count import population_count
from .descriptor import descriptor_layout
from .weight_counts import count_weights

__all__ = ["WeightDecoder"]


class WeightDecoder(wiring.Component):
    """Take the weight fibers of a layer apart: bitmask and packed weights of each chunk.

    Latency: 1 cycle from a word to its first beat.
    Throughput: 1 word per cycle in as long as it makes one beat or none; 1 beat per cycle out
    while the words have more than one.
    Back-pressure: a beat that waits on ``o`` stops ``i`` in the same cycle.
    Reset: synchronous; stops, drops the word at work and clears ``error``.

    Parameters
    ----------
    config : AcceleratorConfig

    Members
    -------
    layer : In(descriptor_layout())
        Layer whose weights come.
    start : In(1)
        Begin with the first fiber of the layer.
    rounds : In(32)
        How often its fibers come; counts with ``start``.
    i : In(stream.Signature(unsigned(memory_bits)))
        Words of the fibers.
    o : Out(stream.Signature(column_beat_layout(config)))
        Beats of the fibers; ``final`` marks the last fiber of each weight block.
    busy : Out(1)
        High from ``start`` to the last beat of the last round.
    error : Out(1)
        Set for good when the words of a round or its blocks are not as many as the layer says;
        the decoder then stops.
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
            "o": Out(stream.Signature(column_beat_layout(config))),
            "busy": Out(1),
            "error": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        config = self.config
        word, held, consume = Signal(config.memory_bits), Signal(), Signal()
        bits = min(config.chunk, config.memory_bits)  # of a bitmask in a word
        ones = Signal(range(bits + 1))  # counted a cycle ahead, in case it is a bitmask
        if config.is_serial:  # the word waits on ``i``
            m.d.comb += [
                held.eq(self.busy & self.i.valid), self.i.ready.eq(consume),
                word.eq(self.i.payload), ones.eq(population_count(word[:bits])),
            ]
        else:
            m.d.comb += self.i.ready.eq(self.busy & (~held | consume))
            with m.If(self.i.ready):
                m.d.sync += [
                    held.eq(self.i.valid), word.eq(self.i.payload),
                    ones.eq(population_count(self.i.payload[:bits])),
                ]
        self._take_apart(m, word, ones, held, consume)
        with m.If(self._count(m, consume)):
            m.d.sync += [self.error.eq(1), self.busy.eq(0)]
            if not config.is_serial:
                m.d.sync += held.eq(0)
        return m

    def _take_apart(self, m: Module, word, ones, held, consume) -> None:
        """Add the parts of a chunk: words of the bitmask, then beats of weights."""
        beat_values, slots = self.config.beat_values, self.config.weight_beats_per_word
        in_values, left = Signal(), Signal(range(self.config.chunk_beats + 1))
        slot, slot_end = _counter(m, "slot", slots)
        fire, word_end, empty = Signal(), Signal(), Signal()
        mask, total, mask_end = self._collect_mask(m, word, ones, consume & ~in_values)
        m.d.comb += [
            empty.eq(~in_values & mask_end & (total == 0)),  # makes a beat all the same
            word_end.eq(~in_values | (left == 1) | slot_end),
            self.o.valid.eq(held & (in_values | empty)),
            fire.eq(self.o.valid & self.o.ready),
            consume.eq(Mux(in_values | empty, fire & word_end, held)),
            self.o.p.end.eq(~in_values | (left == 1)),
            self.o.p.mask.eq(Mux(in_values, mask, 0)),
            self.o.p.values.as_value().eq(
                word.word_select(slot, beat_slot_bits(beat_values, self.config.weight_bits))
            ),
        ]
        with m.If(consume & ~in_values):
            m.d.sync += [
                in_values.eq(mask_end & ~empty),
                left.eq((total + beat_values - 1) >> (beat_values - 1).bit_length()),
            ]
        with m.If(fire & in_values):
            m.d.sync += [left.eq(left - 1), in_values.eq(left != 1)]
            if slots > 1:
                m.d.sync += slot.eq(Mux(word_end, 0, slot + 1))

    def _collect_mask(self, m: Module, word, ones, step):
        """Add the bitmask; return it, how many of its bits are set, and when it is complete."""
        width, words = self.config.memory_bits, self.config.mask_words
        mask, total = Signal(self.config.chunk), Signal(range(self.config.chunk + 1))
        part, mask_end = _counter(m, "part", words)
        with m.If(step):
            for index in range(words):
                with m.If(part == index):
                    m.d.sync += mask[index * width:(index + 1) * width].eq(word)
        if words == 1:
            m.d.comb += total.eq(ones)
        else:
            counted = Signal.like(total)
            m.d.comb += total.eq(counted + ones)
            with m.If(step):
                m.d.sync += [
                    part.eq(Mux(mask_end, 0, part + 1)), counted.eq(Mux(mask_end, 0, total)),
                ]
        return mask, total, mask_end

    def _count(self, m: Module, consume) -> Signal:
        """Add the count of chunks and all above; return if there is not what there should be."""
        chunk = Signal(self.config.chunk_count_bits)
        chunk_done, column_done = Signal(), Signal()
        final, wrong = count_weights(m, self, column_done, consume)
        m.d.comb += [
            self.o.p.last.eq(chunk + 1 == self.layer.chunks),
            self.o.p.final.eq(final),
            chunk_done.eq(self.o.valid & self.o.ready & self.o.p.end),
            column_done.eq(chunk_done & self.o.p.last),
        ]
        with m.If(chunk_done):
            m.d.sync += chunk.eq(Mux(self.o.p.last, 0, chunk + 1))
        return wrong


def _counter(m: Module, name: str, count: int):
    """Return a register for an index below ``count``, and whether it is the highest one."""
    index = Signal(range(count), name=name) if count > 1 else Const(0)
    end = Signal(name=f"{name}_end")
    m.d.comb += end.eq(index == count - 1)
    return index, end
