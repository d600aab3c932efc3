# SPDX-License-Identifier: Apache-2.0
"""Vision transformer core: a whole network, on crossbar macros and vector units."""

from amaranth import Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from ..config import VitCoreConfig
from ..ftp.layouts import index_range
from ..imc.layouts import target_layout
from ..imc.programmer import effort_layout
from .address_walker import AddressWalker
from .datapath import WORD_BITS, Datapath
from .instructions import COUNT_BITS, Memory, Opcode, instruction_layout, load_layout

__all__ = ["VitCore"]


class VitCore(wiring.Component):
    """Run the instructions of a network over tokens in memory, and give the logits.

    Equal in every bit to ``spikeloom.models.golden.vit_network.VitNetwork``.

    Latency: that of the instructions, one after the other; each reads 1 pair of values per
    cycle, and waits for the unit that it uses.
    Throughput: one network at a time.
    Back-pressure: a logit that waits on ``o`` stops the core; while it works ``i_load`` waits.
    Reset: synchronous; drops the network at work, what is in memories and macros stays.

    Parameters
    ----------
    config : VitCoreConfig

    Members
    -------
    i_load : In(stream.Signature(load_layout(config)))
        Words to load.
    i_program : In(stream.Signature(target_layout(config.crossbar)))
        Conductances to store, while the core does not work.
    effort : Out(effort_layout(config.crossbar))
        What programming took.
    programming : Out(1)
        High while a cell is at work.
    start : In(1)
        Run from instruction 0; nothing while the core works.
    busy : Out(1)
        High while the core works.
    step : Out(index_range(instructions))
        Instruction that comes next; 0 while the core does not work.
    o : Out(stream.Signature(signed(32)))
        Logits.
    """

    i_load: stream.Interface
    i_program: stream.Interface
    effort: data.View
    programming: Signal
    start: Signal
    busy: Signal
    step: Signal
    o: stream.Interface

    def __init__(self, config: VitCoreConfig):
        self.config = config
        self._datapath = Datapath(config)
        self.shared = self._datapath.engine.shared
        super().__init__({
            "i_load": In(stream.Signature(load_layout(config))),
            "i_program": In(stream.Signature(target_layout(config.crossbar))),
            "effort": Out(effort_layout(config.crossbar)),
            "programming": Out(1),
            "start": In(1),
            "busy": Out(1),
            "step": Out(index_range(config.instructions)),
            "o": Out(stream.Signature(signed(32))),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.datapath = path = self._datapath
        now = Signal(instruction_layout(self.config))
        begin, done = Signal(), Signal()
        connect(m, flipped(self.i_program), path.i_program)
        m.d.comb += [
            self.effort.eq(path.effort), self.programming.eq(path.programming),
            self.i_load.ready.eq(~self.busy), path.instruction.eq(now),
            path.entry.value.eq(self.i_load.p.address),
            path.entry.result.eq(self.i_load.p.word.as_value()),
            path.entry_en.eq(Mux(self._loads(Memory.TABLES),
                                 1 << self.i_load.p.address[8:12], 0)),
        ]
        self._sequence(m, now, begin, done, path.busy)
        write = self._read_values(m, now, begin, path.i)
        self._read_parameters(m, now, begin, path.i_parameter)
        self._write(m, now, begin, done, write, path.o)
        return m

    def _loads(self, target: Memory):
        return self.i_load.valid & self.i_load.ready & (self.i_load.p.memory == target)

    def _store(self, m: Module, name: str, target: Memory, shape, depth: int) -> memory.Memory:
        """Return a memory whose words are loaded through its first port."""
        m.submodules[name] = store = memory.Memory(shape=shape, depth=depth, init=[])
        write = store.write_port()
        with m.If(self._loads(target)):
            m.d.comb += [write.addr.eq(self.i_load.p.address),
                         write.data.eq(self.i_load.p.word.as_value()), write.en.eq(1)]
        return store

    def _sequence(self, m: Module, now, begin, done, drains) -> None:
        """Fetch one instruction after the other."""
        store = self._store(m, "instructions", Memory.INSTRUCTIONS,
                            unsigned(now.shape().size), self.config.instructions)
        read = store.read_port()
        m.d.comb += [read.addr.eq(self.step), self.busy.eq(1)]
        with m.FSM():
            with m.State("idle"):
                m.d.comb += self.busy.eq(0)
                with m.If(self.start):
                    m.next = "fetch"
            with m.State("fetch"):
                m.d.sync += self.step.eq(self.step + 1)
                m.next = "decode"
            with m.State("decode"):
                m.d.sync += now.as_value().eq(read.data)
                m.next = "begin"
            with m.State("begin"):
                m.d.comb += begin.eq(now.op != Opcode.END)
                m.next = "run"
                with m.If(now.op == Opcode.END):
                    m.d.sync += self.step.eq(0)
                    m.next = "idle"
            with m.State("run"):
                with m.If(done):
                    m.next = "drain"
            with m.State("drain"):
                with m.If(~drains):
                    m.next = "fetch"

    def _read_values(self, m: Module, now, begin, pairs):
        """Send the instruction's pairs of values to the datapath; return the write port."""
        store = self._store(m, "values", Memory.VALUES, signed(WORD_BITS), self.config.values)
        one, other = store.read_port(), store.read_port()
        m.submodules.walker = walker = AddressWalker(self.config)
        advance = Signal(name="pair_advance")
        m.d.comb += [
            walker.start.eq(begin), walker.instruction.eq(now), walker.o.ready.eq(advance),
            advance.eq(~pairs.valid | pairs.ready),
            one.addr.eq(walker.o.p.a), other.addr.eq(walker.o.p.b),
            one.en.eq(advance), other.en.eq(advance),
            pairs.p.a.eq(one.data), pairs.p.b.eq(other.data),
        ]
        valid, place = Signal(), Signal.like(walker.o.p)
        m.d.comb += [pairs.valid.eq(valid), pairs.p.place.eq(place)]
        with m.If(advance):
            m.d.sync += [valid.eq(walker.o.valid), place.eq(walker.o.p)]
        return store.write_ports[0]

    def _read_parameters(self, m: Module, now, begin, parameters) -> None:
        """Send those of all columns to the datapath, again for each row."""
        store = self._store(m, "parameters", Memory.PARAMETERS, unsigned(32),
                            self.config.parameters)
        read = store.read_port()
        column, valid, live = Signal(COUNT_BITS), Signal(), Signal()
        advance = Signal(name="parameter_advance")
        m.d.comb += [
            advance.eq(~valid | parameters.ready), parameters.valid.eq(valid),
            read.addr.eq(now.parameter + column), read.en.eq(advance),
            parameters.payload.eq(read.data),
        ]
        with m.If(begin):
            m.d.sync += [column.eq(0), live.eq(1), valid.eq(0)]
        with m.Elif(advance):
            m.d.sync += [valid.eq(live),
                         column.eq(Mux(column == now.columns - 1, 0, column + 1))]

    def _write(self, m: Module, now, begin, done, write, results) -> None:
        """Put each result to its place, or give it; the last one ends the instruction."""
        row, column = Signal(COUNT_BITS), Signal(COUNT_BITS)
        row_start, place = Signal(16), Signal(16)
        last_column, taken = Signal(), Signal()
        m.d.comb += [
            self.o.valid.eq(results.valid & now.emit), self.o.payload.eq(results.payload),
            results.ready.eq(~now.emit | self.o.ready),
            taken.eq(results.valid & results.ready),
            last_column.eq(column == now.columns - 1),
            done.eq(taken & last_column & (row == now.rows - 1)),
        ]
        with m.If(self.busy):
            m.d.comb += [write.addr.eq(place), write.data.eq(results.payload),
                         write.en.eq(taken & ~now.emit)]
        with m.If(begin):
            m.d.sync += [row.eq(0), column.eq(0), row_start.eq(now.target), place.eq(now.target)]
        with m.Elif(taken):
            m.d.sync += [column.eq(column + 1), place.eq(place + now.t_column)]
            with m.If(last_column):
                m.d.sync += [column.eq(0), row.eq(row + 1), row_start.eq(row_start + now.t_row),
                             place.eq(row_start + now.t_row)]
