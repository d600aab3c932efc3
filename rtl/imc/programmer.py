# SPDX-License-Identifier: Apache-2.0
"""Programmer: write and verify, cell by cell, and what it took."""

from amaranth import Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..config import CrossbarConfig
from ..ftp.layouts import index_range
from .layouts import program_layout, target_layout

__all__ = ["Programmer", "effort_layout"]


def effort_layout(config: CrossbarConfig) -> data.StructLayout:
    """Return what programming took since reset; the counters wrap around.

    Members
    -------
    pulses : unsigned(counter_bits)
        Programming pulses.
    verify_reads : unsigned(counter_bits)
        Reads of single cells.
    failures : unsigned(counter_bits)
        Cells that did not reach their target with ``max_pulses`` pulses.
    """
    return data.StructLayout({name: unsigned(config.counter_bits)
                              for name in ("pulses", "verify_reads", "failures")})


class Programmer(wiring.Component):
    """Bring each cell to its target: read it, pulse towards the target, read again.

    Equal in every bit to ``spikeloom.models.golden.programmer.program``.

    Latency: 4 cycles from a target to ``done`` of a cell that has it. Throughput: 1 pulse and
    its verify read in 5 cycles.
    Back-pressure: a pulse or read that waits on ``o`` holds the target on ``i``.
    Reset: synchronous; drops the cell at work, clears the counters.

    Parameters
    ----------
    config : CrossbarConfig

    Members
    -------
    i : In(stream.Signature(target_layout(config)))
        Cells and their targets.
    tile : Out(index_range(tiles))
        Macro that ``o`` and ``i_verify`` belong to.
    o : Out(stream.Signature(program_layout(config)))
        Pulses and reads for that macro.
    i_verify : In(stream.Signature(unsigned(cell_word_bits)))
        Its answer.
    effort : Out(effort_layout(config))
        What it took.
    """

    i: stream.Interface
    tile: Signal
    o: stream.Interface
    i_verify: stream.Interface
    effort: data.View

    def __init__(self, config: CrossbarConfig):
        self.config = config
        super().__init__({
            "i": In(stream.Signature(target_layout(config))),
            "tile": Out(index_range(config.tiles)),
            "o": Out(stream.Signature(program_layout(config))),
            "i_verify": In(stream.Signature(unsigned(config.cell_word_bits))),
            "effort": Out(effort_layout(config)),
        })

    def elaborate(self, platform):
        m = Module()
        strongest = (1 << self.config.pulse_bits) - 1
        value = Signal(self.config.cell_word_bits)
        pulses = Signal(range(self.config.max_pulses + 1))
        missing = Signal(signed(self.config.cell_word_bits + 1))
        distance = Signal(self.config.cell_word_bits)
        exhausted = Signal()
        m.d.comb += [
            missing.eq(self.i.p.value - value),
            distance.eq(Mux(missing < 0, -missing, missing)),
            exhausted.eq(pulses == self.config.max_pulses),
            self.tile.eq(self.i.p.tile),
            self.o.p.row.eq(self.i.p.row), self.o.p.column.eq(self.i.p.column),
            self.o.p.down.eq(missing < 0),
            self.o.p.amplitude.eq(Mux(distance > strongest, strongest, distance)),
        ]
        with m.FSM():
            with m.State("idle"):
                m.d.sync += pulses.eq(0)
                with m.If(self.i.valid):
                    m.next = "read"
            with m.State("read"):
                m.d.comb += [self.o.valid.eq(1), self.o.p.verify.eq(1), self.i_verify.ready.eq(1)]
                with m.If(self.o.ready):
                    m.d.sync += self.effort.verify_reads.eq(self.effort.verify_reads + 1)
                    m.next = "answer"
                with m.If(self.i_verify.valid):
                    m.d.sync += value.eq(self.i_verify.payload)
                    m.next = "compare"
            with m.State("answer"):
                m.d.comb += self.i_verify.ready.eq(1)
                with m.If(self.i_verify.valid):
                    m.d.sync += value.eq(self.i_verify.payload)
                    m.next = "compare"
            with m.State("compare"):
                m.next = "pulse"
                with m.If((missing == 0) | exhausted):
                    m.d.comb += self.i.ready.eq(1)
                    m.next = "idle"
                    with m.If(missing != 0):
                        m.d.sync += self.effort.failures.eq(self.effort.failures + 1)
            with m.State("pulse"):
                m.d.comb += self.o.valid.eq(1)
                with m.If(self.o.ready):
                    m.d.sync += [pulses.eq(pulses + 1),
                                 self.effort.pulses.eq(self.effort.pulses + 1)]
                    m.next = "read"
        return m
