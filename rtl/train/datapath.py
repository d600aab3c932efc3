# SPDX-License-Identifier: Apache-2.0
"""Clusters, neurons, readout and update of a training core, and how they are connected."""

from amaranth import Module, Mux, Signal, Value, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out, connect

from ..config import TrainConfig
from ..ftp.layouts import index_range
from .cluster import Cluster
from .cores import cluster_cores, core_depth, core_shape
from .layouts import (
    SHIFTS,
    Core,
    Mode,
    Phase,
    access_layout,
    happening_layout,
    packet_layout,
    settings_layout,
)
from .neurons import Neurons
from .readout import Readout
from .region_memory import RegionMemory
from .rescaler import Rescaler
from .updater import DelayedShifts, Region, Updater

__all__ = ["Datapath"]

_SETTLE = 6  # cycles behind the last sum until all is in memory
_BACK = {Core.G1: "dx", Core.G2: "dh", Core.G3: "db", Core.G4: "dm", Core.DENSE: "dx"}


class Datapath(wiring.Component):
    """Run a phase: the clusters side by side, each behind those whose results it needs.

    Latency: see `TrainCore`. Throughput: 1 phase at a time. Back-pressure: none.
    Reset: synchronous; stops, memories keep what they hold, delayed shifts are zero.

    Parameters
    ----------
    config : TrainConfig

    Members
    -------
    settings : In(settings_layout(config))
        Static while a phase runs.
    start : In(1)
        Begin.
    phase : In(unsigned(3))
        `Phase`.
    label : In(index_range(max_classes))
        Of the image.
    busy : Out(1)
        At work.
    overflow : Out(1)
        A sum of gradients has more than 32 bits.
    spike : In(packet_layout(config))
        Spikes of the input to keep.
    error : In(packet_layout(config))
        Error of the spikes to keep.
    access : In(access_layout(config))
        To weights, while nothing is at work.
    masters : Out(data.ArrayLayout(signed(16), lanes))
        What was read, a cycle later.
    place : In(packet_layout(config))
        Of a word to read, while nothing is at work.
    fired : Out(unsigned(lanes))
        Spikes there, a cycle later.
    dx : Out(unsigned(8 * lanes))
        Errors of the inputs there, a cycle later.
    load : In(12)
        Set delayed shifts, by `SHIFTS`.
    shift : In(5)
        To what.
    shifts : Out(5).array(12)
        In use.
    logit : In(index_range(max_classes))
        Which one to show.
    logits : Out(signed(32))
        That of the image before.
    happening : Out(happening_layout(config))
        What happens.
    """

    settings: data.View
    start: Signal
    phase: Signal
    label: Signal
    busy: Signal
    overflow: Signal
    spike: data.View
    error: data.View
    access: data.View
    masters: data.View
    place: data.View
    fired: Signal
    dx: Signal
    load: Signal
    shift: Signal
    shifts: list
    logit: Signal
    logits: Signal
    happening: data.View

    def __init__(self, config: TrainConfig):
        self.config = config
        self.clusters = [Cluster(config, cores) for cores in cluster_cores(config)]
        self.readout = Readout(config)
        self.stores = [*(cluster.depth for cluster in self.clusters), self.readout.depth]
        values = packet_layout(config)["values"].shape
        super().__init__({
            "settings": In(settings_layout(config)), "start": In(1), "phase": In(unsigned(3)),
            "label": In(index_range(config.max_classes)), "busy": Out(1), "overflow": Out(1),
            "spike": In(packet_layout(config)), "error": In(packet_layout(config)),
            "access": In(access_layout(config)), "masters": Out(values),
            "place": In(packet_layout(config)), "fired": Out(unsigned(config.lanes)),
            "dx": Out(unsigned(8 * config.lanes)), "load": In(len(SHIFTS)), "shift": In(5),
            "shifts": Out(5).array(len(SHIFTS)),
            "logit": In(index_range(config.max_classes)),
            "logits": Out(self.readout.logits.shape()),
            "happening": Out(happening_layout(config)),
        })

    def elaborate(self, platform):
        m = Module()
        config, now = self.config, self.settings
        for k, cluster in enumerate(self.clusters):
            m.submodules[f"cluster_{k}"] = cluster
            m.d.comb += [cluster.settings.eq(now), self.happening.clusters[k].eq(cluster.events)]
        m.submodules.readout = self.readout
        m.submodules.neurons = neurons = Neurons(config)
        m.submodules.shifts = shifts = DelayedShifts()
        regions = [Region(k, cluster.bases[core], core_depth(config, core),
                          "dw" if core is Core.DENSE else f"d{core.name.lower()}")
                   for k, cluster in enumerate(self.clusters) for core in cluster.cores]
        regions.append(Region(len(self.clusters), 0, self.readout.depth, "readout"))
        m.submodules.updater = updater = Updater(config, self.stores, regions)
        for k, unit in enumerate([*self.clusters, self.readout]):
            connect(m, getattr(updater, f"store_{k}"), unit.update)
            with m.If(unit.overflow):
                m.d.comb += self.overflow.eq(1)
        m.d.comb += [updater.access.eq(self.access), self.masters.eq(updater.masters)]
        self._phases(m, neurons, updater, shifts)
        packets, found = self._rescale(m, shifts)
        dy, largest = self._rescaler(m, "neurons", neurons.d, shifts.shift[SHIFTS.index("dy")])
        found["dy"] = [largest]
        error, largest = self._rescaler(m, "readout", self.readout.o,
                                        shifts.shift[SHIFTS.index("error")])
        found["error"] = [largest]
        for index, name in enumerate(SHIFTS):
            total = updater.found[index]
            for value in found.get(name, []):
                total = total | value
            m.d.comb += [shifts.found[index].eq(total), self.shifts[index].eq(
                shifts.shift[index]), updater.shifts[index].eq(shifts.shift[index])]
        self._route(m, packets, dy, neurons)
        self._keep(m, packets, neurons, error)
        return m

    def _phases(self, m: Module, neurons, updater, shifts) -> None:
        """Start what the phase needs, and wait for it."""
        now, clusters = self.settings, self.clusters
        phase, ran, wait = Signal(3), Signal(), Signal(range(_SETTLE + 1))
        back, go = Signal(), Signal()
        m.d.comb += [
            back.eq(phase == Phase.BACK), self.busy.eq(wait != 0), neurons.settings.eq(now),
            self.readout.settings.eq(now), updater.settings.eq(now),
            updater.update.eq(phase == Phase.UPDATE), updater.ran.eq(ran),
            neurons.start.eq(go & back), neurons.back.eq(back),
            self.readout.start.eq(go & (phase == Phase.READOUT)),
            updater.start.eq(go & ((phase == Phase.UPDATE) | (phase == Phase.CLEAR))),
            shifts.advance.eq(updater.advance), shifts.load.eq(self.load),
            shifts.value.eq(self.shift), shifts.clear.eq(go & (phase == Phase.CLEAR)),
        ]
        for cluster in clusters:
            m.d.comb += [cluster.start.eq(go & ((phase == Phase.FORWARD) | back)),
                         cluster.back.eq(back)]
        working = neurons.busy | updater.busy | self.readout.busy
        for cluster in clusters:
            working = working | cluster.busy
        m.d.sync += go.eq(self.start)
        with m.If(self.start | go | working):
            m.d.sync += wait.eq(_SETTLE)
        with m.Elif(wait != 0):
            m.d.sync += wait.eq(wait - 1)
        with m.If(self.start):
            m.d.sync += phase.eq(self.phase)
            with m.If(self.phase == Phase.READOUT):
                m.d.sync += ran.eq(1)
        with m.If(updater.advance.any() | shifts.clear):
            m.d.sync += ran.eq(0)
        stt = now.mode == Mode.STT
        if len(clusters) == 1:
            m.d.comb += clusters[0].available.eq(
                Mux(neurons.busy, 0, now.pixels))
            return
        c1, c2, c3, c4 = clusters
        middle = Mux(stt, c3.done, c2.done)
        m.d.comb += [
            c1.available.eq(Mux(back, c2.done, now.pixels)),
            c2.available.eq(Mux(back, Mux(stt, c3.done, c4.done), c1.done)),
            c3.available.eq(Mux(back, c4.done, Mux(stt, c2.done, c1.done))),
            c4.available.eq(Mux(back, neurons.done, middle)),
            c2.lag.eq(now.width), c3.lag.eq(Mux(stt, 1, now.width)),
        ]

    def _rescaler(self, m: Module, name: str, sums, shift, wide: Value | int = 0):
        """Return what sums are rescaled to, and their magnitudes."""
        m.submodules[f"rescaler_{name}"] = unit = Rescaler(self.config)
        m.d.comb += [unit.i.eq(sums), unit.shift.eq(shift), unit.wide.eq(wide)]
        return unit.o, unit.found

    def _rescale(self, m: Module, shifts):
        """Return the packets of each core, and the magnitudes of errors by name."""
        now, packets, found = self.settings, {}, {}
        stt = now.mode == Mode.STT
        forward = {Core.G1: now.shift_h, Core.G2: Mux(stt, now.shift_b, now.shift_m),
                   Core.G3: now.shift_m, Core.G4: now.shift_y, Core.DENSE: now.shift_y}
        for k, cluster in enumerate(self.clusters):
            sums = Signal.like(cluster.o, name=f"sums_{k}")
            m.d.comb += sums.eq(cluster.o)
            if cluster.cores == (Core.G2,):  # the two middle cores are in step
                other = self.clusters[k + 1].o
                for lane in range(self.config.lanes):
                    m.d.comb += sums.values[lane].eq(
                        cluster.o.values[lane] + Mux(stt, 0, other.values[lane]))
            if cluster.cores == (Core.G3,):
                m.d.comb += sums.valid.eq(cluster.o.valid & stt)
            shift, wide = Signal(5, name=f"shift_{k}"), Signal(name=f"wide_{k}")
            with m.Switch(sums.core):
                for core in cluster.cores:
                    with m.Case(core):
                        m.d.comb += shift.eq(Mux(
                            sums.back, shifts.shift[SHIFTS.index(_BACK[core])],
                            Mux(sums.bypass, 0, forward[core])))
                        if core in (Core.G4, Core.DENSE):
                            m.d.comb += wide.eq(~sums.back)
            packet, largest = self._rescaler(m, str(k), sums, shift, wide)
            for core in cluster.cores:
                packets[core] = packet
                mine = (sums.core == core) & sums.back
                found.setdefault(_BACK[core], []).append(Mux(mine, largest, 0))
        return packets, found

    def _route(self, m: Module, packets, dy, neurons) -> None:
        """Send each core's results to those that need them."""
        stt = self.settings.mode == Mode.STT
        activations = {Core.G2: [(Core.G1, 1)], Core.G3: [(Core.G1, ~stt), (Core.G2, stt)],
                       Core.G4: [(Core.G2, ~stt), (Core.G3, stt)]}
        errors = {Core.G1: [(Core.G2, 1)], Core.G2: [(Core.G4, ~stt), (Core.G3, stt)],
                  Core.G3: [(Core.G4, 1)]}
        written = {"activation": [], "error": []}
        for cluster in self.clusters:
            for name, routes, back in (("activation", activations, 0), ("error", errors, 1)):
                port = getattr(cluster, name)
                for target in cluster.cores:
                    for source, when in routes.get(target, []):
                        packet = packets[source]
                        with m.If(packet.valid & (packet.core == source)
                                  & (packet.back == back) & when):
                            m.d.comb += [port.eq(packet), port.core.eq(target)]
                written[name].append(port.valid)
            if Core.G4 in cluster.cores:
                with m.If(dy.valid):
                    m.d.comb += cluster.error.eq(dy)
            if Core.G1 in cluster.cores:
                m.d.comb += cluster.spike.eq(self.spike)
        packet = packets[Core.G4]
        m.d.comb += [
            neurons.current.eq(packet),
            neurons.current.valid.eq(packet.valid & ~packet.back
                                     & ((packet.core == Core.G4) | (packet.core == Core.DENSE))),
            self.happening.activation_writes.eq(sum(written["activation"])),
            self.happening.error_writes.eq(sum(written["error"])),
            self.happening.currents.eq(neurons.current.valid),
            self.happening.derivatives.eq(dy.valid),
        ]

    def _keep(self, m: Module, packets, neurons, error) -> None:
        """Keep errors of the inputs; connect neurons, readout and host."""
        config, packet = self.config, packets[Core.G1]
        groups = max(1, core_shape(config, Core.G1)[0] // config.lanes)
        kept = Signal(packet_layout(config))
        store = RegionMemory(m, "dx_memory", config, 8, {Core.G1: groups}, kept)
        place = self.place
        m.d.comb += [
            kept.eq(packet),
            kept.valid.eq(packet.valid & packet.back
                          & ((packet.core == Core.G1) | (packet.core == Core.DENSE))),
            store.read.addr.eq(store.address(Core.G1, place.group, place.step, place.pixel)),
            self.dx.eq(store.read.data),
            neurons.error.eq(Mux(error.valid, error.as_value(), self.error.as_value())),
            neurons.read.eq(self.place), self.fired.eq(neurons.spikes),
            neurons.count_read.eq(self.readout.count_read),
            neurons.count_address.eq(self.readout.count_address),
            self.readout.counts.eq(neurons.counts), self.readout.label.eq(self.label),
            self.readout.logit.eq(self.logit), self.logits.eq(self.readout.logits),
        ]
