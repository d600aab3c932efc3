# SPDX-License-Identifier: Apache-2.0
"""Compressor: lane words in, fiber chunks out."""

from amaranth import Array, Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..config import FTPConfig
from .layouts import beat_layout, index_range, offset_range

__all__ = ["Compressor", "compressor_input_layout", "fiber_layout"]


def compressor_input_layout(config: FTPConfig) -> data.StructLayout:
    """Return one position of an uncompressed fiber.

    Members
    -------
    word : unsigned(T)
        Lane word; zero if the neuron is silent.
    row : range(P)
        Fiber that the word belongs to; the same in all words of a chunk.
    last : unsigned(1)
        Last position of the fiber.
    drop_single : unsigned(1)
        Treat a word with fewer than two spikes as silent (LoAS, fine-tuned mode).
    """
    return data.StructLayout({
        "word": unsigned(config.timesteps),
        "row": index_range(config.tppes),
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
        offset=offset_range(config), row=index_range(config.tppes),
    )


class Compressor(wiring.Component):
    """Compress lane words into fiber chunks: bitmask, packed words, offset (LoAS, MICRO 2024).

    ``P`` fibers may come interleaved, chunk by chunk; a chunk ends after ``C`` positions or at
    the end of its fiber. A fiber may hold at most ``max_chunks`` chunks.

    Equal in every bit to ``spikeloom.models.golden.compressor.compress``.

    Latency: 2 cycles from the last position of a chunk to its last beat.
    Throughput: 1 position per cycle.
    Back-pressure: a beat that waits on ``o`` stops ``i`` in the same cycle.
    Reset: synchronous; drops the chunk at work and sets all offsets to zero.

    Parameters
    ----------
    config : FTPConfig

    Members
    -------
    i : In(stream.Signature(compressor_input_layout(config)))
        One position of a fiber.
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
        beat_values = self.config.beat_values
        position = Signal(range(self.config.chunk))
        mask = Signal(self.config.chunk)
        packed = Signal(data.ArrayLayout(unsigned(self.config.timesteps), beat_values))
        filled = Signal(range(beat_values + 1))
        count = Signal(range(self.config.chunk + 1))
        row = Signal(index_range(self.config.tppes))
        last = Signal()
        ending = Signal()  # the chunk is complete, its last beat comes next
        offsets = Array(
            Signal(offset_range(self.config), name=f"offset_{k}") for k in range(self.config.tppes)
        )

        keep, advance, overflow = Signal(), Signal(), Signal()
        word = self.i.p.word
        single = (word & (word - 1)[:len(word)]) == 0
        m.d.comb += [
            keep.eq((word != 0) & ~(self.i.p.drop_single & single)),
            advance.eq(~self.o.valid | self.o.ready),
            self.i.ready.eq(advance),
            self.busy.eq((position != 0) | ending | self.o.valid),
            overflow.eq(self.i.valid & keep & (filled == beat_values)),
        ]
        with m.If(advance):
            m.d.sync += [self.o.valid.eq(ending | overflow), ending.eq(0)]
            m.d.sync += [
                self.o.p.values.eq(packed), self.o.p.end.eq(ending), self.o.p.mask.eq(mask),
                self.o.p.last.eq(last), self.o.p.offset.eq(offsets[row]), self.o.p.row.eq(row),
            ]
        with m.If(advance & ending):
            m.d.sync += offsets[row].eq(Mux(last, 0, offsets[row] + count))
            m.d.sync += [packed.eq(0), filled.eq(0), mask.eq(0), count.eq(0)]
        with m.If(advance & self.i.valid):
            fresh = ending | overflow  # the beat under construction starts anew
            place = Signal.like(filled)
            end = self.i.p.last | (position == self.config.chunk - 1)
            m.d.comb += place.eq(Mux(fresh, 0, filled))
            m.d.sync += [
                position.eq(Mux(end, 0, position + 1)), ending.eq(end),
                row.eq(self.i.p.row), last.eq(self.i.p.last),
            ]
            with m.If(keep):
                m.d.sync += [
                    mask.eq(Mux(ending, 0, mask) | (1 << position)[:self.config.chunk]),
                    packed.eq(Mux(fresh, 0, packed.as_value())),
                    count.eq(Mux(ending, 0, count) + 1), filled.eq(place + 1),
                ]
                for k in range(beat_values):
                    with m.If(place == k):
                        m.d.sync += packed[k].eq(word)
        return m
