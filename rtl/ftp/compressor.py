# SPDX-License-Identifier: Apache-2.0
"""Compressor: lane words in, fiber chunks out."""

from functools import reduce
from operator import or_

from amaranth import Array, Cat, Const, Module, Mux, Signal, Value, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..config import FTPConfig
from .layouts import beat_layout, index_range, offset_range

__all__ = ["Compressor", "compressor_input_layout", "fiber_layout"]


def compressor_input_layout(config: FTPConfig) -> data.StructLayout:
    """Return a slice: ``V`` adjacent positions of an uncompressed fiber.

    Members
    -------
    words : data.ArrayLayout(unsigned(T), V)
        Lane words, lowest position first; zero if the neuron is silent, and behind the end of
        the fiber.
    row : range(P)
        Fiber that the words belong to; the same in all slices of a chunk.
    last : unsigned(1)
        Last slice of the fiber.
    drop_single : unsigned(1)
        Treat a word with fewer than two spikes as silent (LoAS, fine-tuned mode).
    """
    return data.StructLayout({
        "words": data.ArrayLayout(unsigned(config.timesteps), config.beat_values),
        "row": index_range(config.tile_rows),
        "last": unsigned(1),
        "drop_single": unsigned(1),
    })


def fiber_layout(config: FTPConfig) -> data.StructLayout:
    """Return one beat of a compressed spike fiber.

    Members
    -------
    values : data.ArrayLayout(unsigned(T), V)
        Packed lane words, lowest position first; unused places at the end are zero.
    end : unsigned(1)
        Last beat of its chunk; the fields below count in this beat only.
    mask : unsigned(C)
        Bit p is set if position p of the chunk is not silent.
    last : unsigned(1)
        Last chunk of its fiber.
    offset : range(max_chunks * C + 1)
        Place of the chunk's first word among the packed words of the fiber.
    row : range(P)
        Fiber that the chunk belongs to.
    """
    return beat_layout(
        config, unsigned(config.timesteps),
        offset=offset_range(config), row=index_range(config.tile_rows),
    )


class Compressor(wiring.Component):
    """Compress lane words into fiber chunks: bitmask, packed words, offset (LoAS, MICRO 2024).

    ``P`` fibers may come interleaved, chunk by chunk; a chunk ends after ``C`` positions or at
    the end of its fiber. A fiber may hold at most ``max_chunks`` chunks.

    Equal in every bit to ``spikeloom.models.golden.compressor.compress``.

    Latency: 2 cycles from the last slice of a chunk to its last beat.
    Throughput: 1 slice, ``V`` positions, per cycle.
    Back-pressure: a beat that waits on ``o`` stops ``i`` in the same cycle.
    Reset: synchronous; drops the chunk at work and sets all offsets to zero.

    Parameters
    ----------
    config : FTPConfig

    Members
    -------
    i : In(stream.Signature(compressor_input_layout(config)))
        Slices of the uncompressed fibers.
    o : Out(stream.Signature(fiber_layout(config)))
        Beats of the compressed fibers.
    busy : Out(1)
        High while a chunk is at work or a beat waits.
    """

    i: stream.Interface
    o: stream.Interface
    busy: Signal

    def __init__(self, config: FTPConfig):
        self.config = config
        super().__init__({
            "i": In(stream.Signature(compressor_input_layout(config))),
            "o": Out(stream.Signature(fiber_layout(config))),
            "busy": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        index = Signal(index_range(self.config.chunk_beats))  # of the slice in its chunk
        mask = Signal(self.config.chunk)
        packed = Signal.like(self.o.p.values)  # words of a beat under construction, else zero
        count = Signal(range(self.config.chunk + 1))
        row = Signal(index_range(self.config.tile_rows))
        last = Signal()
        ending = Signal()  # the chunk is complete, its last beat comes next
        offsets = Array(
            Signal(offset_range(self.config), name=f"offset_{k}")
            for k in range(self.config.tile_rows)
        )

        kept, used = Signal(self.config.beat_values), Signal(self.config.beat_values)
        advance, overflow, end = Signal(), Signal(), Signal()
        placed = self._place(m, kept, used)
        m.d.comb += [
            *(used[k].eq(word.any() & ~ending) for k, word in enumerate(packed)),
            overflow.eq((used & Cat(word.any() for word in placed)).any()),
            end.eq(self.i.p.last | (index == self.config.chunk_beats - 1)),
            advance.eq(~self.o.valid | self.o.ready),
            self.i.ready.eq(advance),
            self.busy.eq((index != 0) | ending | self.o.valid),
        ]
        with m.If(advance & ending):
            m.d.sync += [offsets[row].eq(Mux(last, 0, offsets[row] + count)), mask.eq(0)]
        with m.If(advance):
            m.d.sync += [
                self.o.valid.eq(ending | overflow),
                self.o.p.end.eq(ending), self.o.p.mask.eq(mask), self.o.p.last.eq(last),
                self.o.p.offset.eq(offsets[row]), self.o.p.row.eq(row),
                ending.eq(self.i.valid & end), row.eq(self.i.p.row), last.eq(self.i.p.last),
                mask.word_select(index, len(kept)).eq(kept),
                count.eq(Mux(ending, 0, count) + sum(kept)),
            ]
            for k, word in enumerate(packed):  # where none waits, an overflow leaves zero
                m.d.sync += self.o.p.values[k].eq(Mux(used[k] | ending, word, placed[k]))
                m.d.sync += word.eq(Mux(used[k] ^ overflow, word, placed[k]))
        with m.If(advance & self.i.valid):
            m.d.sync += index.eq(Mux(end, 0, index + 1))
        return m

    def _place(self, m: Module, kept, used) -> data.View:
        """Place the words kept of a slice: behind those that wait, then from the beat's start."""
        size = self.config.beat_values
        placed = Signal.like(self.o.p.values)
        place = Signal(size, name="place_0")  # one-hot, of the next word
        m.d.comb += place.eq(Cat(~used[0] | used[-1],
                                 (used[k - 1] & ~used[k] for k in range(1, size))))
        terms: list[list[Value]] = [[] for _ in range(size)]
        for k, word in enumerate(self.i.p.words):
            following = Signal(size, name=f"place_{k + 1}")
            several = reduce(or_, (word[t] & word[:t].any() for t in range(1, len(word))), Const(0))
            m.d.comb += [
                kept[k].eq(self.i.valid & Mux(self.i.p.drop_single, several, word.any())),
                following.eq(Mux(kept[k], place.rotate_left(1), place)),
            ]
            for slot in range(size):
                terms[slot].append(Mux(kept[k] & place[slot], word, 0))
            place = following
        m.d.comb += [placed[slot].eq(reduce(or_, terms[slot])) for slot in range(size)]
        return placed
