# SPDX-License-Identifier: Apache-2.0
"""Update lanes of time-to-first-spike neurons: event add, kernel, threshold, time latch."""

from amaranth import Cat, Const, Module, Mux, Signal, Value, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..config import TTFSConfig
from .layouts import lane_layout

__all__ = ["TTFSNeuron", "fired_layout", "operation_layout"]


def operation_layout(config: TTFSConfig) -> data.StructLayout:
    """Return what all lanes do, and to what.

    Members
    -------
    lanes : data.ArrayLayout(lane_layout(config), config.lanes)
        The neurons before.
    weights : data.ArrayLayout(signed(config.weight_bits), config.lanes)
        To add, one for each lane.
    update : unsigned(1)
        Update and compare; else add weights.
    exponential : unsigned(1)
        Kernel: the charge decays; else it stays.
    tau_shift : range(config.max_tau_shift + 1)
        The time constant is ``1 << tau_shift`` steps.
    threshold : range(32)
        A neuron fires at or above ``1 << threshold``, in units of its potential.
    time : unsigned(config.time_bits)
        The step's number plus one: the time of a spike.
    window : unsigned(config.time_bits)
        Latest time of a spike.
    """
    return data.StructLayout({
        "lanes": data.ArrayLayout(lane_layout(config), config.lanes),
        "weights": data.ArrayLayout(signed(config.weight_bits), config.lanes),
        "update": unsigned(1),
        "exponential": unsigned(1),
        "tau_shift": range(config.max_tau_shift + 1),
        "threshold": range(32),
        "time": unsigned(config.time_bits),
        "window": unsigned(config.time_bits),
    })


def fired_layout(config: TTFSConfig) -> data.StructLayout:
    """Return the spikes of an update.

    Members
    -------
    mask : unsigned(config.lanes)
        Lanes that fired.
    time : unsigned(config.time_bits)
        Time of their spikes.
    """
    return data.StructLayout({"mask": unsigned(config.lanes),
                              "time": unsigned(config.time_bits)})


