# SPDX-License-Identifier: Apache-2.0
"""Chunk intake: the side of an expander that takes the beats of spike fibers."""

from dataclasses import dataclass

from amaranth import Module, Mux, Signal, unsigned
from amaranth.lib import data, stream
from amaranth.lib.fifo import SyncFIFO

from ..config import ElementConfig
from ..ftp.layouts import index_range

__all__ = ["ChunkIntake", "take_chunks"]


@dataclass(frozen=True)
class ChunkIntake:
    """A chunk to be expanded, and the queue of its values.

    Parameters
    ----------
    fifo : SyncFIFO
        Beats of this chunk and the next.
    head : data.View
        The first of them: ``values`` and ``end``, the last one of its chunk.
    mask : Signal
        Of the chunk, C bits.
    last : Signal
        It is the last one of its fiber.
    held : Signal
        All of it is here.
    release : Signal
        The expander lets go of it in this cycle; driven by the expander.
    taken : Signal
        The last beat of a chunk comes in this cycle.
    """

    fifo: SyncFIFO
    head: data.View
    mask: Signal
    last: Signal
    held: Signal
    release: Signal
    taken: Signal


def take_chunks(m: Module, config: ElementConfig, i: stream.Interface, error: Signal
                ) -> ChunkIntake:
    """Add the intake of beats ``i``; ``error`` is set for good by a chunk with too many of them.

    While a chunk is held all beats but the last of the next one are taken.
    """
    beats = config.chunk_beats
    values = data.ArrayLayout(unsigned(config.timesteps), config.beat_values)
    packed = data.StructLayout({"values": values, "end": unsigned(1)})
    m.submodules.beats = fifo = SyncFIFO(width=packed.size, depth=2 * beats)
    mask, last = Signal(config.chunk), Signal()
    held, release, taken = Signal(), Signal(), Signal()

    beat = Signal(index_range(beats))
    written = Signal(packed)
    take, fits = Signal(), Signal()
    m.d.comb += [
        written.values.eq(i.p.values),
        written.end.eq(i.p.end),
        i.ready.eq(fifo.w_rdy & (~i.p.end | ~held | release)),
        take.eq(i.valid & i.ready),
        taken.eq(take & i.p.end),
        fits.eq(i.p.end | (beat != beats - 1)),
        fifo.w_data.eq(written),
        fifo.w_en.eq(take & fits),
    ]
    with m.If(take & ~fits):
        m.d.sync += error.eq(1)
    with m.If(take & fits):
        m.d.sync += beat.eq(Mux(i.p.end, 0, beat + 1))
    with m.If(release):
        m.d.sync += held.eq(0)
    with m.If(taken):
        m.d.sync += [held.eq(1), mask.eq(i.p.mask), last.eq(i.p.last)]
    return ChunkIntake(fifo, data.View(packed, fifo.r_data), mask, last, held, release, taken)
