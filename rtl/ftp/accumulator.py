# SPDX-License-Identifier: Apache-2.0
"""Accumulators of a TPPE: one psum for each timestep."""

from amaranth import Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.fifo import SyncFIFO
from amaranth.lib.wiring import In, Out

from ..config import FTPConfig
from .inner_join import pair_layout, speculation_layout
from .layouts import psums_layout

__all__ = ["Accumulator", "output_layout"]


def output_layout(config: FTPConfig) -> data.StructLayout:
    """Return the result of one fiber pair.

    Members
    -------
    psums : psums_layout(config)
        One psum for each timestep.
    final : unsigned(1)
        As in the last chunk pair.
    """
    return data.StructLayout({"psums": psums_layout(config), "final": unsigned(1)})


class Accumulator(wiring.Component):
    """Sum the weights of the matched pairs into the timesteps in which their neuron fired.

    ``fast_fast``: ``psum[t] += weight`` where bit t of the word is set. ``fast_laggy`` (LoAS,
    MICRO 2024): ``pseudo += weight`` on speculation, ``correction[t] += weight`` where bit t of
    the word is clear, ``psum[t] = pseudo - correction[t]`` at the end. Sums wrap around at
    ``psum_bits``, so a psum that fits is exact whatever the pseudo sum passed through.

    Equal in every bit to ``spikeloom.models.golden.tppe.tppe``.

    Latency: 1 cycle from the last pair to ``o``. Throughput: 1 pair and 1 speculation per cycle.
    Back-pressure: while a result waits on ``o`` the next fiber pair is summed up; its last pair
    waits. Speculation may be two finished fiber pairs ahead, then ``i_speculation`` stops.
    Reset: synchronous; drops all sums.

    Parameters
    ----------
    config : FTPConfig

    Members
    -------
    i_speculation : In(stream.Signature(speculation_layout(config)))
        Weights ahead of their words (``fast_laggy``).
    i : In(stream.Signature(pair_layout(config)))
        Matched pairs.
    o : Out(stream.Signature(output_layout(config)))
        Psums of one fiber pair.
    """

    i_speculation: stream.Interface
    i: stream.Interface
    o: stream.Interface

    def __init__(self, config: FTPConfig):
        self.config = config
        super().__init__({
            "i_speculation": In(stream.Signature(speculation_layout(config))),
            "i": In(stream.Signature(pair_layout(config))),
            "o": Out(stream.Signature(output_layout(config))),
        })

    def elaborate(self, platform):
        m = Module()
        laggy = self.config.inner_join == "fast_laggy"
        sums = Signal(psums_layout(self.config))
        sums_next = Signal(psums_layout(self.config))
        results = Signal(psums_layout(self.config))
        pseudo = self._speculate(m) if laggy else None

        if pseudo is None and self.config.is_serial:
            self._accumulate_alone(m, sums)
            return m
        o_free, fire = Signal(), Signal()
        m.d.comb += [
            o_free.eq(~self.o.valid | self.o.ready),
            self.i.ready.eq(~self.i.p.last | o_free),
            fire.eq(self.i.valid & self.i.ready),
        ]
        for t in range(self.config.timesteps):
            counts = self.i.p.word[t] ^ laggy
            weight = Mux(self.i.p.hit & counts, self.i.p.weight, 0)
            m.d.comb += sums_next[t].eq(sums[t] + weight)
            result = sums_next[t] if pseudo is None else pseudo - sums_next[t]
            m.d.comb += results[t].eq(result)
        with m.If(o_free):
            m.d.sync += self.o.valid.eq(0)
        with m.If(fire):
            m.d.sync += sums.eq(sums_next)
        with m.If(fire & self.i.p.last):
            m.d.sync += [sums.eq(0), self.o.valid.eq(1)]
            m.d.sync += [self.o.p.psums.eq(results), self.o.p.final.eq(self.i.p.final)]
        return m

    def _accumulate_alone(self, m: Module, sums) -> None:
        """Add the sums, which wait on ``o`` themselves; until they have left ``i`` stops."""
        weight = Mux(self.i.p.hit, self.i.p.weight, 0)
        m.d.comb += [self.i.ready.eq(~self.o.valid), self.o.p.psums.eq(sums)]
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [self.o.valid.eq(self.i.p.last), self.o.p.final.eq(self.i.p.final)]
            for t in range(self.config.timesteps):
                m.d.sync += sums[t].eq(sums[t] + Mux(self.i.p.word[t], weight, 0))
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += [self.o.valid.eq(0), sums.eq(0)]

    def _speculate(self, m: Module):
        """Add the pseudo-accumulator; return the pseudo sum of the fiber pair that ends next."""
        shape = signed(self.config.psum_bits)
        m.submodules.pseudo_sums = finished = SyncFIFO(width=self.config.psum_bits, depth=2)
        pseudo, total = Signal(shape), Signal(shape)
        weight = Mux(self.i_speculation.p.hit, self.i_speculation.p.weight, 0)
        fire = Signal()
        m.d.comb += [
            total.eq(pseudo + weight),
            self.i_speculation.ready.eq(finished.w_rdy),
            fire.eq(self.i_speculation.valid & self.i_speculation.ready),
            finished.w_data.eq(total),
            finished.w_en.eq(fire & self.i_speculation.p.last),
            finished.r_en.eq(self.i.valid & self.i.ready & self.i.p.last),
        ]
        with m.If(fire):
            m.d.sync += pseudo.eq(Mux(self.i_speculation.p.last, 0, total))
        return finished.r_data.as_signed()