class TTFSNeuron(wiring.Component):
    """Bring ``P`` time-to-first-spike neurons one operation further.

    A step of a neuron is any number of additions, one for each event, and one update::

        add      charge += w             if linear, else  charge += w << guard_bits
        update   d = charge              if linear, else  d = charge >> tau_shift, charge -= d
                 potential += d
                 time = t + 1            if potential >= 1 << threshold and not fired before

    Same result as ``spikeloom.models.golden.ttfs_neuron.TTFSState``, step by step, for all
    neurons that have not fired; those that have keep their state. Nothing overflows if the
    weights of a neuron fit ``charge_bits``: see `TTFSConfig.charge_width` and
    `TTFSConfig.potential_width`.

    Latency: 0 cycles, the state is held outside; 1 cycle to ``o``.
    Throughput: 1 operation of all lanes per cycle.
    Back-pressure: an update in which a neuron fires waits while spikes wait on ``o``.
    Reset: synchronous; drops spikes that wait.

    Parameters
    ----------
    config : TTFSConfig

    Members
    -------
    i : In(stream.Signature(operation_layout(config)))
        Operations.
    lanes : Out(data.ArrayLayout(lane_layout(config), config.lanes))
        The neurons after the operation on ``i``.
    moving : Out(1)
        Whether a later update without events would change one that has not fired.
    rising : Out(1)
        Whether one is on its way to its threshold: without events it fires, if its window
        lasts; or its charge is at an end first.
    o : Out(stream.Signature(fired_layout(config)))
        Spikes, of updates in which there are any.
    """

    i: stream.Interface
    lanes: data.View
    moving: Signal
    rising: Signal
    o: stream.Interface

    def __init__(self, config: TTFSConfig):
        self.config = config
        super().__init__({
            "i": In(stream.Signature(operation_layout(config))),
            "lanes": Out(data.ArrayLayout(lane_layout(config), config.lanes)),
            "moving": Out(1),
            "rising": Out(1),
            "o": Out(stream.Signature(fired_layout(config))),
        })

    def elaborate(self, platform):
        m = Module()
        self._high = Signal(self.config.potential_width, name="high")  # from the threshold's bit on
        m.d.comb += self._high.eq(-1 << self.i.p.threshold)
        lanes = [self._lane(m, lane) for lane in range(self.config.lanes)]
        fires = Signal(self.config.lanes)
        spikes = Signal()
        m.d.comb += [
            fires.eq(Cat(lane.fires for lane in lanes)),
            spikes.eq(self.i.valid & fires.any()),
            self.i.ready.eq(~spikes | ~self.o.valid | self.o.ready),
            self.moving.eq(Cat(lane.moving for lane in lanes).any()),
            self.rising.eq(Cat(lane.rising for lane in lanes).any()
                           & (self.i.p.time < self.i.p.window)),
        ]
        with m.If(~self.o.valid | self.o.ready):
            m.d.sync += [self.o.valid.eq(spikes), self.o.p.mask.eq(fires),
                         self.o.p.time.eq(self.i.p.time)]
        return m

    def _lane(self, m: Module, lane: int) -> data.View:
        """Add the logic of one lane; return whether it fires, would move, and rises."""
        config, operation = self.config, self.i.p
        state, following = operation.lanes[lane], self.lanes[lane]
        charge = Signal(signed(config.charge_width), name=f"charge_{lane}")
        moved, later = (Signal.like(charge, name=f"{name}_{lane}") for name in ("moved", "later"))
        potential = Signal(signed(config.potential_width), name=f"potential_{lane}")
        total = Signal(signed(config.potential_width + 1), name=f"total_{lane}")
        fresh = Signal(name=f"fresh_{lane}")
        found = Signal(data.StructLayout({"fires": 1, "moving": 1, "rising": 1}),
                       name=f"found_{lane}")
        gain, decay = self._kernel(operation.weights[lane], moved)
        enough = {"linear": Const(1), "exponential": self._reached(total),
                  "both": ~operation.exponential | self._reached(total)}[config.kernel]
        m.d.comb += [
            moved.eq(self._moved(state.charge)), later.eq(self._moved(charge)),
            charge.eq(state.charge + Mux(operation.update, -decay, gain)),
            potential.eq(state.potential + moved),
            total.eq(state.potential + state.charge),  # all that came, if exponential
            fresh.eq(state.time == config.silent),
            found.fires.eq(fresh & operation.update & (operation.time <= operation.window)
                           & self._reached(potential)),
            found.moving.eq(fresh & ~found.fires & (later != 0)),
            found.rising.eq(found.moving & ~later[-1] & enough),
            following.eq(state),
        ]
        with m.If(fresh):
            m.d.comb += following.charge.eq(charge)
            with m.If(operation.update):
                m.d.comb += following.potential.eq(potential)
        with m.If(found.fires):
            m.d.comb += following.time.eq(operation.time)
        return found

    def _reached(self, potential: Signal) -> Value:
        return ~potential[-1] & (potential[:-1] & self._high).any()

    def _kernel(self, weight: Value, moved: Value) -> tuple[Value, Value]:
        """Return what an event adds to the charge, and what an update takes from it."""
        scaled = weight << self.config.guard_bits
        match self.config.kernel:
            case "linear":
                return weight, Const(0)
            case "exponential":
                return scaled, moved
        exponential = self.i.p.exponential
        return Mux(exponential, scaled, weight), Mux(exponential, moved, 0)

    def _moved(self, charge: Value) -> Value:
        """Return what an update adds to the potential."""
        decayed = charge >> self.i.p.tau_shift
        match self.config.kernel:
            case "linear":
                return charge
            case "exponential":
                return decayed
        return Mux(self.i.p.exponential, decayed, charge)
