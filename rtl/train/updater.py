# SPDX-License-Identifier: Apache-2.0
"""Moves masters against their gradients, word by word, and keeps the delayed shifts."""

from functools import reduce
from operator import or_

from amaranth import Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ..config import TrainConfig
from ..ftp.layouts import index_range
from .layouts import SHIFTS, Mode, access_layout, settings_layout
from .rescaler import rescaled
from .weight_store import update_signature

__all__ = ["DelayedShifts", "Region", "Updater"]

_MASTER_LIMIT = 127 << 8


class DelayedShifts(wiring.Component):
    """Keep the shift of each kind of error and gradient: of the magnitudes of the step before.

    Latency: 1 cycle. Throughput: all of them in each cycle. Back-pressure: none.
    Reset: synchronous; all are zero.

    Members
    -------
    found : In(32).array(12)
        Magnitudes to take in, by `SHIFTS`.
    clear : In(1)
        Forget the magnitudes.
    advance : In(12)
        Take over the shift that follows from the magnitudes, and forget these.
    load : In(12)
        Take over ``value``.
    value : In(5)
        A shift.
    shift : Out(5).array(12)
        In use.
    """

    found: list
    clear: Signal
    advance: Signal
    load: Signal
    value: Signal
    shift: list

    def __init__(self):
        count = len(SHIFTS)
        super().__init__({
            "found": In(32).array(count), "clear": In(1), "advance": In(count),
            "load": In(count), "value": In(5), "shift": Out(5).array(count)})

    def elaborate(self, platform):
        m = Module()
        for index, name in enumerate(SHIFTS):
            seen, following = Signal(32, name=f"seen_{name}"), Signal(5, name=f"next_{name}")
            for bit in range(7, 32):
                with m.If(seen[bit]):
                    m.d.comb += following.eq(bit - 6)
            m.d.sync += seen.eq(Mux(self.clear | self.advance[index], 0,
                                    seen | self.found[index]))
            with m.If(self.advance[index]):
                m.d.sync += self.shift[index].eq(following)
            with m.If(self.load[index]):
                m.d.sync += self.shift[index].eq(self.value)
        return m


class Region:
    """Weights of a core in a store.

    Parameters
    ----------
    store : int
        Which one.
    base, depth : int
        Its words.
    name : str
        Name of its gradient in `SHIFTS`.
    """

    def __init__(self, store: int, base: int, depth: int, name: str):
        self.store, self.base, self.depth, self.name = store, base, depth, name


