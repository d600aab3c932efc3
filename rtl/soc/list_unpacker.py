# SPDX-License-Identifier: Apache-2.0
"""List unpacker: memory words to beats of weight lists."""

from typing import Any

from amaranth import Module, Signal, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..config import AcceleratorConfig
from ..pe.list_decoder import delta_beat_layout
from .descriptor import descriptor_layout
from .weight_counts import count_weights

__all__ = ["ListUnpacker", "beat_delta_bits", "delta_choices"]

_MAX_DELTA_BITS = 8


def delta_choices(config: AcceleratorConfig) -> range:
    """Return the bits that a delta may have: as many as leave a whole beat in a word."""
    return range(sum(config.list_beats_per_word(bits) > 0
                     for bits in range(_MAX_DELTA_BITS + 1)))


def beat_delta_bits(config: AcceleratorConfig) -> int:
    """Return the bits of a delta in the beats of any layer."""
    return max(1, delta_choices(config)[-1])


class ListUnpacker(wiring.Component):
    """Take the weight lists of a layer apart: the slots of each beat.

    A word holds whole beats, from its lowest bit on: for each slot the delta, above it the
    weight; then ``column_end``. Each weight block begins with a new word.

    Latency: 1 cycle from a word to its first beat. Throughput: 1 beat per cycle.
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
        Begin with the first column of the layer.
    rounds : In(32)
        How often its columns come; counts with ``start``.
    i : In(stream.Signature(unsigned(memory_bits)))
        Words of the lists.
    o : Out(stream.Signature(delta_beat_layout(config, beat_delta_bits(config))))
        Beats of the lists; ``final`` marks the last column of each weight block.
    busy : Out(1)
        High from ``start`` to the last beat of the last round.
    error : Out(1)
        Set for good when the words of a round or its blocks are not as many as the layer says;
        the unpacker then stops.
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
            "o": Out(stream.Signature(delta_beat_layout(config, beat_delta_bits(config)))),
            "busy": Out(1),
            "error": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        word, held = Signal(self.config.memory_bits), Signal()
        rest = Signal.like(word)  # without the beat that is given out
        fire, word_end, consume, column_done = Signal(), Signal(), Signal(), Signal()
        final, wrong = count_weights(m, self, column_done, consume)
        m.d.comb += [
            self.i.ready.eq(self.busy & (~held | consume)),
            self.o.valid.eq(held),
            self.o.p.final.eq(final),
            fire.eq(self.o.valid & self.o.ready),
            column_done.eq(fire & self.o.p.column_end),
            consume.eq(fire & (word_end | (self.o.p.column_end & final))),
        ]
        self._take_apart(m, word, rest, word_end, fire, consume)
        with m.If(self.i.ready):
            m.d.sync += [held.eq(self.i.valid), word.eq(self.i.payload)]
        with m.Elif(fire):
            m.d.sync += word.eq(rest)
        with m.If(wrong):
            m.d.sync += [self.error.eq(1), self.busy.eq(0), held.eq(0)]
        return m

    def _take_apart(self, m: Module, word, rest, word_end, fire, consume) -> None:
        """Add the slots of the lowest beat, as wide as the layer's deltas are."""
        config = self.config
        place = Signal(range(config.list_beats_per_word(0) + 1))  # of the beat in its word
        with m.If(consume):
            m.d.sync += place.eq(0)
        with m.Elif(fire):
            m.d.sync += place.eq(place + 1)
        with m.Switch(self.layer.delta_bits):
            for bits in delta_choices(config):
                with m.Case(bits):
                    width = bits + config.weight_bits
                    for bank, slot in enumerate(self.o.p.slots):
                        m.d.comb += [
                            slot.delta.eq(word[bank * width:][:bits]),
                            slot.weight.eq(word[bank * width + bits:][:config.weight_bits]),
                        ]
                    end = config.probes * width
                    m.d.comb += [
                        self.o.p.column_end.eq(word[end]),
                        rest.eq(word[end + 1:]),
                        word_end.eq(place == config.list_beats_per_word(bits) - 1),
                    ]
