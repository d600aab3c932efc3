# SPDX-License-Identifier: Apache-2.0
"""Performance counters of the array: where the cycles of its TPPEs go."""

from amaranth import Module, Signal, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ..config import FTPConfig
from .tppe import Activity

__all__ = ["ActivityCounters", "counters_layout"]


def counters_layout(config: FTPConfig) -> data.StructLayout:
    """Return the counters; the activities add up to ``P * cycles``, and all wrap around.

    Members
    -------
    cycles : unsigned(counter_bits)
        Cycles in which the array was busy.
    match : unsigned(counter_bits)
        Matches found by all TPPEs, one in each TPPE and cycle.
    empty : unsigned(counter_bits)
        TPPE cycles that passed a chunk pair without a match.
    stall_join : unsigned(counter_bits)
        TPPE cycles that waited for the laggy prefix sum or its queue.
    stall_output : unsigned(counter_bits)
        TPPE cycles that waited for the output path.
    stall_row : unsigned(counter_bits)
        TPPE cycles that waited for a spike fiber.
    stall_column : unsigned(counter_bits)
        TPPE cycles that waited for weights.
    idle : unsigned(counter_bits)
        TPPE cycles without a row or with all columns done.
    """
    names = ["cycles", *(activity.name.lower() for activity in Activity)]
    return data.StructLayout({name: unsigned(config.counter_bits) for name in names})


class ActivityCounters(wiring.Component):
    """Count busy cycles, and what each TPPE did in them.

    Latency: 2 cycles, of ``clear`` 1. Throughput: 1 cycle per cycle.
    Back-pressure: none.
    Reset: synchronous; clears all counters.

    Parameters
    ----------
    config : FTPConfig

    Members
    -------
    busy : In(1)
        Count this cycle.
    activities : In(data.ArrayLayout(Activity, P))
        What each TPPE does.
    clear : In(1)
        Set all counters to zero.
    counts : Out(counters_layout(config))
        The counters.
    """

    busy: Signal
    activities: data.View
    clear: Signal
    counts: data.View

    def __init__(self, config: FTPConfig):
        self.config = config
        super().__init__({
            "busy": In(1),
            "activities": In(data.ArrayLayout(Activity, config.tppes)),
            "clear": In(1),
            "counts": Out(counters_layout(config)),
        })

    def elaborate(self, platform):
        m = Module()
        busy = Signal()
        activities = Signal.like(self.activities)
        m.d.sync += [busy.eq(self.busy & ~self.clear), activities.eq(self.activities)]
        doing = [1 << activities[k].as_value() for k in range(self.config.tppes)]
        for activity in Activity:
            counter = self.counts[activity.name.lower()]
            members = [decoded[activity.value] for decoded in doing]
            with m.If(busy):
                m.d.sync += counter.eq(counter + sum(members[1:], members[0]))
        with m.If(busy):
            m.d.sync += self.counts.cycles.eq(self.counts.cycles + 1)
        with m.If(self.clear):
            m.d.sync += self.counts.eq(0)
        return m
