# SPDX-License-Identifier: Apache-2.0
"""Row buffer: the spike fiber that a TPPE joins with every column, and the next one."""

from amaranth import Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory, ReadPort
from amaranth.lib.wiring import In, Out, connect, flipped

from ..config import FTPConfig
from .layouts import beat_layout, index_range
from .value_memory import read_port_signature, read_values

__all__ = ["RowBuffer", "row_beat_layout", "row_chunk_layout"]


def row_beat_layout(config: FTPConfig) -> data.StructLayout:
    """Return one beat of a spike fiber.

    Members
    -------
    values : data.ArrayLayout(unsigned(T), V)
        Packed lane words, lowest position first; unused places at the end are ignored.
    end : unsigned(1)
        Last beat of its chunk; the fields below count in this beat only.
    mask : unsigned(C)
        Bit p is set if position p of the chunk is not silent.
    last : unsigned(1)
        Last chunk of its fiber.
    """
    return beat_layout(config, unsigned(config.timesteps))


def row_chunk_layout(config: FTPConfig) -> data.StructLayout:
    """Return what the buffer knows of one chunk.

    Members
    -------
    mask : unsigned(C)
        Positions that are not silent.
    base : range(row_values)
        Address of the chunk's first lane word.
    last : unsigned(1)
        Last chunk of the fiber.
    """
    return data.StructLayout({
        "mask": unsigned(config.chunk),
        "base": index_range(config.row_values),
        "last": unsigned(1),
    })


class RowBuffer(wiring.Component):
    """Hold two spike fibers: one is joined while the other is loaded.

    Latency: a fiber is ``loaded`` 1 cycle after its last beat; both read ports answer after
    1 cycle. Throughput: 1 beat per cycle.
    Back-pressure: with both fibers held ``i`` stops until ``release``.
    Reset: synchronous; forgets both fibers and clears ``error``.

    Parameters
    ----------
    config : FTPConfig

    Members
    -------
    i : In(stream.Signature(row_beat_layout(config)))
        Beats of spike fibers, each of at most ``max_chunks`` chunks.
    loaded : Out(range(3))
        Complete fibers held.
    chunks : Out(read_port_signature(2 * max_chunks, row_chunk_layout(config)))
        Read a chunk by ``bank * max_chunks + index``; fibers use the banks in turn, 0 first.
    words : Out(read_port_signature(row_values, unsigned(T)))
        Read a lane word by its address.
    release : In(1)
        Forget the older fiber.
    error : Out(1)
        Set for good when a fiber or a chunk is too long; what does not fit is dropped.
    """

    i: stream.Interface
    loaded: Signal
    chunks: ReadPort
    words: ReadPort
    release: Signal
    error: Signal

    def __init__(self, config: FTPConfig):
        self.config = config
        super().__init__({
            "i": In(stream.Signature(row_beat_layout(config))),
            "loaded": Out(range(3)),
            "chunks": Out(read_port_signature(2 * config.max_chunks, row_chunk_layout(config))),
            "words": Out(read_port_signature(config.row_values, unsigned(config.timesteps))),
            "release": In(1),
            "error": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        config = self.config
        bank_chunks, bank_beats = config.max_chunks, config.max_chunks * config.chunk_beats
        values = data.ArrayLayout(unsigned(config.timesteps), config.beat_values)
        m.submodules.chunks = chunks = Memory(
            shape=row_chunk_layout(config), depth=2 * bank_chunks, init=[]
        )
        m.submodules.words = words = Memory(shape=values.size, depth=2 * bank_beats, init=[])

        self._load(m, chunks.write_port(), words.write_port(), bank_chunks, bank_beats)
        connect(m, flipped(self.chunks), chunks.read_port())
        read_values(m, words.read_port(), self.words, config.beat_values)
        return m

    def _load(self, m, chunk_write, word_write, bank_chunks: int, bank_beats: int) -> None:
        """Add the side that stores beats, chunk by chunk, and completes a fiber."""
        beat_bits = (self.config.beat_values - 1).bit_length()
        bank = Signal()
        chunk = Signal(range(bank_chunks + 1))  # complete chunks of the fiber
        beat, first = Signal(range(bank_beats + 1)), Signal(range(bank_beats + 1))
        beat_address, first_address = Signal(range(2 * bank_beats)), Signal(range(2 * bank_beats))
        fire, fits, complete = Signal(), Signal(), Signal()
        m.d.comb += [
            self.i.ready.eq(self.loaded != 2),
            fire.eq(self.i.valid & self.i.ready),
            fits.eq((chunk != bank_chunks) & (beat - first < self.config.chunk_beats)),
            complete.eq(fire & self.i.p.end & self.i.p.last),
            beat_address.eq(Mux(bank, bank_beats, 0) + beat),
            first_address.eq(Mux(bank, bank_beats, 0) + first),
            word_write.en.eq(fire & fits),
            word_write.addr.eq(beat_address),
            word_write.data.eq(self.i.p.values),
            chunk_write.en.eq(fire & self.i.p.end & fits),
            chunk_write.addr.eq(Mux(bank, bank_chunks, 0) + chunk),
            chunk_write.data.mask.eq(self.i.p.mask),
            chunk_write.data.base.eq(first_address << beat_bits),
            chunk_write.data.last.eq(self.i.p.last),
        ]
        m.d.sync += self.loaded.eq(self.loaded + complete - self.release)
        with m.If(fire & ~fits):
            m.d.sync += self.error.eq(1)
        with m.If(fire & fits):
            m.d.sync += beat.eq(beat + 1)
            with m.If(self.i.p.end):
                m.d.sync += [first.eq(beat + 1), chunk.eq(chunk + 1)]
        with m.If(complete):
            m.d.sync += [beat.eq(0), first.eq(0), chunk.eq(0), bank.eq(~bank)]
