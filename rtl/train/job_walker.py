# SPDX-License-Identifier: Apache-2.0
"""Walks over all operands of an operation for one pixel."""

from amaranth import Cat, Const, Module, Mux, Signal, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ..config import TrainConfig
from ..ftp.layouts import index_range
from .layouts import Operation, address_bits

__all__ = ["JobWalker", "item_layout"]


def item_layout(config: TrainConfig) -> data.StructLayout:
    """Return one operand and where it belongs.

    Members
    -------
    lane : index_range(lanes)
        Input channel, its number in its group.
    inputs : index_range(max_groups)
        Group of input channels.
    outputs : index_range(max_groups)
        Group of output channels.
    tap : unsigned(4)
        Of the kernel.
    step : index_range(max_timesteps)
        Timestep.
    first : unsigned(1)
        First one of a sum; of all inputs of a group if it goes back.
    last : unsigned(1)
        Last one of it.
    bypass : unsigned(1)
        The cores do not run: a group is passed on as it is.
    """
    return data.StructLayout({
        "lane": index_range(config.lanes), "inputs": index_range(config.max_groups),
        "outputs": index_range(config.max_groups), "tap": unsigned(4),
        "step": index_range(config.max_timesteps), "first": unsigned(1), "last": unsigned(1),
        "bypass": unsigned(1)})


class JobWalker(wiring.Component):
    """Count through the loops of an operation, innermost first: FORWARD lane, inputs, tap, step,
    outputs; BACK outputs, lane, tap, step, inputs; OUTER step, lane, inputs, tap, outputs.

    Latency: none. Throughput: 1 operand per cycle. Back-pressure: none.
    Reset: synchronous; back to the first operand.

    Parameters
    ----------
    config : TrainConfig

    Members
    -------
    advance : In(1)
        Go on; behind the last operand comes the first.
    operation : In(unsigned(2))
        `Operation`.
    inputs_last : In(range(64))
        Input channels less 1.
    groups_last : In(index_range(max_groups))
        Groups of output channels less 1.
    taps_last : In(4)
        Taps less 1.
    steps_last : In(index_range(max_timesteps))
        Timesteps less 1.
    full : In(unsigned(max_timesteps))
        Timesteps at which the core runs; it passes groups on at others, and OUTER skips them.
    o : Out(item_layout(config))
        The operand.
    done : Out(1)
        It is the last one.
    """

    advance: Signal
    operation: Signal
    inputs_last: Signal
    groups_last: Signal
    taps_last: Signal
    steps_last: Signal
    full: Signal
    o: data.View
    done: Signal

    def __init__(self, config: TrainConfig):
        self.config = config
        super().__init__({
            "advance": In(1), "operation": In(unsigned(2)), "inputs_last": In(range(64)),
            "groups_last": In(index_range(config.max_groups)), "taps_last": In(4),
            "steps_last": In(index_range(config.max_timesteps)),
            "full": In(unsigned(config.max_timesteps)), "o": Out(item_layout(config)),
            "done": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        item, bits = self.o, address_bits(self.config.lanes)
        lane_last, group_last, tap_last, row_last, time_last = (
            Signal(name=name) for name in ("lane_last", "group_last", "tap_last", "row_last",
                                           "time_last"))
        time = Signal.like(item.step)
        outer = self.operation == Operation.OUTER
        first_step, next_step, final_step = self._steps(m, item.step)
        m.d.comb += [
            item.step.eq(Mux(outer & (time < first_step), first_step, time)),
            item.bypass.eq(~outer & ~self.full.bit_select(time, 1)),
            group_last.eq(item.inputs == self.inputs_last >> bits),
            lane_last.eq(item.bypass | (item.lane == self.config.lanes - 1)
                         | (Cat(item.lane[:bits], item.inputs) == self.inputs_last)),
            tap_last.eq(item.bypass | (item.tap == self.taps_last)),
            row_last.eq(item.outputs == self.groups_last),
            time_last.eq(Mux(outer, item.step == final_step, time == self.steps_last)),
        ]
        passed = Signal()  # groups, with one item each
        m.d.comb += passed.eq(item.bypass)
        lane, tap = (item.lane, lane_last), (item.tap, tap_last)
        group, row = (item.inputs, group_last), (item.outputs, row_last)
        start = (item.lane == 0) & (item.tap == 0)
        with m.Switch(self.operation):
            with m.Case(Operation.FORWARD):
                ends = lane_last & (group_last | passed) & tap_last
                m.d.comb += [item.first.eq(start & (item.inputs == 0)), item.last.eq(ends)]
                self._nest(m, (lane, (item.inputs, group_last | passed), tap, (time, time_last),
                               row))
            with m.Case(Operation.BACK):
                ends = (row_last | passed) & tap_last & lane_last
                m.d.comb += [item.first.eq(start & (item.outputs == 0)), item.last.eq(ends)]
                self._nest(m, ((item.outputs, row_last | passed), lane, tap, (time, time_last),
                               group))
            with m.Case(Operation.OUTER):
                m.d.comb += [item.first.eq(item.step == first_step), item.last.eq(time_last)]
                self._nest(m, ((time, time_last, next_step), lane, group, tap, row))
        return m

    def _steps(self, m: Module, now):
        """Return the first timestep at which the core runs, the one after ``now``, the last."""
        count = self.config.max_timesteps
        first, following, final = (Signal(index_range(count), name=name)
                                   for name in ("first_step", "next_step", "final_step"))
        for step in reversed(range(count)):
            with m.If(self.full[step]):
                m.d.comb += first.eq(step)
            if step:
                with m.If(self.full[step] & (step > now)):
                    m.d.comb += following.eq(step)
        for step in range(count):
            with m.If(self.full[step]):
                m.d.comb += final.eq(step)
        return first, following, final

    def _nest(self, m: Module, loops) -> None:
        """Let each counter go on when those before it end."""
        carry = self.advance
        done = Const(1)
        for index, last, *following in loops:
            with m.If(carry):
                m.d.sync += index.eq(Mux(last, 0, *(following or [index + 1])))
            carry, done = carry & last, done & last
        m.d.comb += self.done.eq(done)
