# SPDX-License-Identifier: Apache-2.0
"""Training core: a layer of tensor-train cores with its readout learns on the device."""

from functools import reduce
from operator import or_

from amaranth import Array, Cat, Module, Mux, Signal, unsigned
from amaranth.lib import data, enum, stream, wiring
from amaranth.lib.wiring import In, Out

from ..config import TrainConfig
from .datapath import Datapath
from .layouts import SHIFTS, Phase, packet_layout
from .settings import ErrorCode, Setting, SettingsCheck

__all__ = ["COUNTERS", "FIRST_STORE", "Kind", "Target", "TrainCore", "instruction_layout"]

COUNTERS = ("forward_cycles", "readout_cycles", "back_cycles", "update_cycles", "accumulates",
            "multiplies", "skipped", "weight_words", "activation_words", "spike_words",
            "error_words", "gradient_words", "activation_writes", "error_writes", "currents",
            "derivatives")
_PHASE_COUNTERS = (0, 1, 2, 3, 3)  # by `Phase`
_EVENTS = {"accumulates": "accumulates", "multiplies": "multiplies", "skipped": "skipped",
           "weight_words": "weights", "activation_words": "activations", "spike_words": "spikes",
           "error_words": "errors", "gradient_words": "gradients"}
FIRST_STORE = 8  # target of the weights of the first cluster; the others follow


class Kind(enum.Enum, shape=unsigned(2)):
    """What an instruction wants."""

    WRITE = 0
    READ = 1
    RUN = 2     # the phase in ``address``, of the image with the label in ``word``


class Target(enum.Enum, shape=unsigned(4)):
    """What is written or read; stores of weights come from `FIRST_STORE` on."""

    SETTING = 0   # a word by `Setting`
    SHIFT = 1     # a delayed shift, by its place in `SHIFTS`
    SPIKES = 2    # written: of the input, read: of the output; a group
    ERRORS = 3    # written: of the output's spikes, read: of the input; a group
    COUNTER = 4   # by its place in `COUNTERS`; a write clears all
    LOGIT = 5     # of the image before
    STATUS = 6    # `ErrorCode`


def instruction_layout(config: TrainConfig) -> data.StructLayout:
    """Return an instruction.

    Members
    -------
    kind : unsigned(2)
        `Kind`.
    target : unsigned(4)
        `Target`.
    address : unsigned(20)
        In the target; of a group of spikes or errors: group (5 bits), timestep (4), pixel.
    word : unsigned(data_bits)
        What is written: lane 0 in the lowest bits.
    """
    return data.StructLayout({"kind": unsigned(2), "target": unsigned(4),
                              "address": unsigned(20), "word": unsigned(config.data_bits)})


