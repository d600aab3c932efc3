# SPDX-License-Identifier: Apache-2.0
"""Softmax of rows of scores that come one by one."""

from amaranth import Array, Cat, Const, Module, Mux, Signal, Value, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from ..config import VitConfig
from .layouts import scale_layout, score_layout
from .reciprocal import Reciprocal

__all__ = ["Softmax"]


class Softmax(wiring.Component):
    """Turn rows of scores into probabilities.

    ::

        t[i] = (max(x) - x[i]) * gain >> shift
        e[i] = table[t[i] % 2**index_bits] >> (t[i] // 2**index_bits)
        p[i] = (e[i] * mantissa + half) >> (exponent + reciprocal_bits - probability_bits)

    where ``table[j]`` is ``2**(power_bits - j / 2**index_bits)``, rounded, and mantissa and
    exponent are the reciprocal of the sum of all e. A probability that is rounded up to
    ``2**probability_bits`` is one less.

    Equal in every bit to ``spikeloom.models.golden.softmax.softmax``.

    Latency: from the last score of a row of N to its first probability at most
    ``N + powers_bits + reciprocal_bits + 12`` cycles.
    Throughput: a row of N in ``3 N`` cycles and that latency less N; no row overlaps the next.
    Back-pressure: a probability that waits on ``o`` stops those behind it.
    Reset: synchronous; drops the row at work.

    Parameters
    ----------
    config : VitConfig

    Members
    -------
    scale : In(scale_layout())
        Unit of the scores, static while rows are at work.
    i : In(stream.Signature(score_layout(config)))
        Scores; at most max_tokens in a row.
    o : Out(stream.Signature(unsigned(probability_bits)))
        Probabilities, in the order of the scores.
    """

    scale: data.View
    i: stream.Interface
    o: stream.Interface

    def __init__(self, config: VitConfig):
        self.config = config
        super().__init__({
            "scale": In(scale_layout()),
            "i": In(stream.Signature(score_layout(config))),
            "o": Out(stream.Signature(unsigned(config.probability_bits))),
        })

    def elaborate(self, platform):
        m = Module()
        config = self.config
        m.submodules.reciprocal = inverse = Reciprocal(config.powers_bits, config.reciprocal_bits)
        count, place = (Signal(range(config.max_tokens + 1), name=name)
                        for name in ("count", "place"))
        highest = Signal(signed(config.score_bits))
        total = Signal(config.powers_bits)
        take, add, give, sent = Signal(), Signal(), Signal(), Signal()
        value = self.i.p.value
        m.d.comb += [take.eq(self.i.valid & self.i.ready), inverse.i.payload.eq(total)]
        with m.If(take):
            m.d.sync += count.eq(count + 1)
            with m.If((count == 0) | (value > highest)):
                m.d.sync += highest.eq(value)
        with m.FSM():
            with m.State("take"):
                m.d.comb += self.i.ready.eq(1)
                with m.If(self.i.valid & self.i.p.last):
                    m.next = "add"
            with m.State("add"):
                m.d.comb += add.eq(1)
                with m.If(sent):
                    m.d.sync += place.eq(0)
                    m.next = "divide"
            with m.State("divide"):
                m.d.comb += inverse.i.valid.eq(1)
                with m.If(inverse.i.ready):
                    m.next = "give"
            with m.State("give"):
                m.d.comb += [give.eq(inverse.o.valid), inverse.o.ready.eq(sent)]
                with m.If(sent):
                    m.d.sync += [count.eq(0), place.eq(0), total.eq(0)]
                    m.next = "take"
        issue = (add | give) & (place != count)
        advance = self._weigh(m, take, issue, add, count, place, highest, total, inverse.o.p, sent)
        with m.If(advance & issue):
            m.d.sync += place.eq(place + 1)
        return m

    def _weigh(self, m: Module, take, issue, add, count, place, highest, total, inverse,
               sent) -> Signal:
        """Send the scores kept through four stages, once to add up their powers and once to give
        their probabilities; return when the stages move."""
        config = self.config
        m.submodules.scores = memory = Memory(
            shape=signed(config.score_bits), depth=config.max_tokens, init=[])
        write, read = memory.write_port(), memory.read_port()
        advance, open_, full = Signal(), Signal(), Signal(4)  # stages that hold a score
        distance = Signal(config.score_bits)
        scaled, steps = (Signal(config.score_bits + 8, name=name) for name in ("scaled", "steps"))
        power = Signal(config.power_bits + 1)
        share = Signal(config.probability_bits + 1)
        places = inverse.exponent + (config.reciprocal_bits - config.probability_bits)
        m.d.comb += [
            write.addr.eq(count), write.data.eq(self.i.p.value), write.en.eq(take),
            read.addr.eq(place), read.en.eq(advance),
            open_.eq(~self.o.valid | self.o.ready), advance.eq(open_ | add),
            sent.eq((count != 0) & (place == count) & ~full.any()),
            steps.eq(scaled >> self.scale.shift),
            share.eq((power * inverse.mantissa
                      + ((Const(1, config.powers_bits + config.reciprocal_bits) << places) >> 1)
                      ) >> places),
        ]
        with m.If(open_):
            m.d.sync += self.o.valid.eq(full[3] & ~add)
        with m.If(advance):
            m.d.sync += [full.eq(Cat(issue, full)), distance.eq(highest - read.data),
                         scaled.eq(distance * self.scale.gain), power.eq(self._power(steps))]
            with m.If(add & full[3]):
                m.d.sync += total.eq(total + power)
        with m.If(open_):
            m.d.sync += self.o.payload.eq(
                Mux(share[-1], (1 << config.probability_bits) - 1, share))
        return advance

    def _power(self, steps) -> Value:
        """Return ``2**power_bits`` after some steps down."""
        config = self.config
        count = 1 << config.index_bits
        table = Array(Const(round(2.0 ** (config.power_bits - j / count)), config.power_bits + 1)
                      for j in range(count))
        far = steps >> config.index_bits
        return table[steps[:config.index_bits]] >> Mux(far > config.power_bits + 1,
                                                       config.power_bits + 1,
                                                       far[:(config.power_bits + 1).bit_length()])
