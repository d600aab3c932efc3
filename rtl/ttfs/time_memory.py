# SPDX-License-Identifier: Apache-2.0
"""Time memory: spike times of maps without neurons, and the edges that lead to them."""

from amaranth import Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from ..config import TTFSConfig
from ..ftp.layouts import index_range
from .descriptors import EdgeKind
from .layouts import spikes_layout, timed_layout
from .neuron_array import neuron_read_layout
from .target_walker import target_layout

__all__ = ["TimeMemory"]


class TimeMemory(wiring.Component):
    """Hold spike times, and make spikes of those that pooling, delay or addition give.

    Pooling: the first spike that reaches an element comes ``delay`` later, all others are void.
    Addition: the second spike that reaches an element, at time ``b`` after the first at ``a``,
    comes at ``a + b``. What would come at the time word that means never, or later, never comes.

    Latency: 1 cycle. Throughput: 1 element, or 1 group of the first layer, per cycle.
    Back-pressure: none.
    Reset: synchronous; times stay until cleared.

    Parameters
    ----------
    config : TTFSConfig

    Members
    -------
    clear : In(1)
        Make all times of group ``address`` silent.
    address : In(index_range(config.time_groups))
        Of the group to clear or read, counted from the first that is not of neurons.
    times : Out(neuron_read_layout(config))
        Spike times of that group, one cycle later; only while nothing is under way.
    time : In(unsigned(config.time_bits))
        The present step.
    i : In(stream.Signature(target_layout(config), always_ready=True))
        Elements that a spike reaches; no synapses.
    i_first : In(stream.Signature(spikes_layout(config), always_ready=True))
        Times of the first layer; not in the same cycle as ``i``.
    o : Out(stream.Signature(timed_layout(config), always_ready=True))
        Spikes to come.
    """

    clear: Signal
    address: Signal
    times: data.View
    time: Signal
    i: stream.Interface
    i_first: stream.Interface
    o: stream.Interface

    def __init__(self, config: TTFSConfig):
        self.config = config
        super().__init__({
            "clear": In(1),
            "address": In(index_range(config.time_groups)),
            "times": Out(neuron_read_layout(config)),
            "time": In(unsigned(config.time_bits)),
            "i": In(stream.Signature(target_layout(config), always_ready=True)),
            "i_first": In(stream.Signature(spikes_layout(config), always_ready=True)),
            "o": Out(stream.Signature(timed_layout(config), always_ready=True)),
        })

    def elaborate(self, platform):
        m = Module()
        config = self.config
        lane = data.StructLayout({"time": unsigned(config.time_bits), "half": unsigned(1)})
        word = data.ArrayLayout(lane, config.lanes)
        m.submodules.memory = memory = Memory(shape=word, depth=config.time_groups, init=[])
        write = memory.write_port(granularity=1)
        read = memory.read_port(transparent_for=[write])
        lanes = range(config.lanes)
        working = Signal()
        here = Signal(target_layout(config))
        old, new = Signal(lane), Signal(lane)
        begun, adds = Signal(), Signal()
        total = Signal(config.time_bits + 1)
        m.d.comb += [
            read.addr.eq(Mux(self.i.valid, self.i.p.group - config.neuron_groups, self.address)),
            old.eq(read.data[here.lane]),
            adds.eq(here.kind == EdgeKind.ADD), begun.eq(adds & (old.time == config.silent)),
            total.eq(self.time + Mux(adds, old.time, here.delay)),
            new.time.eq(Mux(begun, self.time, Mux(total > config.silent, config.silent, total))),
            new.half.eq(begun),
            *(self.times[k].eq(Mux(read.data[k].half, config.silent, read.data[k].time))
              for k in lanes),
            self.o.p.time.eq(total), self.o.p.element.group.eq(here.group),
            self.o.p.element.lane.eq(here.lane), self.o.p.element.map.eq(here.map),
        ]
        m.d.sync += [working.eq(self.i.valid), here.eq(self.i.payload)]
        with m.If(self.clear):
            m.d.comb += [write.addr.eq(self.address), write.en.eq(~0),
                         *(write.data[k].time.eq(config.silent) for k in lanes)]
        with m.Elif(self.i_first.valid):
            m.d.comb += [write.addr.eq(self.i_first.p.group - config.neuron_groups),
                         write.en.eq(self.i_first.p.mask),
                         *(write.data[k].time.eq(self.i_first.p.times[k]) for k in lanes)]
        with m.Else():
            void = Mux(adds, (old.time != config.silent) & ~old.half, old.time != config.silent)
            m.d.comb += [
                write.addr.eq(here.group - config.neuron_groups),
                *(write.data[k].eq(new) for k in lanes),
                write.en.bit_select(here.lane, 1).eq(working & ~void),
                self.o.valid.eq(working & ~void & ~begun & (total < config.silent)),
            ]
        return m
