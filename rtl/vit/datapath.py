# SPDX-License-Identifier: Apache-2.0
"""Datapath of a vision transformer core: pairs of values in, results of an instruction out."""

from amaranth import Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from ..config import VitCoreConfig
from ..imc.imc_engine import IMCEngine
from ..imc.layouts import target_layout
from ..imc.programmer import effort_layout
from .address_walker import pair_layout
from .beat_packer import BeatPacker
from .gelu import GELU, entry_layout
from .instructions import Opcode, instruction_layout
from .layer_norm import LayerNorm
from .rounder import Rounder
from .softmax import Softmax

__all__ = ["WORD_BITS", "Datapath", "operands_layout"]

WORD_BITS = 16  # of the value memory


def operands_layout() -> data.StructLayout:
    """Return a pair of values.

    Members
    -------
    a : signed(16)
        The value.
    b : signed(16)
        The other value.
    place : pair_layout()
        Where they come from.
    """
    return data.StructLayout({"a": signed(WORD_BITS), "b": signed(WORD_BITS),
                              "place": pair_layout()})


class Datapath(wiring.Component):
    """Layer norm, crossbar engine, dynamic product, softmax, GELU and adder, one at a time.

    Latency: that of the unit. Throughput: 1 pair of values per cycle, but for the engine's.
    Back-pressure: a result that waits on ``o`` stops the unit.
    Reset: synchronous; drops all that is at work, the table of GELU and the conductances stay.

    Parameters
    ----------
    config : VitCoreConfig

    Members
    -------
    instruction : In(instruction_layout(config))
        What is done, static while values are at work.
    entry : In(entry_layout(config))
        Entry of GELU's table.
    entry_en : In(gelu_tables)
        Write it to these tables.
    i : In(stream.Signature(operands_layout()))
        Values, in the order of the instruction.
    i_parameter : In(stream.Signature(unsigned(32)))
        Of each result of NORM and LINEAR: gamma and beta above it, or the bias.
    i_program : In(stream.Signature(target_layout(config.crossbar)))
        Conductances to store.
    o : Out(stream.Signature(signed(32)))
        Results.
    effort : Out(effort_layout(config.crossbar))
        What programming took.
    programming : Out(1)
        High while a cell is at work.
    busy : Out(1)
        High while the engine has sums to give.
    """

    instruction: data.View
    entry: data.View
    entry_en: Signal
    i: stream.Interface
    i_parameter: stream.Interface
    i_program: stream.Interface
    o: stream.Interface
    effort: data.View
    programming: Signal
    busy: Signal

    def __init__(self, config: VitCoreConfig):
        self.config = config
        self.engine = IMCEngine(config.crossbar)
        super().__init__({
            "instruction": In(instruction_layout(config)),
            "entry": In(entry_layout(config)),
            "entry_en": In(config.gelu_tables),
            "i": In(stream.Signature(operands_layout())),
            "i_parameter": In(stream.Signature(unsigned(32))),
            "i_program": In(stream.Signature(target_layout(config.crossbar))),
            "o": Out(stream.Signature(signed(32))),
            "effort": Out(effort_layout(config.crossbar)),
            "programming": Out(1),
            "busy": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.norm = norm = LayerNorm(self.config)
        m.submodules.packer = packer = BeatPacker(self.config.crossbar)
        m.submodules.engine = self.engine
        m.submodules.softmax = softmax = Softmax(self.config)
        m.submodules.rounder = rounder = Rounder()
        now, pair, parameter = self.instruction, self.i.p, self.i_parameter
        connect(m, packer.o, self.engine.i)
        connect(m, flipped(self.i_program), self.engine.i_program)
        m.d.comb += [
            self.busy.eq(self.engine.busy), self.effort.eq(self.engine.effort),
            self.programming.eq(self.engine.programming),
            norm.shift.eq(now.shift), norm.i.p.value.eq(pair.a), norm.i.p.last.eq(pair.place.last),
            norm.i_affine.p.gamma.eq(parameter.payload[:8]),
            norm.i_affine.p.beta.eq(parameter.payload[8:]),
            norm.i_affine.valid.eq(parameter.valid & (now.op == Opcode.NORM)),
            packer.skip.eq(now.skip), packer.i.p.value.eq(pair.a),
            packer.i.p.last.eq(pair.place.last),
            self.engine.reading.last_lane.eq(7), self.engine.reading.planes.eq(1),
            self.engine.reading.signed_input.eq(1),
            softmax.scale.gain.eq(now.gain), softmax.scale.shift.eq(now.shift),
            rounder.shift.eq(now.shift), rounder.wide.eq(now.wide), rounder.whole.eq(now.emit),
        ]
        looking, look_ready, looked = self._tables(m)
        full, free = self._multiply(m, softmax, rounder)
        wanted = self._read_engine(m, rounder)
        m.d.comb += parameter.ready.eq(
            Mux(now.op == Opcode.NORM, norm.i_affine.ready, wanted & rounder.i.ready
                & self.engine.o.valid))
        adding, ready = Signal(), Signal()
        with m.Switch(now.op):
            for op, valid, room in (
                    (Opcode.NORM, norm.i.valid, norm.i.ready),
                    (Opcode.LINEAR, packer.i.valid, packer.i.ready),
                    (Opcode.MULTIPLY, full, free),
                    (Opcode.GELU, looking, look_ready),
                    (Opcode.ADD, adding, self.o.ready)):
                with m.Case(op):
                    m.d.comb += [valid.eq(self.i.valid), ready.eq(room)]
        m.d.comb += self.i.ready.eq(ready)
        self._give(m, norm.o, softmax.o, looked, rounder.o, adding)
        return m

    def _tables(self, m: Module) -> tuple[Signal, Signal, stream.Interface]:
        """Look values up in the instruction's table; return valid, ready, and the results."""
        valid, ready = Signal(name="looking"), Signal(name="look_ready")
        looked = stream.Signature(signed(self.config.value_bits)).create()
        tables = []
        for k in range(self.config.gelu_tables):
            m.submodules[f"gelu_{k}"] = table = GELU(self.config)
            tables.append(table)
            m.d.comb += [table.entry.eq(self.entry), table.entry_en.eq(self.entry_en[k]),
                         table.i.payload.eq(self.i.p.a)]
        with m.Switch(self.instruction.parameter):
            for k, table in enumerate(tables):
                with m.Case(k):
                    m.d.comb += [
                        table.i.valid.eq(valid), ready.eq(table.i.ready),
                        looked.valid.eq(table.o.valid), looked.payload.eq(table.o.payload),
                        table.o.ready.eq(looked.ready),
                    ]
        return valid, ready, looked

    def _multiply(self, m: Module, softmax, rounder) -> tuple[Signal, Signal]:
        """Add products up, and hand each sum on; return its valid and ready."""
        now, pair = self.instruction, self.i.p
        valid, ready, waits, room, end = (Signal(name=name) for name in (
            "product_valid", "product_ready", "sum_waits", "sum_room", "row_end"))
        total = Signal(signed(32))
        m.d.comb += [
            room.eq(Mux(now.softmax, softmax.i.ready, rounder.i.ready)),
            ready.eq(~waits | room),
            softmax.i.valid.eq(waits & now.softmax), softmax.i.p.value.eq(total),
            softmax.i.p.last.eq(end),
        ]
        with m.If(ready):
            m.d.sync += waits.eq(valid & pair.place.last)
        with m.If(ready & valid):
            m.d.sync += [total.eq(Mux(pair.place.first, 0, total) + pair.a * pair.b),
                         end.eq(pair.place.end)]
        with m.If(now.op == Opcode.MULTIPLY):
            m.d.comb += [rounder.i.valid.eq(waits & ~now.softmax), rounder.i.p.value.eq(total)]
        return valid, ready

    def _read_engine(self, m: Module, rounder) -> Signal:
        """Round the engine's sums, but drop those of columns behind the last; return which."""
        now, psum = self.instruction, self.engine.o.p
        wanted = Signal()
        m.d.comb += [
            wanted.eq((now.op == Opcode.LINEAR) & (psum.output < now.columns)),
            self.engine.o.ready.eq(~wanted | (rounder.i.ready & self.i_parameter.valid)),
        ]
        with m.If(now.op == Opcode.LINEAR):
            m.d.comb += [
                rounder.i.valid.eq(self.engine.o.valid & wanted & self.i_parameter.valid),
                rounder.i.p.value.eq(psum.psum), rounder.i.p.bias.eq(self.i_parameter.payload),
            ]
        return wanted

    def _give(self, m: Module, norm, softmax, gelu, rounder, adding) -> None:
        """Give the results of the unit at work."""
        now, pair = self.instruction, self.i.p
        operand, added = Signal(signed(WORD_BITS)), Signal(signed(2 * WORD_BITS + 2))
        high = (1 << (WORD_BITS - 1)) - 1
        m.d.comb += [
            operand.eq(Mux(now.relu & (pair.a < 0), 0, pair.a)),
            added.eq(pair.b + (operand << now.shift[:4])),
        ]
        with m.Switch(now.op):
            for op, unit in ((Opcode.NORM, norm), (Opcode.GELU, gelu), (Opcode.LINEAR, rounder)):
                with m.Case(op):
                    m.d.comb += [self.o.valid.eq(unit.valid), unit.ready.eq(self.o.ready),
                                 self.o.payload.eq(unit.payload)]
            with m.Case(Opcode.MULTIPLY):
                m.d.comb += [
                    self.o.valid.eq(Mux(now.softmax, softmax.valid, rounder.valid)),
                    softmax.ready.eq(now.softmax & self.o.ready),
                    rounder.ready.eq(~now.softmax & self.o.ready),
                    self.o.payload.eq(Mux(now.softmax, softmax.payload, rounder.payload)),
                ]
            with m.Case(Opcode.ADD):
                m.d.comb += [
                    self.o.valid.eq(adding),
                    self.o.payload.eq(Mux(added > high, high,
                                          Mux(added < -high - 1, -high - 1, added))),
                ]
