# SPDX-License-Identifier: Apache-2.0
"""Column buffer: the next few chunks of the broadcast weight fibers."""

from amaranth import Module, Signal, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.memory import Memory, ReadPort
from amaranth.lib.wiring import In, Out, connect, flipped

from ..config import FTPConfig
from ..stream_queue import StreamQueue
from .layouts import beat_layout, index_range
from .value_memory import read_port_signature, read_values

__all__ = ["ColumnBuffer", "column_beat_layout", "column_chunk_layout"]


def column_beat_layout(config: FTPConfig) -> data.StructLayout:
    """Return one beat of a weight fiber.

    Members
    -------
    values : data.ArrayLayout(signed(weight_bits), V)
        Packed weights, lowest position first; unused places at the end are ignored.
    end : unsigned(1)
        Last beat of its chunk; the fields below count in this beat only.
    mask : unsigned(C)
        Bit p is set if position p of the chunk is not zero.
    last : unsigned(1)
        Last chunk of its fiber.
    final : unsigned(1)
        Last fiber of its tile; counts with ``last``.
    """
    return beat_layout(config, signed(config.weight_bits), final=unsigned(1))


def column_chunk_layout(config: FTPConfig) -> data.StructLayout:
    """Return what the buffer knows of one chunk.

    Members
    -------
    mask : unsigned(C)
        Positions that are not zero.
    base : range(column_beats * V)
        Address of the chunk's first weight.
    last : unsigned(1)
        Last chunk of its fiber.
    final : unsigned(1)
        Last fiber of its tile; counts with ``last``.
    """
    return data.StructLayout({
        "mask": unsigned(config.chunk),
        "base": index_range(config.column_beats * config.beat_values),
        "last": unsigned(1),
        "final": unsigned(1),
    })


class ColumnBuffer(wiring.Component):
    """Queue the chunks of weight fibers; their weights lie in a circular memory.

    Latency: 2 cycles from the last beat of a chunk to ``o``; ``weights`` answers after 1 cycle.
    Throughput: 1 beat per cycle in, 1 chunk per cycle out.
    Back-pressure: with ``column_fifo_depth`` chunks waiting, or no room for a beat, ``i`` stops.
    Reset: synchronous; forgets all chunks and clears ``error``.

    Parameters
    ----------
    config : FTPConfig

    Members
    -------
    i : In(stream.Signature(column_beat_layout(config)))
        Beats of weight fibers.
    o : Out(stream.Signature(column_chunk_layout(config)))
        Complete chunks.
    weights : Out(read_port_signature(column_beats * V, signed(weight_bits)))
        Read a weight by its address.
    release : In(1)
        Free the weights of the oldest chunk.
    error : Out(1)
        Set for good when a chunk has too many beats; what does not fit is dropped.
    """

    i: stream.Interface
    o: stream.Interface
    weights: ReadPort
    release: Signal
    error: Signal

    def __init__(self, config: FTPConfig):
        self.config = config
        super().__init__({
            "i": In(stream.Signature(column_beat_layout(config))),
            "o": Out(stream.Signature(column_chunk_layout(config))),
            "weights": Out(read_port_signature(
                config.column_beats * config.beat_values, signed(config.weight_bits)
            )),
            "release": In(1),
            "error": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        config = self.config
        values = data.ArrayLayout(signed(config.weight_bits), config.beat_values)
        m.submodules.values = memory = Memory(
            shape=values.size, depth=config.column_beats, init=[]
        )
        self._store(m, memory.write_port())
        read_values(m, memory.read_port(), self.weights, config.beat_values)
        return m

    def _store(self, m: Module, write) -> None:
        """Add the queue of chunks, the circular write side, and the freeing of its beats."""
        depth = self.config.column_beats
        chunk_layout = column_chunk_layout(self.config)
        waiting = self.config.queue_depth(self.config.column_fifo_depth + 1)
        # one more in the output register
        m.submodules.chunks = chunks = StreamQueue(chunk_layout, waiting)
        # a chunk stays in the second queue until its weights are read: up to 2 chunks more
        m.submodules.ends = ends = SyncFIFOBuffered(
            width=depth.bit_length(), depth=waiting + 3
        )
        beat_bits = (self.config.beat_values - 1).bit_length()
        head, tail = Signal(range(2 * depth)), Signal(range(2 * depth))  # top bit: which lap
        first = Signal(range(2 * depth))
        head_next = Signal.like(head)
        used, length = Signal(range(depth + 1)), Signal(range(depth + 1))
        fire, fits = Signal(), Signal()
        chunk = Signal(chunk_layout)
        m.d.comb += [
            used.eq((head - tail)[:len(head)]),
            length.eq((head - first)[:len(head)]),
            self.i.ready.eq((used != depth) & chunks.i.ready & ends.w_rdy),
            fire.eq(self.i.valid & self.i.ready),
            fits.eq(length < self.config.chunk_beats),
            head_next.eq(head + fits),
            write.en.eq(fire & fits),
            write.addr.eq(head[:len(head) - 1]),
            write.data.eq(self.i.p.values),
            chunk.mask.eq(self.i.p.mask),
            chunk.base.eq(first << beat_bits),
            chunk.last.eq(self.i.p.last),
            chunk.final.eq(self.i.p.final),
            chunks.i.payload.eq(chunk),
            chunks.i.valid.eq(fire & self.i.p.end),
            ends.w_data.eq(head_next),
            ends.w_en.eq(fire & self.i.p.end),
            ends.r_en.eq(self.release),
        ]
        connect(m, chunks.o, flipped(self.o))
        with m.If(fire):
            m.d.sync += head.eq(head_next)
        with m.If(fire & self.i.p.end):
            m.d.sync += first.eq(head_next)
        with m.If(fire & ~fits):
            m.d.sync += self.error.eq(1)
        with m.If(self.release):
            m.d.sync += tail.eq(ends.r_data)
