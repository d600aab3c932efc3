# SPDX-License-Identifier: Apache-2.0
"""Fiber lister: weight fibers with bitmasks in, lists of weights out."""

from typing import Any

from amaranth import Cat, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from ..config import ElementConfig
from ..ftp.column_buffer import ColumnBuffer, column_beat_layout, column_chunk_layout
from ..one_hot import encode
from .layouts import list_beat_layout

__all__ = ["FiberLister"]


class FiberLister(wiring.Component):
    """List the weights of fibers, lowest position first, one in a beat.

    The packed weights come in the order of their positions, so a counter finds each one. A
    column whose last chunk has no weight ends with a beat without a valid entry.

    Same result as ``spikeloom.models.golden.weight_list.locate`` for each position in turn.

    Latency: 4 cycles from the last beat of a chunk to its first weight.
    Throughput: 1 weight per cycle; a chunk without weights takes 1 cycle.
    Back-pressure: a weight that waits on ``o`` holds its chunk; ``i`` stops when the buffer of
    chunks is full.
    Reset: synchronous; forgets all chunks, begins a column and clears ``error``.

    Parameters
    ----------
    config : ElementConfig

    Members
    -------
    i : In(stream.Signature(column_beat_layout(config)))
        Beats of weight fibers.
    o : Out(stream.Signature(list_beat_layout(config)))
        Their weights.
    error : Out(1)
        Set for good when a chunk has too many beats or a fiber too many chunks; the weights of
        the former are void, those of the latter are dropped.
    """

    i: stream.Interface
    o: stream.Interface
    error: Signal

    def __init__(self, config: ElementConfig):
        self.config = config
        super().__init__({
            "i": In(stream.Signature(column_beat_layout(config))),
            "o": Out(stream.Signature(list_beat_layout(config))),
            "error": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.buffer = buffer = ColumnBuffer(self.config)
        connect(m, flipped(self.i), buffer.i)
        chunk: Any = Signal(column_chunk_layout(self.config))
        rest = Signal(self.config.chunk)
        held, step, end = Signal(), Signal(), Signal()  # a chunk is at work, goes on, is done
        m.d.comb += [
            rest.eq(chunk.mask & (chunk.mask - 1)),
            end.eq(~rest.any()),
            step.eq(held & (~self.o.valid | self.o.ready)),
            buffer.o.ready.eq(~held | (step & end)),
            buffer.release.eq(step & end),  # its last weight is being read
            buffer.weights.en.eq(step),
            buffer.weights.addr.eq(chunk.base),
        ]
        with m.If(step):
            m.d.sync += [chunk.mask.eq(rest), chunk.base.eq(chunk.base + 1)]
        with m.If(buffer.o.ready):
            m.d.sync += [held.eq(buffer.o.valid), chunk.eq(buffer.o.payload)]

        first, inside = self._count_chunks(m, step & end, chunk.last)
        too_long = Signal()
        m.d.comb += self.error.eq(buffer.error | too_long)
        with m.If(step & ~inside):
            m.d.sync += too_long.eq(1)

        bank, place = self._locate(m, chunk.mask & ~rest)
        for index in range(self.config.probes):
            entry = self.o.p.entries[index]
            m.d.comb += entry.weight.eq(buffer.weights.data)
            with m.If(step):
                m.d.sync += [
                    entry.valid.eq(chunk.mask.any() & inside & (bank == index)),
                    entry.place.eq(first + place),
                ]
        with m.If(step):
            m.d.sync += [self.o.p.column_end.eq(end & chunk.last), self.o.p.final.eq(chunk.final)]
        with m.If(step | self.o.ready):
            m.d.sync += self.o.valid.eq(step & (chunk.mask.any() | chunk.last))
        return m

    def _count_chunks(self, m: Module, done, last):
        """Add the count; return the chunk's first place, and whether a row has that chunk."""
        places = self.config.places
        first, inside = Signal(range(places + 1)), Signal()
        m.d.comb += inside.eq(first != places)
        with m.If(done & last):
            m.d.sync += first.eq(0)
        with m.Elif(done & inside):
            m.d.sync += first.eq(first + self.config.chunk // self.config.probes)
        return first, inside

    def _locate(self, m: Module, one_hot):
        """Add an encoder; return bank of the set bit of ``one_hot`` and place in the chunk."""
        position = encode(m, one_hot)
        low = self.config.beat_values.bit_length() - 1    # bits of a position in its slice
        high = low + self.config.probes.bit_length() - 1  # and of the bank
        return position[low:high], Cat(position[:low], position[high:])
