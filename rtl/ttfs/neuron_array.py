# SPDX-License-Identifier: Apache-2.0
"""Neuron array: the state of all neurons in memory, and the lanes that bring it forward."""

from typing import Any

from amaranth import Cat, Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from ..config import TTFSConfig
from ..ftp.layouts import index_range
from .descriptors import chosen_fields, index_bits, map_layout
from .edge_issuer import table, table_write_layout
from .layouts import spikes_layout, state_layout
from .target_walker import target_layout
from .ttfs_neuron import TTFSNeuron

__all__ = ["NeuronArray", "neuron_read_layout"]

_OF_MAP = ("exponential", "threshold", "window", "output")


def neuron_read_layout(config: TTFSConfig) -> data.ArrayLayout:
    """Return the spike times of one group."""
    return data.ArrayLayout(unsigned(config.time_bits), config.lanes)


class NeuronArray(wiring.Component):
    """Add events to neurons as they come, and update at the end of a step those that move.

    A group that an event reaches is awake as long as one of its neurons is on its way to its
    threshold. Awake groups wait in a queue and are updated, one a cycle. All others sleep: no
    update could make them fire. If an event comes, the updates that a sleeping group has missed
    are made first, unless they would not have changed it.

    Latency: 1 cycle from an event to the state; 2 from a group's update to its spikes.
    Throughput: 1 group per cycle, events and updates alike; 1 missed update per cycle.
    Back-pressure: spikes that wait on ``o`` stop the updates; missed updates stop ``i``, and
    nothing may come there while an update is under way.
    Reset: synchronous; no group is awake. States stay until cleared.

    Parameters
    ----------
    config : TTFSConfig

    Members
    -------
    i_map : In(stream.Signature(table_write_layout(map_layout(config), config.maps), \
always_ready=True))
        Loads the table of maps.
    clear : In(1)
        Put the group ``address`` to rest, as new; ``forget`` with it empties the queue.
    forget : In(1)
        No group is awake.
    address : In(index_range(config.neuron_groups))
        Of the group to clear or read.
    times : Out(neuron_read_layout(config))
        Spike times of that group, one cycle later; only while nothing is under way.
    tau_shift : In(range(config.max_tau_shift + 1))
        The time constant is ``1 << tau_shift`` steps.
    time : In(unsigned(config.time_bits))
        The present step.
    weights : In(data.ArrayLayout(signed(config.weight_bits), config.lanes))
        Those of the event taken last.
    i : In(stream.Signature(target_layout(config)))
        Events: synapses only.
    update : In(1)
        Begin to update all groups that are awake.
    o : Out(stream.Signature(spikes_layout(config)))
        Spikes of the next step.
    output : Out(1)
        Whether the group on ``o`` is of the map of the classes.
    first_class : Out(range(config.neuron_groups * config.lanes))
        The class of its first lane.
    awake : Out(1)
        Whether a group is awake.
    busy : Out(1)
        High while an event or an update is under way.
    updated : Out(1)
        High for one cycle with each update of a group.
    """

    i_map: stream.Interface
    clear: Signal
    forget: Signal
    address: Signal
    times: data.View
    tau_shift: Signal
    time: Signal
    weights: data.View
    i: stream.Interface
    update: Signal
    o: stream.Interface
    output: Signal
    first_class: Signal
    awake: Signal
    busy: Signal
    updated: Signal

    def __init__(self, config: TTFSConfig):
        self.config = config
        super().__init__({
            "i_map": In(stream.Signature(table_write_layout(map_layout(config), config.maps),
                                         always_ready=True)),
            "clear": In(1),
            "forget": In(1),
            "address": In(index_range(config.neuron_groups)),
            "times": Out(neuron_read_layout(config)),
            "tau_shift": In(range(config.max_tau_shift + 1)),
            "time": In(unsigned(config.time_bits)),
            "weights": In(data.ArrayLayout(signed(config.weight_bits), config.lanes)),
            "i": In(stream.Signature(target_layout(config))),
            "update": In(1),
            "o": Out(stream.Signature(spikes_layout(config))),
            "output": Out(1),
            "first_class": Out(range(config.neuron_groups * config.lanes)),
            "awake": Out(1),
            "busy": Out(1),
            "updated": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        config = self.config
        place = data.StructLayout({"group": index_range(config.neuron_groups),
                                   "map": index_range(config.maps)})
        m.submodules.states = states = Memory(
            shape=state_layout(config), depth=config.neuron_groups, init=[])
        depth = 1 << index_bits(config.neuron_groups)
        queue: Any = SyncFIFOBuffered(width=place.size, depth=depth + 1)  # a memory of depth words
        m.submodules.queue = queue
        m.submodules.neuron = neuron = TTFSNeuron(config)
        write = states.write_port()
        read = states.read_port(transparent_for=[write])
        map_read = table(m, "maps", self.i_map, chosen_fields(map_layout(config), _OF_MAP),
                         config.maps)

        working, updating = Signal(), Signal()  # an operation on the group read; an update
        here = Signal(place)
        exponential = Signal()
        left = Signal.like(queue.level)  # groups that wait for their update
        advance, pop, wakes, behind = Signal(), Signal(), Signal(), Signal()
        head = data.View(place, queue.r_data)
        own: data.View = map_read.data
        following = Signal(state_layout(config))
        m.d.comb += [
            behind.eq(working & ~updating & read.data.moving & (read.data.step != self.time)),
            advance.eq(neuron.i.ready & ~behind), self.i.ready.eq(advance),
            pop.eq((left != 0) & queue.r_rdy & advance), queue.r_en.eq(pop | self.forget),
            read.en.eq(advance | behind), map_read.en.eq(advance), map_read.addr.eq(head.map),
            read.addr.eq(Mux(behind, here.group, Mux(pop, head.group, Mux(
                self.i.valid, self.i.p.group, self.address)))),
            self.times.eq(Cat(lane.time for lane in read.data.lanes)),
            following.lanes.eq(neuron.lanes),
            following.awake.eq(Mux(updating, neuron.rising, ~behind)),
            following.moving.eq(neuron.moving | ~neuron.i.p.update),
            following.step.eq(Mux(neuron.i.p.update, neuron.i.p.time, self.time)),
            wakes.eq(working & advance & Mux(updating, neuron.rising, ~read.data.awake)),
            queue.w_en.eq(wakes), queue.w_data.eq(here),
            write.addr.eq(here.group), write.data.eq(following),
            write.en.eq(working & neuron.i.ready),
            self.awake.eq(queue.level != 0),
            self.busy.eq(working | self.i.valid | (left != 0) | self.o.valid),
            self.updated.eq(working & neuron.i.p.update & neuron.i.ready),
        ]
        with m.If(advance):
            m.d.sync += [working.eq(pop | self.i.valid), updating.eq(pop),
                         exponential.eq(self.i.p.exponential),
                         here.group.eq(Mux(pop, head.group, self.i.p.group)),
                         here.map.eq(Mux(pop, head.map, self.i.p.map))]
        with m.If(pop):
            m.d.sync += left.eq(left - 1)
        with m.If(self.update):
            m.d.sync += left.eq(queue.level)
        with m.If(self.clear):
            m.d.comb += [write.addr.eq(self.address), write.en.eq(1), following.eq(0),
                         *(lane.time.eq(config.silent) for lane in following.lanes)]
        m.d.comb += [
            neuron.i.valid.eq(working), neuron.i.p.update.eq(updating | behind),
            neuron.i.p.exponential.eq(Mux(updating, own.exponential, exponential)),
            neuron.i.p.window.eq(Mux(updating, own.window, 0)),
            neuron.i.p.time.eq(Mux(behind, read.data.step, self.time) + 1),
            neuron.i.p.threshold.eq(own.threshold), neuron.i.p.tau_shift.eq(self.tau_shift),
            neuron.i.p.weights.eq(self.weights), neuron.i.p.lanes.eq(read.data.lanes),
        ]
        self._give(m, neuron, here, own)
        return m

    def _give(self, m: Module, neuron: TTFSNeuron, here: data.View, own: data.View) -> None:
        """Give out the spikes of an update, with the group that they are of."""
        first = Signal(index_range(self.config.groups))  # group of the classes
        with m.If(self.i_map.valid & self.i_map.p.entry.output):
            m.d.sync += first.eq(self.i_map.p.entry.base)
        m.d.comb += [
            self.o.valid.eq(neuron.o.valid), neuron.o.ready.eq(self.o.ready),
            self.o.p.mask.eq(neuron.o.p.mask),
            *(time.eq(neuron.o.p.time) for time in self.o.p.times),
        ]
        with m.If(~self.o.valid | self.o.ready):
            m.d.sync += [self.o.p.group.eq(here.group), self.o.p.map.eq(here.map),
                         self.output.eq(own.output),
                         self.first_class.eq((here.group - first) * self.config.lanes)]