class Updater(wiring.Component):
    """Go over all words of all stores, one per cycle: update them, or clear the gradients.

    In between the host has access to the masters.

    Masters move as ``spikeloom.models.golden.tt_training.move`` says.

    Latency: 4 cycles behind the last word. Throughput: 1 word per cycle. Back-pressure: none.
    Reset: synchronous; stops.

    Parameters
    ----------
    config : TrainConfig
    depths : list of int
        Of the stores.
    regions : list of Region
        In the order in which they are updated.

    Members
    -------
    settings : In(settings_layout(config))
        Static while the update runs.
    start : In(1)
        Begin.
    update : In(1)
        Move the masters too, not only clear the gradients.
    shifts : In(5).array(12)
        Delayed shifts.
    ran : In(1)
        The readout has been trained.
    access : In(access_layout(config))
        Of the host, while nothing is at work.
    masters : Out(data.ArrayLayout(signed(16), lanes))
        What it reads, a cycle later.
    busy : Out(1)
        At work.
    found : Out(32).array(12)
        Magnitudes of gradients.
    advance : Out(12)
        Take over the next shifts.
    """

    settings: data.View
    start: Signal
    update: Signal
    shifts: list
    ran: Signal
    access: data.View
    masters: data.View
    busy: Signal
    found: list
    advance: Signal

    def __init__(self, config: TrainConfig, depths: list[int], regions: list[Region]):
        self.config = config
        self.depths = depths
        self.regions = regions
        count = len(SHIFTS)
        super().__init__({
            "settings": In(settings_layout(config)), "start": In(1), "update": In(1),
            "shifts": In(5).array(count), "ran": In(1),
            "access": In(access_layout(config)),
            "masters": Out(access_layout(config)["word"].shape), "busy": Out(1),
            "found": Out(32).array(count), "advance": Out(count),
            **{f"store_{k}": Out(update_signature(config, depth))
               for k, depth in enumerate(depths)},
        })

    def elaborate(self, platform):
        m = Module()
        lanes = self.config.lanes
        stores = [getattr(self, f"store_{k}") for k in range(len(self.depths))]
        longest = index_range(max(region.depth for region in self.regions))
        region, address, wait = Signal(index_range(len(self.regions))), Signal(longest), Signal(3)
        issue, moving = Signal(), Signal()
        with m.FSM():
            with m.State("idle"):
                with m.If(self.start):
                    m.d.sync += moving.eq(self.update)
                    m.next = "walk"
            with m.State("walk"):
                m.d.comb += [self.busy.eq(1), issue.eq(1)]
                m.d.sync += [address.eq(address + 1), wait.eq(4)]
                with m.Switch(region):
                    for k, one in enumerate(self.regions):
                        with m.Case(k), m.If(address == one.depth - 1):
                            m.d.sync += [address.eq(0), region.eq(region + 1)]
                with m.If((region == len(self.regions) - 1)
                          & (address == self.regions[-1].depth - 1)):
                    m.d.sync += region.eq(0)
                    m.next = "drain"
            with m.State("drain"):
                m.d.comb += self.busy.eq(1)
                m.d.sync += wait.eq(wait - 1)
                with m.If(wait == 0):
                    with m.If(moving):
                        m.d.comb += self.advance.eq(self._advanced())
                    m.next = "idle"
        targets = [Signal(longest, name=f"target_{k}") for k in range(3)]
        where = [Signal.like(region, name=f"region_{k}") for k in range(3)]
        valid = Signal(3)
        m.d.sync += [valid.eq((valid << 1) | issue), targets[0].eq(address), where[0].eq(region)]
        m.d.sync += [new.eq(old) for chain in (targets, where)
                     for old, new in zip(chain, chain[1:], strict=False)]
        gradient, master = Signal(unsigned(32 * lanes)), Signal(unsigned(16 * lanes))
        shift = Signal(5)
        with m.Switch(where[0]):
            for k, one in enumerate(self.regions):
                port = stores[one.store]
                with m.Case(k):
                    m.d.comb += [gradient.eq(port.gradients.as_value()),
                                 master.eq(port.masters.as_value()),
                                 shift.eq(self.shifts[SHIFTS.index(one.name)])]
        moved = self._move(m, gradient, master, shift)
        magnitudes = Signal(32)
        values = [gradient.word_select(lane, 32).as_signed() for lane in range(lanes)]
        with m.If(valid[0]):
            m.d.comb += magnitudes.eq(reduce(or_, (
                Mux(value < 0, -value, value)[:32] for value in values)))
        for k, one in enumerate(self.regions):
            port = stores[one.store]
            with m.If(issue & (region == k)):
                m.d.comb += [port.read.eq(1), port.address.eq(one.base + address)]
            with m.If(valid[2] & (where[2] == k)):
                m.d.comb += [port.write.eq(moving), port.clear.eq(1),
                             port.target.eq(one.base + targets[2])]
            with m.If(where[0] == k):
                m.d.comb += self.found[SHIFTS.index(one.name)].eq(Mux(moving, magnitudes, 0))
        for port in stores:
            m.d.comb += [port.moved[lane].eq(value) for lane, value in enumerate(moved)]
        self._serve(m, stores)
        return m

    def _serve(self, m: Module, stores) -> None:
        """Let the host at the stores."""
        access, chosen = self.access, Signal(3)
        m.d.sync += chosen.eq(access.store)
        for k, port in enumerate(stores):
            with m.If(~self.busy):
                m.d.comb += [port.address.eq(access.address), port.target.eq(access.address),
                             port.moved.eq(access.word)]
                with m.If(access.store == k):
                    m.d.comb += [port.read.eq(access.read), port.write.eq(access.write)]
            with m.If(chosen == k):
                m.d.comb += self.masters.eq(port.masters)

    def _advanced(self):
        """Return which shifts the step has made anew."""
        dense = self.settings.mode == Mode.DENSE
        fresh = {"dy": 1, "dx": 1, "db": self.settings.mode == Mode.STT, "dw": dense,
                 "error": self.ran, "readout": self.ran}
        return sum(Mux(fresh.get(name, ~dense), 1 << index, 0)
                   for index, name in enumerate(SHIFTS))

    def _move(self, m: Module, gradient, master, shift) -> list[Signal]:
        """Return the masters two cycles later."""
        moved = []
        for lane in range(self.config.lanes):
            small, old = Signal(signed(8), name=f"small_{lane}"), Signal(
                signed(16), name=f"old_{lane}")
            total = Signal(signed(18), name=f"total_{lane}")
            new = Signal(signed(16), name=f"moved_{lane}")
            m.d.sync += [
                small.eq(rescaled(m, gradient.word_select(lane, 32).as_signed(), shift, 127,
                                  str(lane))),
                old.eq(master.word_select(lane, 16).as_signed()),
                new.eq(Mux(total > _MASTER_LIMIT, _MASTER_LIMIT,
                           Mux(total < -_MASTER_LIMIT, -_MASTER_LIMIT, total))),
            ]
            m.d.comb += total.eq(old - ((small * self.settings.rate + 8) >> 4))
            moved.append(new)
        return moved
