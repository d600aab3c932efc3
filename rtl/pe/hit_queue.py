# SPDX-License-Identifier: Apache-2.0
"""Hit queue: weights that were found, bank by bank, merged in one stream column by column."""

from amaranth import Array, Cat, Module, Signal, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.fifo import SyncFIFO
from amaranth.lib.wiring import In, Out

from ..config import ArrayConfig
from ..one_hot import encode
from ..round_robin import RoundRobin
from .row_store import words_layout

__all__ = ["HitQueue", "found_beat_layout", "found_layout"]


def found_layout(config: ArrayConfig) -> data.StructLayout:
    """Return a weight and the lane words that it meets.

    Members
    -------
    weight : signed(weight_bits)
    words : words_layout(config)
        One of each row.
    """
    return data.StructLayout({
        "weight": signed(config.weight_bits),
        "words": words_layout(config),
    })


def found_beat_layout(config: ArrayConfig) -> data.StructLayout:
    """Return what the weights of one beat have met.

    Members
    -------
    found : data.ArrayLayout(found_layout(config), b)
        One in each bank.
    hits : unsigned(b)
        Those that are to be added.
    column_end : unsigned(1)
        Last beat of its column.
    final : unsigned(1)
        Last column of the tile; counts with ``column_end``.
    """
    return data.StructLayout({
        "found": data.ArrayLayout(found_layout(config), config.probes),
        "hits": unsigned(config.probes),
        "column_end": unsigned(1),
        "final": unsigned(1),
    })


class HitQueue(wiring.Component):
    """Queue the hits of each bank, and serve the banks in turn, one column after the other.

    Latency: 2 cycles from ``i`` to ``o``. Throughput: 1 beat in (queues of 8 or more), 1 hit out
    per cycle, also from one column to the next.
    Back-pressure: without ``room`` only what is under way may still come: 2 more beats.
    Reset: synchronous; drops all hits.

    Parameters
    ----------
    config : ArrayConfig

    Members
    -------
    i : In(found_beat_layout(config))
        Weights looked up.
    push : In(1)
        There are some.
    room : Out(1)
        Three more beats fit in.
    o : Out(stream.Signature(found_layout(config)))
        Hits of the present column.
    ended : Out(1)
        The present column has no hit but the one that may be on ``o``.
    final : Out(1)
        It is the last one of the tile; counts with ``ended``.
    turn : In(1)
        Go on to the next column; while ``ended``, and not while a hit stays on ``o``.
    """

    i: data.View
    push: Signal
    room: Signal
    o: stream.Interface
    ended: Signal
    final: Signal
    turn: Signal

    def __init__(self, config: ArrayConfig):
        self.config = config
        super().__init__({
            "i": In(found_beat_layout(config)),
            "push": In(1),
            "room": Out(1),
            "o": Out(stream.Signature(found_layout(config))),
            "ended": Out(1),
            "final": Out(1),
            "turn": In(1),
        })

    def elaborate(self, platform):
        m = Module()
        banks, depth = self.config.probes, self.config.hit_fifo_depth
        width = found_layout(self.config).size
        queues = []
        for bank in range(banks):
            extra = [self.i.final] if bank == 0 else []
            entry = Cat(self.i.found[bank], self.i.hits[bank], self.i.column_end, *extra)
            m.submodules[f"queue_{bank}"] = queue = SyncFIFO(width=len(entry), depth=depth)
            m.d.comb += [
                queue.w_data.eq(entry),
                queue.w_en.eq(self.push & (self.i.hits[bank] | self.i.column_end)),
            ]
            queues.append(queue)
        m.d.comb += self.room.eq(Cat(queue.level <= depth - 3 for queue in queues).all())

        done, done_next = Signal(banks), Signal(banks)  # the bank has reached the column's end
        ready, hits, ends, idle = Signal(banks), Signal(banks), Signal(banks), Signal(banks)
        free, final = Signal(), Signal()
        m.submodules.turns = turns = RoundRobin(banks)
        m.d.comb += [
            ready.eq(Cat(queue.r_rdy for queue in queues)),
            hits.eq(Cat(queue.r_data[width] for queue in queues)),
            ends.eq(Cat(queue.r_data[width + 1] for queue in queues)),
            idle.eq(ready & ~done & ~hits),  # here the column ends without a hit
            self.ended.eq((done | idle).all()),
            self.final.eq(Array([queues[0].r_data[width + 2], final])[done[0]]),
            free.eq(~self.o.valid | self.o.ready),
            turns.requests.eq(ready & hits & (~done | self.turn.replicate(banks))),
            turns.take.eq(free & turns.requests.any()),
            done_next.eq((done | idle) & ~self.turn.replicate(banks)),
        ]
        taken = turns.chosen & free.replicate(banks)
        m.d.sync += done.eq(done_next | (taken & ends))
        for bank, queue in enumerate(queues):
            m.d.comb += queue.r_en.eq(idle[bank] | taken[bank])
        with m.If(queues[0].r_en & ends[0]):
            m.d.sync += final.eq(queues[0].r_data[width + 2])
        with m.If(free):
            chosen = Array(queue.r_data[:width] for queue in queues)[encode(m, turns.chosen)]
            m.d.sync += [self.o.valid.eq(turns.chosen.any()), self.o.payload.eq(chosen)]
        return m
