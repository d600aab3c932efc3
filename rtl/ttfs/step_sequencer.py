# SPDX-License-Identifier: Apache-2.0
"""Step sequencer: one global time for all layers."""

from amaranth import Module, Signal, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..config import TTFSConfig
from ..ftp.layouts import index_range

__all__ = ["StepSequencer"]


class StepSequencer(wiring.Component):
    """Run an image: clear, first layer, then step after step until all is said.

    A step gives out the spikes of its time, waits until they and all spikes that follow from
    them in the same step have been added, then updates the neurons that move. A step in which
    nothing spikes and nothing moves takes one cycle. The run ends with the first step in which a
    class spikes, if it is to exit early; else when no spike is to come and no neuron moves, or
    with the last time.

    Latency: see the schedule above. Throughput: 1 image at a time.
    Back-pressure: none.
    Reset: synchronous; ends the run.

    Parameters
    ----------
    config : TTFSConfig

    Members
    -------
    begin : In(1)
        An image begins to arrive: clear.
    groups : In(range(max(config.neuron_groups, config.time_groups) + 1))
        Groups to clear.
    run : In(1)
        The image is there.
    early_exit : In(1)
        End with the first spike of a class.
    clear : Out(1)
        Clear the groups at ``address``.
    address : Out(index_range(max(config.neuron_groups, config.time_groups)))
        Of the groups to clear.
    forget : Out(1)
        Forget spikes and groups that are awake, of the image before.
    first : Out(1)
        High for one cycle: begin the first layer.
    first_busy : In(1)
        Whether it is at work.
    time : Out(unsigned(config.time_bits))
        The present step.
    take : Out(1)
        Give out the spikes of this step.
    pending : In(1)
        Whether there are any.
    coming : In(1)
        Whether there are spikes of any time.
    events_busy : In(1)
        Whether spikes are under way.
    update : Out(1)
        Update the groups that are awake.
    awake : In(1)
        Whether there are any.
    neurons_busy : In(1)
        Whether an event or an update is under way.
    decided : In(1)
        Whether a class has spiked.
    step : Out(1)
        High in the first cycle of each step.
    counting : Out(1)
        High while the image is at work.
    finish : Out(1)
        High for one cycle at the end.
    """

    begin: Signal
    groups: Signal
    run: Signal
    early_exit: Signal
    clear: Signal
    address: Signal
    forget: Signal
    first: Signal
    first_busy: Signal
    time: Signal
    take: Signal
    pending: Signal
    coming: Signal
    events_busy: Signal
    update: Signal
    awake: Signal
    neurons_busy: Signal
    decided: Signal
    step: Signal
    counting: Signal
    finish: Signal

    def __init__(self, config: TTFSConfig):
        self.config = config
        most = max(config.neuron_groups, config.time_groups)
        super().__init__({
            "begin": In(1), "groups": In(range(most + 1)), "run": In(1), "early_exit": In(1),
            "clear": Out(1), "address": Out(index_range(most)), "forget": Out(1),
            "first": Out(1), "first_busy": In(1),
            "time": Out(unsigned(config.time_bits)),
            "take": Out(1), "pending": In(1), "coming": In(1), "events_busy": In(1),
            "update": Out(1), "awake": In(1), "neurons_busy": In(1), "decided": In(1),
            "step": Out(1), "counting": Out(1), "finish": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        ready = Signal()  # the image waits until all is cleared
        last = Signal()
        busy = self.events_busy | self.neurons_busy
        m.d.comb += last.eq(self.time == self.config.silent - 1)
        with m.If(self.run):
            m.d.sync += [ready.eq(1), self.counting.eq(1)]

        def next_step() -> None:
            m.d.sync += self.time.eq(self.time + 1)
            m.next = "STEP"

        def leave() -> None:
            m.d.comb += self.finish.eq(1)
            m.d.sync += self.counting.eq(0)
            m.next = "IDLE"

        with m.FSM():
            with m.State("IDLE"):
                m.d.sync += [self.time.eq(0), self.address.eq(0)]
                with m.If(self.begin):
                    m.next = "CLEAR"
            with m.State("CLEAR"):
                m.d.comb += [self.forget.eq(1), self.clear.eq(1)]
                m.d.sync += self.address.eq(self.address + 1)
                with m.If(self.address + 1 >= self.groups):
                    m.next = "FORGET"
            with m.State("FORGET"):
                m.d.comb += self.forget.eq(1)
                with m.If(ready & ~self.awake):
                    m.d.sync += ready.eq(0)
                    m.d.comb += self.first.eq(1)
                    m.next = "FIRST"
            with m.State("FIRST"):
                with m.If(~self.first_busy & ~busy):
                    m.next = "STEP"
            with m.State("STEP"):
                m.d.comb += [self.step.eq(1), self.take.eq(self.pending),
                             self.update.eq(~self.pending & self.awake)]
                with m.If(self.pending):
                    m.next = "EVENTS"
                with m.Elif(self.awake):
                    m.next = "UPDATE"
                with m.Elif(~self.coming | last):
                    leave()
                with m.Else():
                    next_step()
            with m.State("EVENTS"):
                with m.If(~busy):
                    m.d.comb += [self.take.eq(self.pending),
                                 self.update.eq(~self.pending & self.awake)]
                    with m.If(~self.pending):
                        m.next = "UPDATE"
            with m.State("UPDATE"):
                with m.If(~busy):
                    with m.If((self.early_exit & self.decided) | last):
                        leave()
                    with m.Else():
                        next_step()
        return m
