# SPDX-License-Identifier: Apache-2.0
"""A cluster: an array of lanes with the weights, inputs and errors of one core or several."""

from typing import Any

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from ..config import TrainConfig
from ..ftp.layouts import index_range
from .cores import SPIKING, core_bases, core_depth, core_shape
from .job_walker import JobWalker
from .lane_array import LaneArray
from .layouts import (
    Core,
    Mode,
    Operation,
    address_bits,
    event_layout,
    packet_layout,
    settings_layout,
    sums_layout,
)
from .pixel_walker import PixelWalker
from .region_memory import RegionMemory
from .weight_store import WeightStore, update_signature

__all__ = ["Cluster"]

_DRAIN = 3  # cycles from the last operand until what it led to is in all memories


class Cluster(wiring.Component):
    """Run cores over an image: forward, or errors of the inputs and gradients of the weights.

    With several cores one runs after the other, as the mode wants. Each pixel waits until
    ``available`` pixels, ``lag`` more than its own number, are there, or all of the image.

    Latency: 3 cycles from the last operand to its sum. Throughput: an operand per cycle, for
    ``L`` channels. Back-pressure: none.
    Reset: synchronous; stops, memories keep what they hold.

    Parameters
    ----------
    config : TrainConfig
    cores : tuple of Core
        In the order in which they run forward; DENSE in place of the others.

    Members
    -------
    settings : In(settings_layout(config))
        Static while the cluster works.
    start : In(1)
        Begin.
    back : In(1)
        What to do: errors and gradients, not forward.
    available : In(range(max_pixels + 1))
        Pixels whose operands are in memory.
    lag : In(range(max_pixels + 1))
        How far behind a pixel are those that it needs.
    done : Out(range(max_pixels + 1))
        Pixels whose results are in memory, with two cycles in between; of the core at work.
    busy : Out(1)
        At work.
    spike : In(packet_layout(config))
        Spikes to keep, the lowest bit of each value.
    activation : In(packet_layout(config))
        Inputs to keep, for its core.
    error : In(packet_layout(config))
        Errors to keep, for its core.
    o : Out(sums_layout(config))
        Sums.
    events : Out(event_layout(config))
        What happens.
    overflow : Out(1)
        A sum of gradients has more than 32 bits.
    update : In(update_signature(config, depth))
        Between batches.
    """

    settings: data.View
    start: Signal
    back: Signal
    available: Signal
    lag: Signal
    done: Signal
    busy: Signal
    spike: data.View
    activation: data.View
    error: data.View
    o: data.View
    events: data.View
    overflow: Signal
    update: Any

    def __init__(self, config: TrainConfig, cores: tuple[Core, ...]):
        self.config = config
        self.cores = cores
        self.bases = core_bases(config, cores)
        self.depth = sum(core_depth(config, core) for core in cores)
        pixels = range(config.max_pixels + 1)
        super().__init__({
            "settings": In(settings_layout(config)), "start": In(1), "back": In(1),
            "available": In(pixels), "lag": In(pixels), "done": Out(pixels), "busy": Out(1),
            "spike": In(packet_layout(config)), "activation": In(packet_layout(config)),
            "error": In(packet_layout(config)), "o": Out(sums_layout(config)),
            "events": Out(event_layout(config)), "overflow": Out(1),
            "update": In(update_signature(config, self.depth)),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.store = store = WeightStore(self.config, self.depth)
        m.submodules.pixels = pixels = PixelWalker(self.config)
        m.submodules.walker = walker = JobWalker(self.config)
        connect(m, flipped(self.update), store.update)
        core = Const(self.cores[0].value, 3) if len(self.cores) == 1 else Signal(3, name="core")
        operation, issue = Signal(2), Signal()
        m.d.comb += [pixels.settings.eq(self.settings), walker.operation.eq(operation),
                     walker.advance.eq(issue), self.overflow.eq(store.overflow)]
        self._sequence(m, core, operation, issue, pixels, walker)
        self._shape(m, core, walker)
        place, near, inside = Signal(index_range(self.depth)), Signal.like(pixels.pixel), Signal()
        self._place(m, core, operation, walker.o, pixels, place, near, inside)
        words = self._fetch(m, core, operation, issue, walker, pixels, near, inside, place, store)
        self._compute(m, core, operation, issue, walker, pixels.pixel, inside, place, words, store)
        return m

    def _sequence(self, m: Module, core, operation, issue, pixels, walker) -> None:
        """Go over cores, pixels and operations."""
        wait = Signal(range(_DRAIN + 1))
        ready, last_core = Signal(), Signal()
        cores = [one for one in self.cores if one is not Core.DENSE]
        dense = self.settings.mode == Mode.DENSE
        first = Mux(dense, Core.DENSE, Mux(self.back, cores[-1], cores[0]))
        m.d.comb += [
            last_core.eq(dense | (core == Mux(self.back, cores[0], cores[-1]))),
            ready.eq((self.available == self.settings.pixels)
                     | (self.available > pixels.pixel + self.lag)),
            self.busy.eq(1),
        ]
        with m.FSM():
            with m.State("idle"):
                m.d.comb += self.busy.eq(0)
                with m.If(self.start):
                    m.d.sync += self.done.eq(0)
                    if isinstance(core, Signal):
                        m.d.sync += core.eq(first)
                    m.next = "wait"
            with m.State("wait"):
                m.d.sync += operation.eq(Mux(self.back, Operation.BACK, Operation.FORWARD))
                with m.If(ready):
                    m.next = "run"
            with m.State("run"):
                m.d.comb += issue.eq(1)
                m.d.sync += wait.eq(_DRAIN)
                with m.If(walker.done):
                    m.next = "drain"
            with m.State("drain"):
                m.d.sync += wait.eq(wait - 1)
                with m.If(wait == 0):
                    m.d.sync += self.done.eq(self.done + (operation != Operation.OUTER))
                    m.next = "wait"
                    with m.If(operation == Operation.BACK):
                        m.d.sync += operation.eq(Operation.OUTER)
                        m.next = "run"
                    with m.Else():
                        m.d.comb += pixels.advance.eq(1)
                        with m.If(pixels.last):
                            m.next = "next_core"
            with m.State("next_core"):
                m.next = "idle"
                if isinstance(core, Signal):
                    with m.If(~last_core):
                        m.d.sync += [core.eq(Mux(self.back, core - 1, core + 1)),
                                     self.done.eq(0)]
                        m.next = "wait"

    def _shape(self, m: Module, core, walker) -> None:
        """Tell the walker the size of the core."""
        now, bits = self.settings, self.config.lane_bits
        m.d.comb += [walker.steps_last.eq(now.steps_last), walker.full.eq(
            (2 << now.steps_last) - 1)]
        with m.Switch(core):
            for one in self.cores:
                with m.Case(one):
                    _, groups, taps = core_shape(self.config, one)
                    outputs = now.outputs_last if one in (Core.G4, Core.DENSE) else now.rank_last
                    m.d.comb += [
                        walker.inputs_last.eq(
                            now.inputs_last if one in SPIKING else now.rank_last),
                        walker.groups_last.eq(outputs >> bits), walker.taps_last.eq(taps - 1)]
                    if one in (Core.G2, Core.G3):
                        m.d.comb += walker.full.eq(now.full)

    def _place(self, m: Module, core, operation, item, pixels, place, near, inside) -> None:
        """Find the word of the weights, and the pixel that the tap is at."""
        bits, now = self.config.lane_bits, self.settings
        down, across = Signal(2), Signal(2)  # 1: the pixel itself
        m.d.comb += [down.eq(1), across.eq(1)]
        reverse = operation != Operation.FORWARD
        channel = Cat(item.lane[:bits], item.inputs)
        with m.Switch(core):
            for one in self.cores:
                with m.Case(one):
                    inputs, groups, _ = core_shape(self.config, one)
                    index = Cat(channel[:address_bits(inputs)],
                                item.outputs[:address_bits(groups)], item.tap)
                    m.d.comb += place.eq(self.bases[one] + index)
                    if one is Core.DENSE:
                        row = Mux(item.tap >= 6, 2, item.tap >= 3)
                        m.d.comb += [down.eq(row), across.eq(item.tap - 3 * row)]
                    elif one is Core.G2:
                        m.d.comb += down.eq(item.tap)
                    elif one is Core.G3:
                        m.d.comb += across.eq(item.tap)
        up, below, left, right = (Signal(name=name) for name in ("up", "below", "left", "right"))
        m.d.comb += [
            up.eq(down == Mux(reverse, 2, 0)), below.eq(down == Mux(reverse, 0, 2)),
            left.eq(across == Mux(reverse, 2, 0)), right.eq(across == Mux(reverse, 0, 2)),
        ]
        with m.If(item.bypass):
            m.d.comb += [signal.eq(0) for signal in (up, below, left, right)]
        m.d.comb += [
            inside.eq(~((up & (pixels.y == 0)) | (below & (pixels.y == now.height - 1))
                        | (left & (pixels.x == 0)) | (right & (pixels.x == now.width - 1)))),
            near.eq(pixels.pixel + Mux(below, now.width, 0) - Mux(up, now.width, 0)
                    + right - left),
        ]

    def _fetch(self, m: Module, core, operation, issue, walker, pixels, near, inside, place, store):
        """Read what the operand needs; return the words that come a cycle later."""
        lanes, events, item = self.config.lanes, self.events, walker.o
        forward, back, _ = (operation == one for one in Operation)
        shapes = {one: core_shape(self.config, one) for one in self.cores}
        is_spiking, wanted = Signal(), Signal()
        inputs = {one: max(1, shapes[one][0] // lanes) for one in self.cores}
        m.d.comb += [
            is_spiking.eq((core == Core.G1) | (core == Core.DENSE)),
            # inputs change with the group only, forward
            wanted.eq(issue & inside & Mux(forward, item.lane == 0, ~back)),
        ]
        group, found = Mux(forward & item.bypass, item.outputs, item.inputs), {}
        where = Mux(forward, near, pixels.pixel)
        if Core.G1 in self.cores:  # all cores have the same spikes
            spikes = RegionMemory(m, "spike_memory", self.config, 1, {Core.G1: inputs[Core.G1]},
                                  self.spike)
            m.d.comb += [spikes.read.en.eq(wanted & is_spiking), events.spikes.eq(spikes.read.en),
                         spikes.read.addr.eq(spikes.address(Core.G1, group, item.step, where))]
            found["spikes"] = spikes.read.data
        others = {one: inputs[one] for one in self.cores if one not in SPIKING}
        if others:
            values = RegionMemory(m, "activation_memory", self.config, 8, others, self.activation)
            m.d.comb += [values.read.en.eq(wanted & ~is_spiking),
                         events.activations.eq(values.read.en)]
            with m.Switch(core):
                for one in others:
                    with m.Case(one):
                        m.d.comb += values.read.addr.eq(
                            values.address(one, group, item.step, where))
            found["activations"] = values.read.data
        # a kernel of 3x3 taps is in place of the last core
        regions = {one: shapes[one][1] for one in self.cores if one is not Core.DENSE}
        errors = RegionMemory(m, "error_memory", self.config, 8, regions, self.error)
        group = Mux(back & item.bypass, item.inputs, item.outputs)
        same = back & (item.lane != 0) & (walker.groups_last == 0)  # as for the lane before
        m.d.comb += [errors.read.en.eq(issue & inside & ~forward & ~same),
                     events.errors.eq(errors.read.en)]
        with m.Switch(core):
            for one in self.cores:
                with m.Case(one):
                    m.d.comb += errors.read.addr.eq(errors.address(
                        Core.G4 if one is Core.DENSE else one, group, item.step, near))
        found["errors"] = errors.read.data
        m.d.comb += [store.read.eq(issue & inside & ~item.bypass & (forward | back)),
                     store.address.eq(place), events.weights.eq(store.read)]
        return found

    def _compute(self, m: Module, core, operation, issue, walker, pixel, inside, place, words,
                 store):
        """Let the lanes work on what comes from memories, and give sums away."""
        m.submodules.lanes = lanes = LaneArray(self.config, self.cores)
        back = operation == Operation.BACK
        places = [Signal.like(place, name=f"place_{k}") for k in range(2)]
        m.d.sync += [lanes.valid.eq(issue), lanes.inside.eq(inside), lanes.item.eq(walker.o),
                     places[0].eq(place), places[1].eq(places[0])]
        m.d.comb += [
            lanes.settings.eq(self.settings), lanes.core.eq(core), lanes.operation.eq(operation),
            *(getattr(lanes, name).eq(word) for name, word in words.items()),
            lanes.copies.eq(store.copies),
            *(getattr(self.events, name).eq(getattr(lanes.events, name))
              for name in ("accumulates", "multiplies", "skipped")),
            self.o.valid.eq(lanes.given), self.o.core.eq(core), self.o.back.eq(back),
            self.o.bypass.eq(lanes.last.bypass), self.o.pixel.eq(pixel),
            self.o.step.eq(lanes.last.step), self.o.values.eq(lanes.sums),
            self.o.group.eq(Mux(back, lanes.last.inputs, lanes.last.outputs)),
            store.add.eq(lanes.adding), store.place.eq(places[1]),
            store.gradients.eq(lanes.sums), self.events.gradients.eq(store.add),
        ]
