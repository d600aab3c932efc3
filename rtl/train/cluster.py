# SPDX-License-Identifier: Apache-2.0
"""A cluster: an array of lanes with the weights, inputs and errors of one core or several."""

from itertools import accumulate

from amaranth import Cat, Const, Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from ..config import TrainConfig
from ..ftp.layouts import index_range
from .job_walker import JobWalker, item_layout
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
from .weight_store import WeightStore, update_signature

__all__ = ["Cluster", "cluster_cores", "core_bases", "core_depth", "core_shape"]

_DRAIN = 3  # cycles from the last operand until what it led to is in all memories
_SPIKING = (Core.G1, Core.DENSE)  # their inputs are spikes


def core_shape(config: TrainConfig, core: Core) -> tuple[int, int, int]:
    """Return the most input channels, the most groups of output channels, and the taps."""
    inputs = config.max_inputs if core in _SPIKING else config.max_rank
    outputs = config.max_outputs if core in (Core.G4, Core.DENSE) else config.max_rank
    taps = {Core.G2: 3, Core.G3: 3, Core.DENSE: 9}.get(core, 1)
    return inputs, max(1, outputs // config.lanes), taps


def core_depth(config: TrainConfig, core: Core) -> int:
    """Return the words of weights of a core."""
    inputs, groups, taps = core_shape(config, core)
    return inputs * groups * taps


def cluster_cores(config: TrainConfig) -> list[tuple[Core, ...]]:
    """Return the cores of each cluster."""
    cores = (Core.G1, Core.G2, Core.G3, Core.G4)
    return [(*cores, Core.DENSE)] if config.single_array else [(core,) for core in cores]


def core_bases(config: TrainConfig, cores: tuple[Core, ...]) -> dict[Core, int]:
    """Return where the weights of each core begin in a cluster of several."""
    ends = [0, *accumulate(core_depth(config, core) for core in cores)]
    return dict(zip(cores, ends, strict=False))


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
    update: wiring.PureInterface

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
        words = self._fetch(m, core, operation, issue, walker.o, pixels.pixel, near, inside,
                            place, store)
        self._compute(m, core, operation, issue, walker, pixels.pixel, inside, place, words,
                      store)
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
                    with m.If(operation != Operation.OUTER):
                        m.d.sync += self.done.eq(self.done + 1)
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
                            now.inputs_last if one in _SPIKING else now.rank_last),
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

    def _memory(self, m: Module, name: str, bits: int, regions: dict[Core, int], write):
        """Return a memory with a region for each core, which holds what ``write`` gives it."""
        steps, pixels = self.config.max_timesteps, self.config.max_pixels
        bases, depth = {}, 0
        for one, groups in regions.items():
            bases[one] = depth
            depth += groups * steps * pixels
        m.submodules[name] = store = memory.Memory(
            shape=unsigned(bits * self.config.lanes), depth=max(depth, 2), init=[])
        port = store.write_port()

        def address(one: Core, group, step, pixel):
            return bases[one] + Cat(group[:address_bits(regions[one])],
                                    step[:address_bits(steps)], pixel)

        m.d.comb += [port.en.eq(write.valid),
                     port.data.eq(Cat(value[:bits] for value in write.values))]
        with m.Switch(write.core):
            for one in regions:
                with m.Case(one):
                    m.d.comb += port.addr.eq(address(one, write.group, write.step, write.pixel))
        return store.read_port(), address

    def _fetch(self, m: Module, core, operation, issue, item, pixel, near, inside, place, store):
        """Read what the operand needs; return the words that come a cycle later."""
        lanes = self.config.lanes
        forward, back = operation == Operation.FORWARD, operation == Operation.BACK
        groups = {one: core_shape(self.config, one) for one in self.cores}
        inputs = {one: max(1, groups[one][0] // lanes) for one in self.cores}
        spiking = [one for one in self.cores if one in _SPIKING]
        others = {one: inputs[one] for one in self.cores if one not in _SPIKING}
        wanted = Signal()  # inputs change with the group only, forward
        m.d.comb += wanted.eq(issue & inside & Mux(forward, item.lane == 0, ~back))
        group = Mux(forward & item.bypass, item.outputs, item.inputs)
        where = Mux(forward, near, pixel)
        found = {}
        events = self.events
        is_spiking = (core == Core.G1) | (core == Core.DENSE)
        if spiking:  # all cores have the same spikes
            read, address = self._memory(m, "spikes", 1, {spiking[0]: inputs[spiking[0]]},
                                         self.spike)
            m.d.comb += [read.en.eq(wanted & is_spiking), events.spikes.eq(read.en),
                         read.addr.eq(address(spiking[0], group, item.step, where))]
            found["spikes"] = read.data
        if others:
            read, address = self._memory(m, "activations", 8, others, self.activation)
            m.d.comb += [read.en.eq(wanted & ~is_spiking), events.activations.eq(read.en)]
            with m.Switch(core):
                for one in others:
                    with m.Case(one):
                        m.d.comb += read.addr.eq(address(one, group, item.step, where))
            found["activations"] = read.data
        regions = {one: groups[one][1] for one in self.cores}
        if Core.DENSE in regions:  # in place of the last core
            del regions[Core.DENSE]
            regions[Core.G4] = groups[Core.G4][1]
        read, address = self._memory(m, "errors", 8, regions, self.error)
        group = Mux(back & item.bypass, item.inputs, item.outputs)
        m.d.comb += [read.en.eq(issue & inside & ~forward), events.errors.eq(read.en)]
        with m.Switch(core):
            for one in self.cores:
                with m.Case(one):
                    region = one if one in regions else Core.G4
                    m.d.comb += read.addr.eq(address(region, group, item.step, near))
        found["errors"] = read.data
        m.d.comb += [
            store.read.eq(issue & inside & ~item.bypass & (forward | back)),
            store.address.eq(place), events.weights.eq(store.read)]
        return found

    def _compute(self, m: Module, core, operation, issue, walker, pixel, inside, place, words,
                 store) -> None:
        """Multiply, add up, give sums away."""
        bits = self.config.lane_bits
        forward, back, outer = (operation == one for one in Operation)
        fetched, multiplied, added = (Signal(item_layout(self.config), name=name)
                                      for name in ("fetched", "multiplied", "added"))
        valid = Signal(3)  # of these three
        places = [Signal.like(place, name=f"place_{k}") for k in range(2)]
        m.d.sync += [
            fetched.eq(walker.o), multiplied.eq(fetched), added.eq(multiplied),
            valid.eq(Cat(issue, valid)), places[0].eq(place), places[1].eq(places[0])]
        products = self._multiply(m, core, (forward, back, outer), fetched, valid[0],
                                  issue & inside, words, store)
        dot = Signal(signed(32))
        m.d.comb += dot.eq(sum(products))
        for lane, product in enumerate(products):
            total = Signal(signed(32), name=f"sum_{lane}")
            mine = Mux(multiplied.lane[:bits] == lane, dot, 0)
            with m.If(valid[1]):
                m.d.sync += total.eq(Mux(multiplied.first, 0, total)
                                     + Mux(back & ~multiplied.bypass, mine, product))
            m.d.comb += [self.o.values[lane].eq(total), store.gradients[lane].eq(total)]
        m.d.comb += [
            self.o.valid.eq(valid[2] & ~outer & added.last), self.o.core.eq(core),
            self.o.back.eq(back), self.o.bypass.eq(added.bypass), self.o.pixel.eq(pixel),
            self.o.step.eq(added.step), self.o.group.eq(Mux(back, added.inputs, added.outputs)),
            store.add.eq(valid[1] & outer & multiplied.last), store.place.eq(places[1]),
            self.events.gradients.eq(store.add),
        ]

    def _multiply(self, m: Module, core, operations, fetched, valid, inside, words,
                  store) -> list[Signal]:
        """Return the products of what was fetched; ``inside`` belongs to what is being fetched."""
        lanes, bits = self.config.lanes, self.config.lane_bits
        forward, back, outer = operations
        lane_in, none = fetched.lane[:bits], Const(0, 8 * lanes)
        spike, activation, spiking = Signal(), Signal(signed(8)), Signal()
        m.d.comb += [
            spike.eq(words.get("spikes", none).bit_select(lane_in, 1)),
            activation.eq(words.get("activations", none).word_select(lane_in, 8)),
            spiking.eq((core == Core.G1) | (core == Core.DENSE)),
        ]
        outputs_last, multiplying, ready = Signal(range(64)), Signal(), Signal()
        m.d.comb += [
            outputs_last.eq(Mux((core == Core.G4) | (core == Core.DENSE),
                                self.settings.outputs_last, self.settings.rank_last)),
            multiplying.eq(~spiking | back)]
        m.d.sync += ready.eq(inside)
        products, used, lost = [], Signal(lanes), Signal(lanes)
        whole = fetched.outputs != outputs_last >> bits
        for lane in range(lanes):
            product = Signal(signed(24), name=f"product_{lane}")
            error, weight, one, other = (
                Signal(signed(8), name=f"{name}_{lane}")
                for name in ("error", "weight", "one", "other"))
            exists, nonzero = Signal(name=f"exists_{lane}"), Signal(name=f"nonzero_{lane}")
            input_nonzero = Mux(spiking, spike, activation != 0)
            m.d.comb += [
                error.eq(words["errors"].word_select(lane, 8)), weight.eq(store.copies[lane]),
                one.eq(Mux(outer, error, weight)), other.eq(Mux(back, error, activation)),
                exists.eq(valid & ready & ~fetched.bypass
                          & (whole | (lane <= outputs_last[:bits]))),
                nonzero.eq((forward | (error != 0)) & (back | input_nonzero)),
                used[lane].eq(exists & nonzero), lost[lane].eq(exists & ~nonzero),
            ]
            m.d.sync += product.eq(0)
            with m.If(used[lane]):
                m.d.sync += product.eq(Mux(multiplying, one * other, one))
            if Core.G2 in self.cores:
                value = words["activations"].word_select(lane, 8).as_signed()
                with m.If(valid & fetched.bypass & (core == Core.G2)):
                    m.d.sync += product.eq(Mux(back, error << self.settings.shift_m, value))
            products.append(product)
        count = Signal(range(lanes + 1))
        m.d.comb += [
            count.eq(sum(used)), self.events.skipped.eq(sum(lost)),
            self.events.multiplies.eq(Mux(multiplying, count, 0)),
            self.events.accumulates.eq(Mux(multiplying, 0, count))]
        return products
