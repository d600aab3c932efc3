# SPDX-License-Identifier: Apache-2.0
"""Programmer: write and verify, cell by cell, and what it took."""

from amaranth import Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, enum, stream, wiring
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


class _State(enum.Enum, shape=2):
    """Of the cell at work."""

    FREE = 0
    ANSWER = 1  # a verify read is on its way
    PULSE = 2   # a pulse waits to be taken
    READ = 3    # a verify read follows the pulse


class Programmer(wiring.Component):
    """Bring each cell to its target: read it, pulse towards the target, read again.

    Equal in every bit to ``spikeloom.models.golden.programmer.program``.

    Latency: 1 cycle from a target to the answer that tells whether the cell has it.
    Throughput: 1 cell that has its target per cycle, else 2 more cycles for each pulse; with a
    macro that answers later, later.
    Back-pressure: a pulse or read that waits on ``o`` stops ``i``.
    Reset: synchronous; drops the cell at work, clears the counters.

    Parameters
    ----------
    config : CrossbarConfig

    Members
    -------
    i : In(stream.Signature(target_layout(config)))
        Cells and their targets.
    tile : Out(index_range(tiles))
        Macro that ``o`` is for.
    o : Out(stream.Signature(program_layout(config)))
        Pulses and reads for that macro.
    asked : Out(index_range(tiles))
        Macro that the verify read at work is for.
    i_verify : In(stream.Signature(unsigned(cell_word_bits)))
        Its answer.
    effort : Out(effort_layout(config))
        What it took.
    busy : Out(1)
        High while a cell is at work.
    """

    i: stream.Interface
    tile: Signal
    o: stream.Interface
    asked: Signal
    i_verify: stream.Interface
    effort: data.View
    busy: Signal

    def __init__(self, config: CrossbarConfig):
        self.config = config
        super().__init__({
            "i": In(stream.Signature(target_layout(config))),
            "tile": Out(index_range(config.tiles)),
            "o": Out(stream.Signature(program_layout(config))),
            "asked": Out(index_range(config.tiles)),
            "i_verify": In(stream.Signature(unsigned(config.cell_word_bits))),
            "effort": Out(effort_layout(config)),
            "busy": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        strongest = (1 << self.config.pulse_bits) - 1
        state = Signal(_State)
        target = self.i.p
        cell = Signal(data.StructLayout({
            name: field.shape for name, field in target.shape() if name != "negative"}))
        known, value = Signal.like(cell.value), Signal.like(cell.value)
        pulses = Signal(range(self.config.max_pulses + 1))
        missing = Signal(signed(self.config.cell_word_bits + 1))
        distance = Signal(self.config.cell_word_bits)
        answered, done, pulse, begin = Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            known.eq(Mux(state == _State.PULSE, value, self.i_verify.payload)),
            missing.eq(cell.value - known),
            distance.eq(Mux(missing < 0, -missing, missing)),
            answered.eq((state == _State.ANSWER) & self.i_verify.valid),
            done.eq(answered & ((missing == 0) | (pulses == self.config.max_pulses))),
            pulse.eq((answered & ~done) | (state == _State.PULSE)),
            begin.eq((state == _State.FREE) | done),
            self.busy.eq(state != _State.FREE),
            self.i_verify.ready.eq(1),
            self.i.ready.eq(begin & self.o.ready),
            self.asked.eq(cell.tile),
            self.tile.eq(Mux(begin, target.tile, cell.tile)),
            self.o.valid.eq(Mux(begin, self.i.valid, pulse | (state == _State.READ))),
            self.o.p.row.eq(Mux(begin, target.row, cell.row)),
            self.o.p.column.eq(Mux(begin, target.column, cell.column)),
            self.o.p.verify.eq(~pulse), self.o.p.down.eq(missing < 0),
            self.o.p.amplitude.eq(Mux(distance > strongest, strongest, distance)),
        ]
        with m.If(pulse):
            m.d.sync += [value.eq(known), state.eq(_State.PULSE)]
        with m.Elif(begin):
            m.d.sync += state.eq(_State.FREE)
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += state.eq(Mux(pulse, _State.READ, _State.ANSWER))
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [cell[name].eq(target[name]) for name, _ in cell.shape()]
            m.d.sync += pulses.eq(0)
        with m.Elif(pulse & self.o.ready):
            m.d.sync += pulses.eq(pulses + 1)
        happens = {"pulses": self.o.ready & pulse,
                   "verify_reads": self.o.valid & self.o.ready & ~pulse,
                   "failures": done & (missing != 0)}
        for name, event in happens.items():
            m.d.sync += self.effort[name].eq(self.effort[name] + event)
        return m
