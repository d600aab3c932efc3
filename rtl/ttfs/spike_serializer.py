# SPDX-License-Identifier: Apache-2.0
"""Spike serializer: the spikes of a group, one by one."""

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..config import TTFSConfig
from .layouts import spikes_layout, timed_layout

__all__ = ["SpikeSerializer"]


class SpikeSerializer(wiring.Component):
    """Give the spikes of each group out, the lowest lane first.

    Latency: 1 cycle. Throughput: 1 spike per cycle, without a gap between groups.
    Back-pressure: ``i`` waits until the spikes of the group before are out.
    Reset: synchronous; drops a group that waits.

    Parameters
    ----------
    config : TTFSConfig

    Members
    -------
    i : In(stream.Signature(spikes_layout(config)))
        Groups.
    o : Out(stream.Signature(timed_layout(config), always_ready=True))
        Their spikes.
    """

    i: stream.Interface
    o: stream.Interface

    def __init__(self, config: TTFSConfig):
        self.config = config
        super().__init__({
            "i": In(stream.Signature(spikes_layout(config))),
            "o": Out(stream.Signature(timed_layout(config), always_ready=True)),
        })

    def elaborate(self, platform):
        m = Module()
        held = Signal(spikes_layout(self.config))
        lowest, rest = Signal(self.config.lanes), Signal(self.config.lanes)
        lane = self.o.p.element.lane
        m.d.comb += [
            lowest.eq(held.mask & (~held.mask + 1)[:self.config.lanes]),
            rest.eq(held.mask & ~lowest),
            self.i.ready.eq(rest == 0),
            self.o.valid.eq(held.mask != 0), self.o.p.time.eq(held.times[lane]),
            lane.eq(Cat(
                Cat(lowest[k] for k in range(self.config.lanes) if k >> bit & 1).any()
                for bit in range(len(lane)))),
            self.o.p.element.group.eq(held.group), self.o.p.element.map.eq(held.map),
        ]
        m.d.sync += held.mask.eq(Mux(self.i.ready & self.i.valid, self.i.p.mask, rest))
        with m.If(self.i.ready):
            m.d.sync += [held.times.eq(self.i.p.times), held.group.eq(self.i.p.group),
                         held.map.eq(self.i.p.map)]
        return m