class TrainCore(wiring.Component):
    """Do one instruction after the other: load, run a phase of a training step, read.

    After an error only reads are done, until reset.

    Equal in every bit to ``spikeloom.models.golden.tt_readout.train_step``.

    Latency: of a read 3 cycles; of a pass forward about (pixels + width + 1) * (timesteps * n + 5)
    with clusters, n the operands of a pixel in the core that has most; back about twice that.
    Throughput: 1 write per cycle, 1 read in 3 cycles.
    Back-pressure: a word that waits on ``o`` stops the core; while a phase runs ``i`` waits.
    Reset: synchronous; memories keep what they hold, settings, shifts and counters are zero. Sums
    of gradients are to be cleared then.

    Parameters
    ----------
    config : TrainConfig

    Members
    -------
    i : In(stream.Signature(instruction_layout(config)))
        Instructions.
    o : Out(stream.Signature(unsigned(data_bits)))
        What was read.
    busy : Out(1)
        A phase runs.
    error : Out(unsigned(8))
        `ErrorCode`.
    """

    i: stream.Interface
    o: stream.Interface
    busy: Signal
    error: Signal

    def __init__(self, config: TrainConfig):
        self.config = config
        super().__init__({
            "i": In(stream.Signature(instruction_layout(config))),
            "o": Out(stream.Signature(unsigned(config.data_bits))),
            "busy": Out(1), "error": Out(unsigned(8)),
        })

    def elaborate(self, platform):
        m = Module()
        self._counters = Array(Signal(self.config.counter_bits, name=f"counter_{name}")
                               for name in COUNTERS)
        m.submodules.check = check = SettingsCheck(self.config)
        m.submodules.datapath = path = Datapath(self.config)
        item, write, read = self.i.p, Signal(), Signal()
        label = Signal(16)
        m.d.comb += [path.phase.eq(item.address), path.label.eq(label)]
        store = item.target >= FIRST_STORE
        known = Mux(store, item.target < FIRST_STORE + len(path.stores),
                    item.target < len(Target))
        legal = known & Mux(item.kind == Kind.RUN, item.address < len(Phase),
                            (item.kind != Kind.RUN) & (item.kind < len(Kind)))
        with m.FSM():
            with m.State("take"):
                with m.If(self.i.valid):
                    with m.If(~legal & (self.error == ErrorCode.NONE)):
                        m.d.sync += self.error.eq(ErrorCode.INSTRUCTION)
                        m.d.comb += self.i.ready.eq(1)
                    with m.Elif(item.kind == Kind.READ):
                        m.d.comb += read.eq(1)
                        m.next = "look"
                    with m.Elif(self.error != ErrorCode.NONE):
                        m.d.comb += self.i.ready.eq(1)
                    with m.Elif(item.kind == Kind.WRITE):
                        m.d.comb += [write.eq(1), self.i.ready.eq(1)]
                    with m.Else():
                        m.d.sync += [path.settings.eq(check.o), label.eq(item.word)]
                        m.next = "check"
            with m.State("look"):
                m.d.comb += read.eq(1)
                m.d.sync += [self.o.payload.eq(self._found(path)), self.o.valid.eq(1)]
                m.next = "give"
            with m.State("give"):
                with m.If(self.o.ready):
                    m.d.sync += self.o.valid.eq(0)
                    m.d.comb += self.i.ready.eq(1)
                    m.next = "take"
            with m.State("check"):
                m.next = "run"
                m.d.comb += path.start.eq(1)
                wrong_label = (item.address == Phase.READOUT) & (
                    (label > path.settings.classes_last) | ~path.settings.per_window)
                with m.If((check.error != ErrorCode.NONE) | wrong_label):
                    m.d.comb += [path.start.eq(0), self.i.ready.eq(1)]
                    m.d.sync += self.error.eq(Mux(
                        check.error != ErrorCode.NONE, check.error, ErrorCode.LABEL))
                    m.next = "take"
            with m.State("run"):
                m.d.comb += self.busy.eq(1)
                with m.If(~path.busy):
                    m.d.comb += self.i.ready.eq(1)
                    m.next = "take"
        with m.If(path.overflow):
            m.d.sync += self.error.eq(ErrorCode.OVERFLOW)
        self._write(m, write, check, path)
        self._place(m, write, read, path)
        self._count(m, write, path)
        return m

    def _write(self, m: Module, write, check, path) -> None:
        """Keep settings, load shifts."""
        item = self.i.p
        words = Signal.like(check.raw.words)
        m.d.comb += [check.raw.words.eq(words), path.shift.eq(item.word)]
        for setting in Setting:
            with m.If(write & (item.target == Target.SETTING)
                      & (item.address == setting.value)):
                m.d.sync += words[setting.value].eq(item.word)
        wrong = (item.target == Target.SHIFT) & (item.word[:16] > 31)
        with m.If(write & wrong):
            m.d.sync += self.error.eq(ErrorCode.SHIFT)
        m.d.comb += path.load.eq(Cat(
            write & ~wrong & (item.target == Target.SHIFT) & (item.address == index)
            for index in range(len(SHIFTS))))

    def _place(self, m: Module, write, read, path) -> None:
        """Let instructions at memories."""
        item, lanes = self.i.p, self.config.lanes
        place = Signal(packet_layout(self.config))
        store = item.target >= FIRST_STORE
        m.d.comb += [
            place.group.eq(item.address[:5]), place.step.eq(item.address[5:9]),
            place.pixel.eq(item.address[9:]), path.place.eq(place), path.spike.eq(place),
            path.error.eq(place), path.place.valid.eq(read),
            path.spike.valid.eq(write & (item.target == Target.SPIKES)),
            path.error.valid.eq(write & (item.target == Target.ERRORS)),
            path.access.write.eq(write & store), path.access.read.eq(read & store),
            path.access.store.eq(item.target - FIRST_STORE),
            path.access.address.eq(item.address), path.access.word.as_value().eq(item.word),
            path.logit.eq(item.address),
            *(path.spike.values[lane].eq(item.word[lane]) for lane in range(lanes)),
            *(path.error.values[lane].eq(item.word.word_select(lane, 8).as_signed())
              for lane in range(lanes)),
        ]

    def _found(self, path):
        """Return what an instruction reads."""
        item = self.i.p
        found = Mux(item.target == Target.SETTING, 0, path.masters.as_value())
        for target, value in (
                (Target.SPIKES, path.fired), (Target.ERRORS, path.dx),
                (Target.LOGIT, path.logits[:32]), (Target.STATUS, self.error),
                (Target.SHIFT, data.View(data.ArrayLayout(5, len(SHIFTS)), Cat(path.shifts))[
                    item.address[:4]]),
                (Target.COUNTER, self._counters[item.address[:4]])):
            found = Mux(item.target == target, value, found)
        return found

    def _count(self, m: Module, write, path) -> None:
        """Count cycles of phases, and what happens."""
        item, happening = self.i.p, path.happening
        steps = {name: sum(getattr(cluster, field) for cluster in happening.clusters)
                 for name, field in _EVENTS.items()}
        for name in COUNTERS[12:]:
            steps[name] = getattr(happening, name)
        for index, name in enumerate(COUNTERS[:4]):
            phases = [phase for phase, counter in enumerate(_PHASE_COUNTERS) if counter == index]
            steps[name] = path.busy & reduce(or_, (item.address == phase for phase in phases))
        for index, name in enumerate(COUNTERS):
            m.d.sync += self._counters[index].eq(self._counters[index] + steps[name])
            with m.If(write & (item.target == Target.COUNTER)):
                m.d.sync += self._counters[index].eq(0)
