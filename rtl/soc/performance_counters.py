# SPDX-License-Identifier: Apache-2.0
"""Performance counters of the accelerator: for the layer at work, and since they were cleared."""

from amaranth import Module, Signal, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ..config import AcceleratorConfig
from ..ftp.tppe import Activity

__all__ = ["COUNTERS", "EVENTS", "PerformanceCounters", "totals_layout"]

EVENTS = {  # bits of what may happen in one cycle
    "weight_words": 1, "spike_words": 2, "other_words": 2, "words_written": 1, "array_busy": 1,
    "loading": 1, "writing": 1,
}
COUNTERS = ("cycles", *(activity.name.lower() for activity in Activity), *EVENTS)


def totals_layout(config: AcceleratorConfig) -> data.StructLayout:
    """Return the counters, in the order of a profile record.

    Members
    -------
    cycles : unsigned(64)
        Cycles in which a descriptor was at work.
    match : unsigned(64)
        Matches found by all elements, one in each and cycle; with bcast, additions.
    empty : unsigned(64)
        Element cycles that took weights and had nothing to add.
    stall_join : unsigned(64)
        Element cycles that waited for the inner join, or for other elements.
    stall_output : unsigned(64)
        Element cycles that waited for the output path.
    stall_row : unsigned(64)
        Element cycles that waited for spike fibers.
    stall_column : unsigned(64)
        Element cycles that waited for weights.
    idle : unsigned(64)
        Element cycles without a row or with all columns done.
    weight_words : unsigned(64)
        Words read of weights.
    spike_words : unsigned(64)
        Words read of spike maps.
    other_words : unsigned(64)
        Words read of all else.
    words_written : unsigned(64)
        Words written.
    array_busy : unsigned(64)
        Cycles in which the array was busy.
    loading : unsigned(64)
        Cycles in which spike rows were loaded.
    writing : unsigned(64)
        Cycles in which chunks were written.
    """
    return data.StructLayout({name: unsigned(64) for name in COUNTERS})


class PerformanceCounters(wiring.Component):
    """Count the events of a layer, and add them up at its end.

    Latency: 1 cycle. Throughput: 1 event of each kind per cycle.
    Back-pressure: none.
    Reset: synchronous; clears all.

    Parameters
    ----------
    config : AcceleratorConfig

    Members
    -------
    count : In(1)
        A descriptor is at work in this cycle.
    activities : In(data.ArrayLayout(unsigned(counter_bits), 7))
        What the array counted in this layer, in the order of ``Activity``.
    events : In(data.StructLayout(EVENTS))
        What happens in this cycle, as often as it does.
    begin : In(1)
        A layer begins: its counters start from zero.
    end : In(1)
        A layer ends: add its counters to the totals.
    clear : In(1)
        Set the totals to zero.
    layer : Out(data.ArrayLayout(unsigned(32), 15))
        Counters of the layer, in the order of ``COUNTERS``.
    totals : Out(totals_layout(config))
        Totals; their low ``counter_bits + 16`` bits count, at most 64.
    """

    count: Signal
    activities: data.View
    events: data.View
    begin: Signal
    end: Signal
    clear: Signal
    layer: data.View
    totals: data.View

    def __init__(self, config: AcceleratorConfig):
        self.config = config
        super().__init__({
            "count": In(1),
            "activities": In(data.ArrayLayout(unsigned(config.counter_bits), len(Activity))),
            "events": In(data.StructLayout(EVENTS)),
            "begin": In(1),
            "end": In(1),
            "clear": In(1),
            "layer": Out(data.ArrayLayout(unsigned(32), len(COUNTERS))),
            "totals": Out(totals_layout(config)),
        })

    def elaborate(self, platform):
        m = Module()
        bits = self.config.counter_bits
        events = [self.count, *[None] * len(Activity),
                  *(self.events[name] for name in EVENTS)]
        for index, (name, event) in enumerate(zip(COUNTERS, events, strict=True)):
            if event is None:
                counted = self.activities[index - 1]
            else:
                counted = Signal(bits, name=f"counted_{name}")
                with m.If(self.begin):
                    m.d.sync += counted.eq(0)
                with m.Else():
                    m.d.sync += counted.eq(counted + event)
            total = Signal(min(64, bits + 16), name=f"total_{name}")
            with m.If(self.clear):
                m.d.sync += total.eq(0)
            with m.Elif(self.end):
                m.d.sync += total.eq(total + counted)
            m.d.comb += [self.layer[index].eq(counted), self.totals[name].eq(total)]
        return m
