# SPDX-License-Identifier: Apache-2.0
"""Row expander: a compressed spike fiber in, all its positions out."""

from amaranth import Cat, Module, Mux, Signal, Value, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..config import ElementConfig
from ..ftp.layouts import index_range
from ..ftp.row_buffer import row_beat_layout
from .chunk_intake import ChunkIntake, take_chunks

__all__ = ["RowExpander", "slice_layout"]


def slice_layout(config: ElementConfig) -> data.StructLayout:
    """Return ``V`` positions of a row.

    Members
    -------
    values : data.ArrayLayout(unsigned(T), V)
        Lane words, zero where the neuron is silent.
    index : range(max_chunks * chunk_beats)
        Which slice of the row it is.
    fits : unsigned(1)
        The row is not too long up to here; else ``index`` does not count.
    last : unsigned(1)
        Last slice of the row.
    """
    return data.StructLayout({
        "values": data.ArrayLayout(unsigned(config.timesteps), config.beat_values),
        "index": index_range(config.max_chunks * config.chunk_beats),
        "fits": unsigned(1),
        "last": unsigned(1),
    })


class RowExpander(wiring.Component):
    """Expand spike fibers, ``V`` positions at a time; padding of the last chunk included.

    Inverse of ``spikeloom.models.golden.compressor.compress``.

    Latency: 1 cycle from the last beat of a chunk to its first slice.
    Throughput: 1 beat and 1 slice per cycle, no cycle lost between chunks.
    Back-pressure: while a chunk is expanded all beats but the last of the next one are taken.
    Reset: synchronous; forgets all chunks and clears ``error``.

    Parameters
    ----------
    config : ElementConfig

    Members
    -------
    i : In(stream.Signature(row_beat_layout(config)))
        Beats of spike fibers, each of at most ``max_chunks`` chunks.
    o : Out(stream.Signature(slice_layout(config)))
        Slices of the rows, in order.
    error : Out(1)
        Set for good when a fiber or a chunk is too long.
    """

    i: stream.Interface
    o: stream.Interface
    error: Signal

    def __init__(self, config: ElementConfig):
        self.config = config
        super().__init__({
            "i": In(stream.Signature(row_beat_layout(config))),
            "o": Out(stream.Signature(slice_layout(config))),
            "error": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        chunk = take_chunks(m, self.config, self.i, self.error)
        self._expand(m, chunk)
        return m

    def _expand(self, m: Module, chunk: ChunkIntake) -> None:
        """Add the side that walks over the slices of a chunk.

        Lane ``j`` of the present beat is used up if ``j <= used``, so lane 0 always: its next word
        is then in the next beat, at the head of the queue.
        """
        fifo, head, mask = chunk.fifo, chunk.head, chunk.mask
        last, held, release = chunk.last, chunk.held, chunk.release
        size, beats = self.config.beat_values, self.config.chunk_beats
        size_bits = (size - 1).bit_length()
        width = self.config.timesteps
        present = [Signal(width, name=f"present_{lane}") for lane in range(1, size)]
        used = Signal(index_range(size), init=size - 1)
        drained = Signal()  # the chunk's last beat is the present one
        place = Signal(index_range(beats))
        chunk_end, surplus, advance, cross = Signal(), Signal(), Signal(), Signal()
        lanes = Signal(size * width)

        bits = mask.word_select(place, size)
        count: Value = Cat(used[:size_bits], 0)
        m.d.comb += lanes.eq(Cat(head.values[0], *(
            Mux(lane <= used, head.values[lane], word) for lane, word in enumerate(present, 1))))
        for position in range(size):
            count = _increment(m, count, bits[position], f"count_{position}")
            word = lanes.word_select(count[:size_bits], width)
            m.d.comb += self.o.p.values[position].eq(Mux(bits[position], word, 0))
        m.d.comb += [
            cross.eq(count[size_bits]),
            chunk_end.eq(place == beats - 1),
            surplus.eq(chunk_end & ~drained & ~head.end),  # more beats than the mask has values
            self.o.valid.eq(held & (drained | (fifo.r_rdy & ~surplus))),
            advance.eq(held & (self.o.ready | surplus)),
            fifo.r_en.eq(advance & ~drained & (cross | chunk_end)),
            release.eq(self.o.valid & self.o.ready & chunk_end),
        ]
        with m.If(fifo.r_rdy & fifo.r_en):
            m.d.sync += drained.eq(head.end)
            m.d.sync += [word.eq(head.values[lane]) for lane, word in enumerate(present, 1)]
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += [place.eq(place + 1), used.eq(count[:size_bits])]
        with m.If(release):
            m.d.sync += [place.eq(0), used.eq(size - 1), drained.eq(0)]
        with m.If(held & fifo.r_rdy & surplus):
            m.d.sync += self.error.eq(1)
        self._number(m, last & chunk_end, release)

    def _number(self, m: Module, last, release) -> None:
        """Number the slices; those of a row too long get no number."""
        index, over = Signal(self.o.p.index.shape()), Signal()
        m.d.comb += [
            self.o.p.index.eq(index), self.o.p.fits.eq(~over), self.o.p.last.eq(last),
        ]
        with m.If(self.o.valid & self.o.ready):
            with m.If(last):
                m.d.sync += [index.eq(0), over.eq(0)]
            with m.Elif(index == self.config.max_chunks * self.config.chunk_beats - 1):
                m.d.sync += [over.eq(1), self.error.eq(1)]
            with m.Else():
                m.d.sync += index.eq(index + 1)


def _increment(m: Module, value: Value, bit: Value, name: str) -> Value:
    """Return ``value + bit``, in gates: a carry chain for so few bits would cost more."""
    total = Signal(len(value), name=name)
    for place in range(len(value)):
        m.d.comb += total[place].eq(value[place] ^ (bit & value[:place].all()))
    return total
