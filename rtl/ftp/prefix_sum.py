# SPDX-License-Identifier: Apache-2.0
"""Prefix sums over a bitmask: where in the packed values does each position lie."""

from amaranth import Module, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..config import FTPConfig

__all__ = ["PrefixSumFast", "PrefixSumLaggy", "offsets_layout"]


def offsets_layout(config: FTPConfig) -> data.StructLayout:
    """Return the result of a prefix sum.

    Members
    -------
    offsets : data.ArrayLayout(range(C), C)
        Number of set bits below each position (exclusive prefix sum).
    count : range(C + 1)
        Number of set bits.
    """
    return data.StructLayout({
        "offsets": data.ArrayLayout(unsigned((config.chunk - 1).bit_length()), config.chunk),
        "count": range(config.chunk + 1),
    })


def _inclusive_sums(m: Module, bits) -> list:
    """Add a Sklansky prefix tree, ``log2(len(bits))`` adders deep; return its inclusive sums."""
    sums = list(bits)
    width = len(sums)
    for level in range((width - 1).bit_length()):
        block = 1 << level
        below = list(sums)
        for position in range(width):
            if position & block:
                total = Signal(range(2 * block + 1), name=f"sum_{level}_{position}")
                carry_in = below[(position & ~(block - 1)) - 1]
                m.d.comb += total.eq(below[position] + carry_in)
                sums[position] = total
    return sums


class PrefixSumFast(wiring.Component):
    """All offsets of a mask at once, by a tree of ``C/2 * log2(C)`` adders.

    ``offsets[p] = popcount(mask[0..p-1])`` (LoAS, MICRO 2024, TPPE; SparTen, MICRO 2019).
    Equal in every bit to ``spikeloom.models.golden.prefix_sum.prefix_sum``.

    Latency: 1 cycle. Throughput: 1 mask per cycle.
    Back-pressure: a result that waits on ``o`` stops ``i`` in the same cycle.
    Reset: synchronous; drops a waiting result.

    Parameters
    ----------
    config : FTPConfig

    Members
    -------
    i : In(stream.Signature(C))
        Bitmask.
    o : Out(stream.Signature(offsets_layout(config)))
        Its offsets and its population count.
    """

    i: stream.Interface
    o: stream.Interface

    def __init__(self, config: FTPConfig):
        self.config = config
        super().__init__({
            "i": In(stream.Signature(config.chunk)),
            "o": Out(stream.Signature(offsets_layout(config))),
        })

    def elaborate(self, platform):
        m = Module()
        sums = _inclusive_sums(m, self.i.payload)
        m.d.comb += self.i.ready.eq(~self.o.valid | self.o.ready)
        with m.If(self.i.ready):
            m.d.sync += self.o.valid.eq(self.i.valid)
        with m.If(self.i.ready & self.i.valid):
            m.d.sync += self.o.p.count.eq(sums[-1])
            for position, total in enumerate(sums[:-1]):
                m.d.sync += self.o.p.offsets[position + 1].eq(total)
        return m


class PrefixSumLaggy(wiring.Component):
    """All offsets of a mask in ``C/A`` cycles, by ``A`` adders that walk up the mask.

    Same result as `PrefixSumFast` at a fraction of its area (LoAS, MICRO 2024, TPPE).

    Latency: ``C/A + 1`` cycles. Throughput: 1 mask per ``C/A`` cycles; the result of one mask waits
    on ``o`` while the next is computed.
    Back-pressure: with a result waiting on ``o`` the next mask is computed but for its last
    step, then ``i`` stops.
    Reset: synchronous; drops the mask at work and a waiting result.

    Parameters
    ----------
    config : FTPConfig

    Members
    -------
    i : In(stream.Signature(C))
        Bitmask.
    o : Out(stream.Signature(offsets_layout(config)))
        Its offsets and its population count.
    """

    i: stream.Interface
    o: stream.Interface

    def __init__(self, config: FTPConfig):
        self.config = config
        super().__init__({
            "i": In(stream.Signature(config.chunk)),
            "o": Out(stream.Signature(offsets_layout(config))),
        })

    def elaborate(self, platform):
        m = Module()
        adders = self.config.laggy_adders
        steps = self.config.chunk // adders
        first = self.config.chunk - adders  # position that the last step starts at
        offset_shape = unsigned((self.config.chunk - 1).bit_length())

        busy = Signal()
        step = Signal(range(max(steps, 2)))
        mask = Signal(self.config.chunk)
        total = Signal(range(self.config.chunk + 1))  # set bits below the present group
        done = Signal(data.ArrayLayout(offset_shape, max(first, 1)))
        o_free = Signal()
        finish = Signal()

        sums = _inclusive_sums(m, mask[:adders])
        group = [total] + [Signal(range(self.config.chunk + 1)) for _ in range(adders)]
        for below, result in zip(sums, group[1:], strict=True):
            m.d.comb += result.eq(total + below)

        m.d.comb += [
            o_free.eq(~self.o.valid | self.o.ready),
            finish.eq(busy & (step == steps - 1) & o_free),
            self.i.ready.eq(~busy | finish),
        ]
        with m.If(o_free):
            m.d.sync += self.o.valid.eq(finish)
        with m.If(finish):
            m.d.sync += [self.o.p.offsets[k].eq(done[k]) for k in range(first)]
            m.d.sync += [self.o.p.offsets[first + k].eq(group[k]) for k in range(adders)]
            m.d.sync += [self.o.p.count.eq(group[-1]), busy.eq(0)]
        with m.Elif(busy & (step != steps - 1)):
            m.d.sync += [mask.eq(mask >> adders), total.eq(group[-1]), step.eq(step + 1)]
            for index in range(steps - 1):
                with m.If(step == index):
                    for k in range(adders):
                        m.d.sync += done[index * adders + k].eq(group[k])
        with m.If(self.i.ready & self.i.valid):
            m.d.sync += [busy.eq(1), step.eq(0), total.eq(0), mask.eq(self.i.payload)]
        return m
