# SPDX-License-Identifier: Apache-2.0
"""In-memory-computing engine: lane words through crossbars, sums of their tiles out."""

from collections.abc import Sequence
from typing import Any

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from ..config import CrossbarConfig
from ..ftp.layouts import index_range
from ..shared_module import instantiate
from .crossbar import Crossbar
from .lane_reader import LaneReader
from .layouts import lane_beat_layout, psum_layout, reading_layout, target_layout
from .plane_adder import PlaneAdder
from .programmer import Programmer, effort_layout
from .shift_add import ShiftAdd
from .sign_correction import SignCorrection

__all__ = ["IMCEngine"]


class IMCEngine(wiring.Component):
    """Multiply a row vector of lane words with the weights in crossbars, a pulse for each lane.

    Macro k has the positions ``k*R`` to ``k*R + R - 1``; all have the same outputs, and their
    results are added up. A lane is a timestep, with a psum of its own, or the bit plane of an
    integer, and then the psums of all planes are one.

    The macros are instances of the module ``crossbar``, in their place one of silicon may be.

    Equal in every bit to ``spikeloom.models.golden.imc_engine.IMCEngine``.

    Latency: L + active rows + M + 6 cycles from the last beat to the first psum of the first
    lane, with the L beats of the vector and the active rows of the fullest macro.
    Throughput: 1 lane in L + 2, active rows + M + 2 or M + N cycles, whatever is most; the next
    vector loads while the last lane of one is at work.
    Back-pressure: psums that wait on ``o`` stop the macros, and these ``i``.
    Reset: synchronous; drops the vectors at work, clears error and counters, starts the noise
    anew, keeps the weights.

    Parameters
    ----------
    config : CrossbarConfig
    tables : sequence of tables
        Of each macro: conductances at power-up, then as one more row the offsets; all 0 if None.
    signs : sequence of sequences of int
        Of each macro and row: the weights below 0, bit n for output n; none if None.
    planes : bool
        Whether lanes may be bit planes; else ``reading.planes`` must be 0.

    Members
    -------
    reading : In(reading_layout(config))
        Static from the first beat of a vector to its last psum.
    i : In(stream.Signature(lane_beat_layout(config)))
        Row vectors, position 0 first.
    o : Out(stream.Signature(psum_layout(config)))
        Psums of all outputs for the lowest timestep, then the next; with bit planes once.
    i_program : In(stream.Signature(target_layout(config)))
        Conductances and signs to store; best while no vector is at work.
    effort : Out(effort_layout(config))
        What programming took.
    left_out : In(tiles)
        Macros whose results do not count, a bit for each; static while a vector is at work.
    programming : Out(1)
        High while a cell is at work.
    busy : Out(1)
        High while a vector is at work.
    overflow : Out(1)
        Set for good when a vector has more than K positions.
    """

    reading: data.View
    i: stream.Interface
    o: stream.Interface
    i_program: stream.Interface
    effort: data.View
    left_out: Signal
    programming: Signal
    busy: Signal
    overflow: Signal

    def __init__(self, config: CrossbarConfig,
                 tables: Sequence[Sequence[Sequence[int]]] | None = None,
                 signs: Sequence[Sequence[int]] | None = None, planes: bool = True):
        self.config, self.signs, self.planes = config, signs, planes
        self.shared = {"crossbar": Crossbar(config)} if tables is None else {
            f"crossbar_{k}": Crossbar(config, table) for k, table in enumerate(tables)}
        super().__init__({
            "reading": In(reading_layout(config)),
            "i": In(stream.Signature(lane_beat_layout(config))),
            "o": Out(stream.Signature(psum_layout(config))),
            "i_program": In(stream.Signature(target_layout(config))),
            "effort": Out(effort_layout(config)),
            "left_out": In(config.tiles),
            "programming": Out(1),
            "busy": Out(1),
            "overflow": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.reader = reader = LaneReader(self.config)
        m.submodules.planes = planes = PlaneAdder(self.config, self.planes)
        connect(m, flipped(self.i), reader.i)
        connect(m, planes.o, flipped(self.o))
        m.d.comb += [reader.reading.eq(self.reading), planes.reading.eq(self.reading),
                     self.overflow.eq(reader.overflow)]
        macros, corrections = self._macros(m), self._corrections(m)
        self._program(m, macros, corrections)
        self._pulse(m, reader.o, [part.i for part in (*macros, *corrections)])
        self._add_up(m, macros, corrections, planes.i)

        under_way = Signal(range(16))  # lanes
        begun, ended = Signal(), Signal()
        m.d.comb += [
            begun.eq(reader.o.valid & reader.o.ready),
            ended.eq(planes.i.valid & planes.i.ready
                     & (planes.i.p.output == self.config.outputs - 1)),
            self.busy.eq(reader.busy | (under_way != 0) | planes.busy),
        ]
        m.d.sync += under_way.eq(under_way + begun - ended)
        return m

    def _macros(self, m: Module) -> list[Any]:
        modules = list(self.shared.items())
        macros: list[Any] = []
        for k in range(self.config.tiles):
            name, component = modules[k % len(modules)]
            m.submodules[f"macro_{k}"], macro = instantiate(name, component)
            macros.append(macro)
            m.d.comb += macros[k].tile.eq(k)
        return macros

    def _corrections(self, m: Module) -> list[SignCorrection]:
        if self.config.encoding == "differential":
            return []
        corrections = [SignCorrection(self.config, None if self.signs is None else self.signs[k])
                       for k in range(self.config.tiles)]
        for k, correction in enumerate(corrections):
            m.submodules[f"correction_{k}"] = correction
        return corrections

    def _program(self, m: Module, macros: list, corrections: list) -> None:
        """Send pulses and reads to the macro that is programmed, and signs to its correction."""
        m.submodules.programmer = programmer = Programmer(self.config)
        target = self.i_program.p
        connect(m, flipped(self.i_program), programmer.i)
        m.d.comb += [self.effort.eq(programmer.effort), self.programming.eq(programmer.busy)]
        with m.Switch(programmer.tile):
            for k, macro in enumerate(macros):
                m.d.comb += macro.i_program.payload.eq(programmer.o.payload)
                with m.Case(k):
                    m.d.comb += [
                        macro.i_program.valid.eq(programmer.o.valid),
                        programmer.o.ready.eq(macro.i_program.ready),
                    ]
        with m.Switch(programmer.asked):
            for k, macro in enumerate(macros):
                with m.Case(k):
                    m.d.comb += [
                        programmer.i_verify.valid.eq(macro.o_verify.valid),
                        programmer.i_verify.payload.eq(macro.o_verify.payload),
                        macro.o_verify.ready.eq(programmer.i_verify.ready),
                    ]
        output, opens = Signal(index_range(self.config.outputs)), Signal()
        with m.Switch(target.column):
            for n in range(self.config.outputs):
                with m.Case(n * self.config.columns_per_output):
                    m.d.comb += [output.eq(n), opens.eq(target.row != self.config.rows)]
        for k, correction in enumerate(corrections):
            m.d.comb += [
                correction.write.row.eq(target.row), correction.write.output.eq(output),
                correction.write.negative.eq(target.negative),
                correction.write_en.eq(self.i_program.valid & opens & (target.tile == k)),
            ]

    def _pulse(self, m: Module, pulses, sinks: list) -> None:
        """Hand each pulse once to every macro and correction, each when it is ready."""
        done = Signal(len(sinks))
        ready = Cat(sink.ready for sink in sinks)
        m.d.comb += pulses.ready.eq((done | ready).all())
        with m.If(pulses.valid):
            m.d.sync += done.eq(Mux(pulses.ready, 0, done | ready))
        for index, sink in enumerate(sinks):
            tile = index % self.config.tiles
            lines = pulses.payload.word_select(tile, self.config.rows)
            m.d.comb += [sink.valid.eq(pulses.valid & ~done[index]), sink.payload.eq(lines)]

    def _add_up(self, m: Module, macros: list, corrections: list, totals) -> None:
        """Add the results of all tiles, output by output."""
        results = []
        for k, macro in enumerate(macros):
            m.submodules[f"shift_add_{k}"] = adder = ShiftAdd(self.config)
            results.append(adder.o)
            connect(m, macro.o, adder.i)
            if corrections:
                connect(m, corrections[k].o, adder.i_counts)
        every = Cat(result.valid for result in results).all()
        m.d.comb += [
            totals.valid.eq(every),
            totals.p.value.eq(sum(Mux(self.left_out[k], 0, result.p.value)
                                  for k, result in enumerate(results))),
            totals.p.output.eq(results[0].p.output),
            *(result.ready.eq(every & totals.ready) for result in results),
        ]
