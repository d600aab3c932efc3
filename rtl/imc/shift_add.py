# SPDX-License-Identifier: Apache-2.0
"""Shift-add: from the codes of a crossbar's columns to signed results."""

from amaranth import Array, Module, Mux, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..config import CrossbarConfig
from ..ftp.layouts import index_range
from .layouts import codes_layout
from .sign_correction import counts_layout

__all__ = ["ShiftAdd", "result_layout"]


def result_layout(config: CrossbarConfig) -> data.StructLayout:
    """Return the result of one output of one macro.

    Members
    -------
    value : signed(result_bits)
        In units of ``2**-result_fraction_bits`` of a weight.
    output : index_range(outputs)
        Output that it belongs to.
    """
    return data.StructLayout({
        "value": signed(config.result_bits),
        "output": index_range(config.outputs),
    })


class ShiftAdd(wiring.Component):
    """Put the slices of weights together, and their sign.

    With ``V = sum over slices k of code[k] << b*k`` the result is ``(V+ - V-) << code_shift``
    with differential encoding, else ``V << code_shift`` less the count, which is the number of
    active wordlines (offset) or of those whose weight is below 0 (sign), times the weight of the
    sign.

    Equal in every bit to ``spikeloom.models.golden.shift_add.shift_add``.

    Latency: 1 cycle from the last beat of a read to its first result.
    Throughput: 1 beat, or 1 result, per cycle.
    Back-pressure: while results are left the next read waits.
    Reset: synchronous; drops the read at work.

    Parameters
    ----------
    config : CrossbarConfig

    Members
    -------
    i : In(stream.Signature(codes_layout(config)))
        Codes, M beats for each read.
    i_counts : In(stream.Signature(counts_layout(config)))
        Counts of each read; no differential encoding takes them.
    o : Out(stream.Signature(result_layout(config)))
        N results for each read, output 0 first.
    """

    i: stream.Interface
    i_counts: stream.Interface
    o: stream.Interface

    def __init__(self, config: CrossbarConfig):
        self.config = config
        super().__init__({
            "i": In(stream.Signature(codes_layout(config))),
            "i_counts": In(stream.Signature(counts_layout(config))),
            "o": Out(stream.Signature(result_layout(config))),
        })

    def elaborate(self, platform):
        m = Module()
        config = self.config
        turn = Signal(index_range(config.columns_per_adc))
        output = Signal(index_range(config.outputs))
        full, take, first = Signal(), Signal(), Signal()
        corrected = config.encoding != "differential"
        m.d.comb += [
            first.eq(turn == 0),
            take.eq(self.i.valid & self.i.ready),
            self.i.ready.eq(~full & (self.i_counts.valid | ~first if corrected else 1)),
            self.i_counts.ready.eq(take & first if corrected else 1),
            self.o.valid.eq(full), self.o.p.output.eq(output),
        ]
        totals = [Signal(signed(config.result_bits), name=f"total_{n}")
                  for n in range(config.outputs)]
        m.d.comb += self.o.p.value.eq(Array(totals)[output])
        with m.If(take):
            m.d.sync += turn.eq(turn + 1)
            with m.If(turn == config.columns_per_adc - 1):
                m.d.sync += [turn.eq(0), full.eq(1)]
            for n, total in enumerate(totals):
                start = -(self.i_counts.payload[n % len(self.i_counts.payload)] << (
                    config.weight_bits - 1 + config.result_fraction_bits)) if corrected else 0
                m.d.sync += total.eq(Mux(first, start, total) + self._term(m, turn, n))
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += output.eq(output + 1)
            with m.If(output == config.outputs - 1):
                m.d.sync += [output.eq(0), full.eq(0)]
        return m

    def _term(self, m: Module, turn, output: int) -> Signal:
        """Return what this beat adds to an output: static for each turn."""
        config, share = self.config, self.config.columns_per_adc
        term = Signal(signed(config.result_bits), name=f"term_{output}")
        start = output * config.columns_per_output
        with m.Switch(turn):
            for now in range(share):
                parts = []
                for unit in range(config.columns_per_output):
                    adc, place = divmod(start + unit, share)
                    if place == now:
                        shift = config.cell_bits * (unit % config.slices) + config.code_shift
                        part = self.i.payload[adc] << shift
                        parts.append(-part if unit >= config.slices else part)
                if parts:
                    with m.Case(now):
                        m.d.comb += term.eq(sum(parts[1:], parts[0]))
        return term
