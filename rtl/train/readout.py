# SPDX-License-Identifier: Apache-2.0
"""Readout of a training core: classes from spike counts, and the error of the spikes."""

import math
from typing import Any

from amaranth import Array, Cat, Const, Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from ..config import TrainConfig
from ..ftp.layouts import index_range
from .layouts import address_bits, lane_exists, settings_layout, sums_layout
from .weight_store import WeightStore, update_signature

__all__ = ["POWERS", "Readout"]

POWERS = tuple(round(255 * math.exp(-step / 16)) for step in range(128))
_QUOTIENT_BITS = 7


class Readout(wiring.Component):
    """Classify an image by the spikes of its windows, and send back what was wrong.

    One after the other: logits, their softmax, errors of the windows' spikes, gradients.

    Same result as ``spikeloom.models.golden.tt_readout.read_out``.

    Latency: of an image, classes * (3 * words + 10) cycles and some, with words of ``L`` counts.
    Throughput: 1 word of weights per cycle. Back-pressure: none.
    Reset: synchronous; stops, memories keep what they hold.

    Parameters
    ----------
    config : TrainConfig

    Members
    -------
    settings : In(settings_layout(config))
        Static while the readout works.
    start : In(1)
        Begin.
    label : In(index_range(max_classes))
        Of the image.
    busy : Out(1)
        At work.
    count_read : Out(1)
        Read a word of counts.
    count_address : Out(index_range(max_windows * output_groups))
        Window times output_groups, and group.
    counts : In(data.ArrayLayout(unsigned(8), lanes))
        Spikes of a window, a cycle later; at most 127.
    o : Out(sums_layout(config))
        Errors of the spikes of a window, which stands for ``pixel``.
    overflow : Out(1)
        A sum of gradients has more than 32 bits.
    logit : In(index_range(max_classes))
        Which one to show.
    logits : Out(signed(32))
        That of the image before.
    update : In(update_signature(config, depth))
        Between batches.
    """

    settings: data.View
    start: Signal
    label: Signal
    busy: Signal
    count_read: Signal
    count_address: Signal
    counts: data.View
    o: data.View
    overflow: Signal
    logit: Signal
    logits: Signal
    update: Any

    def __init__(self, config: TrainConfig):
        self.config = config
        self.depth = config.max_classes * config.output_groups * config.max_windows
        super().__init__({
            "settings": In(settings_layout(config)), "start": In(1),
            "label": In(index_range(config.max_classes)), "busy": Out(1),
            "count_read": Out(1),
            "count_address": Out(index_range(config.max_windows * config.output_groups)),
            "counts": In(data.ArrayLayout(unsigned(8), config.lanes)),
            "o": Out(sums_layout(config)), "overflow": Out(1),
            "logit": In(index_range(config.max_classes)), "logits": Out(signed(32)),
            "update": In(update_signature(config, self.depth)),
        })

    def elaborate(self, platform):
        m = Module()
        config = self.config
        m.submodules.store = store = WeightStore(config, self.depth)
        connect(m, flipped(self.update), store.update)
        number, group, window = (Signal(index_range(count), name=name) for name, count in (
            ("number", config.max_classes), ("group", config.max_groups),
            ("window", config.max_windows)))
        logits, powers, errors = (
            Array(Signal(shape, name=f"{name}_{k}") for k in range(config.max_classes))
            for name, shape in (("logit", signed(32)), ("power", 8), ("error", signed(8))))
        largest, total = Signal(signed(32)), Signal(range(255 * config.max_classes + 1))
        remainder, divisor = Signal(24), Signal(24)
        quotient, wait = Signal(_QUOTIENT_BITS), Signal(range(_QUOTIENT_BITS + 1))
        forward, gradient, issue = Signal(), Signal(), Signal()
        now = self.settings
        last = (number == now.classes_last, group == now.outputs_last >> config.lane_bits,
                window == now.windows_last)
        order = ((number, last[0]), (group, last[1]), (window, last[2]))
        done = last[0] & last[1] & last[2]
        m.d.comb += [self.overflow.eq(store.overflow), self.logits.eq(logits[self.logit]),
                     self.busy.eq(1)]
        distance = Signal(range(128))
        gap = Signal(signed(33))
        m.d.comb += [gap.eq(largest - logits[number]), distance.eq(Mux(gap > 127, 127, gap))]
        power = Array(map(Const, POWERS))[distance]
        with m.FSM():
            with m.State("idle"):
                m.d.comb += self.busy.eq(0)
                with m.If(self.start):
                    m.next = "logits"
            with m.State("logits"):
                m.d.comb += [issue.eq(1), forward.eq(1)]
                m.d.sync += [wait.eq(4), total.eq(0)]
                self._nest(m, (*order[1:], order[0]))
                with m.If(done):
                    m.next = "drain_logits"
            with m.State("drain_logits"):
                m.d.comb += forward.eq(1)
                m.d.sync += wait.eq(wait - 1)
                with m.If(wait == 0):
                    m.next = "powers"
            with m.State("powers"):
                m.d.sync += [powers[number].eq(power), total.eq(total + power)]
                self._nest(m, order[:1])
                with m.If(last[0]):
                    m.next = "divide"
            with m.State("divide"):
                m.d.sync += [remainder.eq(127 * powers[number] + (total >> 1)),
                             divisor.eq(total << (_QUOTIENT_BITS - 1)), wait.eq(_QUOTIENT_BITS)]
                m.next = "subtract"
            with m.State("subtract"):
                fits = remainder >= divisor
                m.d.sync += [wait.eq(wait - 1), divisor.eq(divisor >> 1),
                             quotient.eq(Cat(fits, quotient)),
                             remainder.eq(Mux(fits, remainder - divisor, remainder))]
                with m.If(wait == 0):
                    m.d.sync += errors[number].eq(
                        quotient - Mux(number == self.label, 127, 0))
                    self._nest(m, order[:1])
                    m.next = "divide"
                    with m.If(last[0]):
                        m.next = "errors"
            with m.State("errors"):
                m.d.comb += issue.eq(1)
                self._nest(m, order)
                with m.If(done):
                    m.next = "gradients"
            with m.State("gradients"):
                m.d.comb += [issue.eq(1), gradient.eq(1)]
                m.d.sync += wait.eq(4)
                self._nest(m, order)
                with m.If(done):
                    m.next = "drain"
            with m.State("drain"):
                m.d.comb += gradient.eq(1)
                m.d.sync += wait.eq(wait - 1)
                with m.If(wait == 0):
                    m.next = "idle"
        first = Mux(forward, (group == 0) & (window == 0), number == 0)
        final = Mux(forward, last[1] & last[2], last[0])
        self._compute(m, store, (issue, forward, gradient, first, final),
                      (number, group, window), errors, logits, largest)
        return m

    def _nest(self, m: Module, loops) -> None:
        """Let each counter go on when those before it end."""
        carry = Const(1)
        for index, last in loops:
            with m.If(carry):
                m.d.sync += index.eq(Mux(last, 0, index + 1))
            carry = carry & last

    def _compute(self, m: Module, store, flags, place, errors, logits, largest) -> None:
        """Multiply and add; ``flags`` and ``place`` belong to what is being read."""
        config, lanes = self.config, self.config.lanes
        issue, forward, gradient, first, final = flags
        number, group, window = place
        groups = Cat(group[:address_bits(config.output_groups)], window)
        where = Signal(index_range(self.depth))
        m.d.comb += [
            where.eq(Cat(number[:address_bits(config.max_classes)], groups)),
            store.address.eq(where), store.read.eq(issue & ~gradient),
            self.count_address.eq(groups), self.count_read.eq(issue),
        ]
        valid = Signal(3)
        read, added = ([Signal.like(value, name=f"{name}_{k}") for k, value in enumerate(
            (forward, gradient, first, final, number, group, window))]
            for name in ("read", "added"))
        ended = [Signal.like(value, name=f"ended_{k}") for k, value in enumerate(read)]
        m.d.sync += [valid.eq(Cat(issue, valid))]
        for target, value in (*zip(read, (forward, gradient, first, final, *place), strict=True),
                              *zip(added, read, strict=True), *zip(ended, added, strict=True)):
            m.d.sync += target.eq(value)
        at = Signal.like(where)
        m.d.sync += at.eq(where)
        m.d.comb += [store.add.eq(valid[0] & read[1]), store.place.eq(at)]
        error, products = errors[read[4]], []
        totals = [Signal(signed(32), name=f"sum_{lane}") for lane in range(lanes)]
        for lane, total in enumerate(totals):
            product = Signal(signed(17), name=f"product_{lane}")
            exists = lane_exists(lane, read[5], self.settings.outputs_last, config.lane_bits)
            count = self.counts[lane]
            m.d.sync += product.eq(Mux(
                exists, Mux(read[0] | read[1], count.as_signed(), store.copies[lane])
                * Mux(read[0], store.copies[lane], error), 0))
            products.append(product)
            m.d.comb += [store.gradients[lane].eq(product), self.o.values[lane].eq(total)]
        sums = [Mux(added[0], sum(products), products[0]), *products[1:]]  # a logit in lane 0
        for total, more in zip(totals, sums, strict=True):
            with m.If(valid[1]):
                m.d.sync += total.eq(Mux(added[2], 0, total) + more)
        dot = totals[0]
        rounded, logit = Signal(signed(34)), Signal(signed(32))
        m.d.comb += [
            rounded.eq((dot + ((Const(1, 32) << self.settings.shift_logits) >> 1))
                       >> self.settings.shift_logits),
            logit.eq(rounded[:32]),
            self.o.valid.eq(valid[2] & ended[3] & ~ended[0] & ~ended[1]),
            self.o.group.eq(ended[5]), self.o.pixel.eq(ended[6]), self.o.back.eq(1),
        ]
        with m.If(valid[2] & ended[3] & ended[0]):
            m.d.sync += logits[ended[4]].eq(logit)
            with m.If((ended[4] == 0) | (logit > largest)):
                m.d.sync += largest.eq(logit)
