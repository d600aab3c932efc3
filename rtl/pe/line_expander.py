# SPDX-License-Identifier: Apache-2.0
"""Line expander: compressed spike fibers in, all their positions out, a place in each bank."""

from amaranth import Module, Mux, Signal, Value, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..config import ElementConfig
from ..ftp.array_layouts import array_row_layout
from ..ftp.layouts import index_range
from ..population_count import population_count
from .chunk_intake import ChunkIntake, take_chunks

__all__ = ["LineExpander", "line_layout"]


def line_layout(config: ElementConfig) -> data.StructLayout:
    """Return ``V`` positions of a row in each bank, one after another.

    Members
    -------
    values : data.ArrayLayout(unsigned(T), b * V)
        Lane words, zero where the neuron is silent.
    row : range(tile_rows)
        Where the row is computed: row j of element p has the number ``p * r + j``.
    index : range(places // V)
        Which line of the row it is.
    last : unsigned(1)
        Last line of the row.
    """
    return data.StructLayout({
        "values": data.ArrayLayout(unsigned(config.timesteps),
                                   config.probes * config.beat_values),
        "row": index_range(config.tile_rows),
        "index": index_range(config.places // config.beat_values),
        "last": unsigned(1),
    })


class LineExpander(wiring.Component):
    """Expand spike fibers, ``b * V`` positions at a time; padding of the last chunk included.

    Inverse of ``spikeloom.models.golden.compressor.compress``.

    Latency: 1 cycle from the last beat of a chunk to its first line, 2 if that needs it.
    Throughput: 1 beat per cycle; 1 line per cycle as far as its values are here, so for a chunk
    of a beat or two one cycle more than it has lines.
    Back-pressure: while a chunk is expanded all beats but the last of the next one are taken.
    Reset: synchronous; forgets all chunks and clears ``error``.

    Parameters
    ----------
    config : ElementConfig

    Members
    -------
    i : In(stream.Signature(array_row_layout(config)))
        Beats of spike fibers, each of at most ``max_chunks`` chunks, one fiber after another.
    o : Out(stream.Signature(line_layout(config)))
        Lines of the rows, in order.
    error : Out(1)
        Set for good when a fiber or a chunk is too long.
    """

    i: stream.Interface
    o: stream.Interface
    error: Signal

    def __init__(self, config: ElementConfig):
        self.config = config
        super().__init__({
            "i": In(stream.Signature(array_row_layout(config))),
            "o": Out(stream.Signature(line_layout(config))),
            "error": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        chunk = take_chunks(m, self.config, self.i, self.error)
        with m.If(chunk.taken):
            m.d.sync += self.o.p.row.eq(self.i.p.row)
        self._expand(m, chunk)
        return m

    def _expand(self, m: Module, chunk: ChunkIntake) -> None:
        """Add the window on the values that come next, as many as a line and a beat have."""
        config, fifo, head = self.config, chunk.fifo, chunk.head
        mask, last, held, release = chunk.mask, chunk.last, chunk.held, chunk.release
        size, width = config.probes * config.beat_values, config.timesteps
        lines = config.chunk // size
        capacity = size + config.beat_values
        window, filled = Signal(capacity * width), Signal(range(capacity + 1))
        drained = Signal()  # the chunk's last beat is in the window
        line, line_end = Signal(index_range(lines)), Signal()
        count, left = Signal(range(size + 1)), Signal.like(filled)
        there, step, surplus, fetch = Signal(), Signal(), Signal(), Signal()
        following = Signal.like(window)
        bits = mask.word_select(line, size)
        m.d.comb += [
            count.eq(self._place(m, bits, window)),
            there.eq(drained | (count <= filled)),
            line_end.eq(line == lines - 1),
            surplus.eq(held & line_end & there & ~drained),  # beats that the mask has no use for
            self.o.valid.eq(held & there & (drained | ~line_end)),
            step.eq(self.o.valid & self.o.ready),
            release.eq(step & line_end),
            left.eq(filled - Mux(step, count, 0)),
            fetch.eq(fifo.r_rdy & (release | surplus | (
                ~drained & (left <= capacity - config.beat_values)))),
            fifo.r_en.eq(fetch),
            following.eq(Mux(release, 0, window >> (Mux(step, count, 0) * width))
                         | Mux(fetch & ~surplus,
                               head.values.as_value() << (Mux(release, 0, left) * width), 0)),
        ]
        m.d.sync += [
            window.eq(following),
            filled.eq(Mux(release, 0, left) + Mux(fetch & ~surplus, config.beat_values, 0)),
            drained.eq(Mux(fetch, head.end, drained & ~release)),
        ]
        with m.If(fifo.r_rdy & surplus & ~head.end):
            m.d.sync += self.error.eq(1)
        with m.If(step):
            m.d.sync += line.eq(Mux(line_end, 0, line + 1))
        m.d.comb += self.o.p.last.eq(last & line_end)
        with m.If(step):
            m.d.sync += self.o.p.index.eq(Mux(self.o.p.last, 0, self.o.p.index + 1))
        with m.If(step & ~self.o.p.last & (
                self.o.p.index == config.places // config.beat_values - 1)):
            m.d.sync += self.error.eq(1)

    def _place(self, m: Module, bits: Value, window: Signal) -> Value:
        """Put the values of a line in their places; return how many it has."""
        size, width = self.config.beat_values, self.config.timesteps
        base: Value = Signal(1, init=0)
        for part in range(self.config.probes):
            inside = bits[part * size:(part + 1) * size]
            count = base
            for position in range(size):
                word = window.word_select(count, width)
                m.d.comb += self.o.p.values[part * size + position].eq(
                    Mux(inside[position], word, 0))
                after = Signal(range((part + 1) * size + 1), name=f"count_{part}_{position}")
                m.d.comb += after.eq(count + inside[position])
                count = after
            total = Signal(range((part + 1) * size + 1), name=f"base_{part}")
            m.d.comb += total.eq(base + population_count(inside))
            base = total
        return base
