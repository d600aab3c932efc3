# SPDX-License-Identifier: Apache-2.0
"""Decompressor: fiber chunks in, lane words out."""

from amaranth import Array, Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from ..config import FTPConfig
from .compressor import fiber_layout
from .layouts import index_range, offset_range

__all__ = ["Decompressor", "decompressor_output_layout"]


def decompressor_output_layout(config: FTPConfig) -> data.StructLayout:
    """Return one position of an uncompressed fiber.

    Members
    -------
    word : unsigned(T)
        Lane word; zero if the neuron is silent.
    row : range(P)
        Fiber that the word belongs to.
    last : unsigned(1)
        Last position of the fiber's last chunk, padding included.
    """
    return data.StructLayout({
        "word": unsigned(config.timesteps),
        "row": index_range(config.tile_rows),
        "last": unsigned(1),
    })


class Decompressor(wiring.Component):
    """Expand fiber chunks into lane words, ``C`` positions for each chunk.

    The inverse of `Compressor`, padding of the last chunk included. One chunk is expanded while
    the next is received. Equal in every bit to
    ``spikeloom.models.golden.decompressor.decompress``.

    Latency: 2 cycles from the last beat of a chunk to its first position, if the former chunk
    is done. Throughput: 1 position per cycle.
    Back-pressure: a word that waits on ``o`` holds its chunk; with two chunks held ``i`` stops.
    Reset: synchronous; drops both chunks, sets all offsets to zero and clears ``error``.

    Parameters
    ----------
    config : FTPConfig

    Members
    -------
    i : In(stream.Signature(fiber_layout(config)))
        Beats of compressed fibers, interleaved chunk by chunk.
    o : Out(stream.Signature(decompressor_output_layout(config)))
        One position of a fiber.
    error : Out(1)
        Set for good when a fiber is corrupt: the number of beats or the offset of a chunk does
        not agree with the bitmasks so far.
    """

    i: stream.Interface
    o: stream.Interface
    error: Signal

    def __init__(self, config: FTPConfig):
        self.config = config
        super().__init__({
            "i": In(stream.Signature(fiber_layout(config))),
            "o": Out(stream.Signature(decompressor_output_layout(config))),
            "error": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        beats = self.config.chunk_beats
        values = data.ArrayLayout(unsigned(self.config.timesteps), self.config.beat_values)
        m.submodules.words = words = Memory(shape=values.size, depth=2 * beats, init=[])
        headers = Array(Signal(self._header_layout(), name=f"header_{bank}") for bank in range(2))
        release = Signal()
        full = Signal(range(3))

        self._receive(m, words.write_port(), headers, full, release)
        self._expand(m, words.read_port(), headers, full, release)
        return m

    def _header_layout(self) -> data.StructLayout:
        return data.StructLayout({
            "mask": unsigned(self.config.chunk),
            "last": unsigned(1),
            "offset": offset_range(self.config),
            "row": index_range(self.config.tile_rows),
            "beats": range(self.config.chunk_beats + 1),
        })

    def _receive(self, m, write, headers, full, release) -> None:
        """Add the side that stores beats and completes a chunk."""
        beats = self.config.chunk_beats
        bank = Signal()
        beat = Signal(range(beats + 1))  # beats of the chunk so far; one too many is dropped
        fire, complete = Signal(), Signal()
        m.d.comb += [
            self.i.ready.eq(full != 2),
            fire.eq(self.i.valid & self.i.ready),
            complete.eq(fire & self.i.p.end),
            write.en.eq(fire & (beat != beats)),
            write.addr.eq(Mux(bank, beats, 0) + beat),
            write.data.eq(self.i.p.values),
        ]
        m.d.sync += full.eq(full + complete - release)
        with m.If(fire):
            with m.If(beat == beats):
                m.d.sync += self.error.eq(1)
            with m.Else():
                m.d.sync += beat.eq(beat + 1)
        with m.If(complete):
            header = headers[bank]
            m.d.sync += [
                header.mask.eq(self.i.p.mask), header.last.eq(self.i.p.last),
                header.offset.eq(self.i.p.offset), header.row.eq(self.i.p.row),
                header.beats.eq(Mux(beat == beats, beats, beat + 1)),
                beat.eq(0), bank.eq(~bank),
            ]

    def _expand(self, m, read, headers, full, release) -> None:
        """Add the side that walks over the positions of a complete chunk."""
        config = self.config
        beat_bits = (config.beat_values - 1).bit_length()
        bank = Signal()
        position = Signal(range(config.chunk))
        used = Signal(range(config.chunk + 1))  # words of the chunk so far
        offsets = Array(
            Signal(offset_range(config), name=f"offset_{k}") for k in range(config.tile_rows)
        )
        hit, place_valid = Signal(), Signal()
        place = Signal(index_range(config.beat_values))
        advance, step, done = Signal(), Signal(), Signal()
        total = Signal.like(used)
        beats_due = Signal(range(config.chunk_beats + 1))

        header = Signal(self._header_layout())
        m.d.comb += [
            header.eq(headers[bank]),
            advance.eq(~place_valid | self.o.ready),
            step.eq((full != 0) & advance),
            done.eq(position == config.chunk - 1),
            release.eq(step & done),
            total.eq(used + header.mask.bit_select(position, 1)),
            beats_due.eq((total + config.beat_values - 1) >> beat_bits),
            read.en.eq(step),
            read.addr.eq(Mux(bank, config.chunk_beats, 0) + (used >> beat_bits)),
        ]
        with m.If(advance):
            m.d.sync += place_valid.eq(step)
        with m.If(step):
            m.d.sync += [
                hit.eq(header.mask.bit_select(position, 1)), place.eq(used[:beat_bits]),
                self.o.p.row.eq(header.row), self.o.p.last.eq(header.last & done),
                position.eq(Mux(done, 0, position + 1)), used.eq(Mux(done, 0, total)),
            ]
        with m.If(release):
            m.d.sync += bank.eq(~bank)
            m.d.sync += offsets[header.row].eq(Mux(header.last, 0, header.offset + total))
            with m.If((header.beats != Mux(beats_due == 0, 1, beats_due))
                      | (header.offset != offsets[header.row])):
                m.d.sync += self.error.eq(1)
        word = read.data.word_select(place, config.timesteps)
        m.d.comb += [self.o.valid.eq(place_valid), self.o.p.word.eq(Mux(hit, word, 0))]
