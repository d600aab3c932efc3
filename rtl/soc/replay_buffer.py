# SPDX-License-Identifier: Apache-2.0
"""Replay buffer: blocks of items that are given out several times."""

from amaranth import Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.fifo import SyncFIFO
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

__all__ = ["ReplayBuffer", "replay_layout"]

_ENDS = 4  # blocks whose end is known at once


def replay_layout(shape) -> data.StructLayout:
    """Return one item of a block.

    Members
    -------
    item : shape
        What is stored.
    final : unsigned(1)
        Last item of its block.
    """
    return data.StructLayout({"item": shape, "final": unsigned(1)})


class ReplayBuffer(wiring.Component):
    """Give out each block of items as often as asked for, while the next block comes in.

    The last play of a block frees each item as it is read. So a block that is played once may
    be longer than the buffer; any other must fit.

    Latency: 2 cycles from ``i`` to ``o``.
    Throughput: 1 item per cycle in and out, from one play and one block to the next as well.
    Back-pressure: a full buffer, or four whole blocks in it, stop ``i``; a play waits for items.
    Reset: synchronous; forgets all items and plays and clears ``error``.

    Parameters
    ----------
    shape : ShapeLike
        Of an item.
    depth : int
        Items that fit at least; the buffer has the next power of two.
    play_bits : int
        Of the number of plays of a block.

    Members
    -------
    i : In(stream.Signature(replay_layout(shape)))
        Items of the blocks.
    i_plays : In(stream.Signature(unsigned(play_bits)))
        How often to give out the next block, at least once; zero is skipped.
    o : Out(stream.Signature(replay_layout(shape)))
        Items of the plays.
    busy : Out(1)
        High while an item is held or a play is not over.
    error : Out(1)
        Set for good when a block to be played again does not fit; the buffer then stands still.
    """

    i: stream.Interface
    i_plays: stream.Interface
    o: stream.Interface
    busy: Signal
    error: Signal

    def __init__(self, shape, depth: int, play_bits: int = 32):
        self.shape = shape
        self.play_bits = play_bits
        self.depth = 1 << max(1, (depth - 1).bit_length())
        super().__init__({
            "i": In(stream.Signature(replay_layout(shape))),
            "i_plays": In(stream.Signature(unsigned(play_bits))),
            "o": Out(stream.Signature(replay_layout(shape))),
            "busy": Out(1),
            "error": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.items = items = Memory(
            shape=replay_layout(self.shape), depth=self.depth, init=[]
        )
        places = range(2 * self.depth)  # top bit: which lap
        head, tail = Signal(places), Signal(places)
        # no register at its output: an end must be seen as soon as its item is
        m.submodules.ends = ends = SyncFIFO(width=len(head), depth=_ENDS)
        used = Signal(range(self.depth + 1))
        fire, head_next = Signal(), Signal.like(head)
        write = items.write_port()
        m.d.comb += [
            used.eq((head - tail)[:len(head)]),
            self.i.ready.eq((used != self.depth) & ends.w_rdy),
            fire.eq(self.i.valid & self.i.ready),
            head_next.eq(head + 1),
            write.en.eq(fire),
            write.addr.eq(head[:-1]),
            write.data.eq(self.i.payload),
            ends.w_en.eq(fire & self.i.p.final),
            ends.w_data.eq(head_next),
        ]
        with m.If(fire):
            m.d.sync += head.eq(head_next)
        plays = self._play(m, items.read_port(), head, tail, ends)
        m.d.comb += self.busy.eq((used != 0) | (plays != 0) | self.o.valid)
        with m.If((plays > 1) & (used == self.depth) & ~ends.r_rdy):
            m.d.sync += self.error.eq(1)
        return m

    def _play(self, m: Module, read, head, tail, ends) -> Signal:
        """Add the side that reads; return how many plays of the block are not over."""
        plays = Signal(self.play_bits)
        place, place_next = Signal.like(head), Signal.like(head)
        flow, step, end, done = Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            flow.eq(~self.o.valid | self.o.ready),
            step.eq(flow & (plays != 0) & (place != head)),
            place_next.eq(place + 1),
            end.eq(step & ends.r_rdy & (place_next == ends.r_data)),
            done.eq(end & (plays == 1)),
            ends.r_en.eq(done),
            self.i_plays.ready.eq((plays == 0) | done),
            read.en.eq(step),
            read.addr.eq(place[:-1]),
            self.o.payload.eq(read.data),
        ]
        with m.If(flow):
            m.d.sync += self.o.valid.eq(step)
        with m.If(self.i_plays.ready):
            m.d.sync += plays.eq(Mux(self.i_plays.valid, self.i_plays.payload, 0))
        with m.Elif(end):
            m.d.sync += plays.eq(plays - 1)
        with m.If(step):
            m.d.sync += place.eq(Mux(end & ~done, tail, place_next))
        with m.If(step & (plays == 1)):
            m.d.sync += tail.eq(place_next)
        return plays
