# SPDX-License-Identifier: Apache-2.0
"""Control and status registers: what a host sees of the accelerator."""

from typing import Any

from amaranth import Cat, Const, Module, Mux, Signal, Value, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from ..config import AcceleratorConfig
from .axi_lite import AXILite, AXILiteTarget
from .on_chip_memory import HostPort
from .performance_counters import COUNTERS, totals_layout
from .register_map import REGISTER_ADDRESS_BITS, ErrorCode, register_map

__all__ = ["CSR", "run_status_layout"]

_EVENTS = ("done", "error", "stopped")


def run_status_layout() -> data.StructLayout:
    """Return where a run is.

    Members
    -------
    running : unsigned(1)
        A program runs or a reset is at work; from the cycle after ``start`` or ``reset``.
    done : unsigned(1)
        For one cycle: all images have been run.
    stopped : unsigned(1)
        For one cycle: stopped, as asked.
    error : unsigned(1)
        For one cycle: an error ends the run.
    memory_idle : unsigned(1)
        The memory has nothing under way.
    code : unsigned(8)
        The error, see ``ErrorCode``; with ``error``.
    descriptor : unsigned(16)
        The descriptor at work.
    image : unsigned(32)
        Images that are complete.
    cell_failures : unsigned(32)
        Cells of crossbars that missed their target since reset.
    """
    return data.StructLayout({
        "running": 1, "done": 1, "stopped": 1, "error": 1, "memory_idle": 1,
        "code": 8, "descriptor": 16, "image": 32, "cell_failures": 32,
    })


class CSR(wiring.Component):
    """The registers of `register_map`, on AXI4-Lite.

    Byte strobes are honoured. An access to an address without a register, a write of a read-only
    register, and an access of the memory window that cannot be made are answered SLVERR and
    change nothing. Of several errors the first one is kept. From a reset to the end of it all
    events are ignored. The window is closed while ``status.running`` or the memory is not idle, and
    beyond the end of the memory; ``memory_data`` is written with all four strobes only.

    Equal in every bit to ``spikeloom.models.golden.csr.RegisterFile``.

    Latency: 2 cycles from a complete request to the response, of a read of ``memory_data`` more
    by what the window takes; commands 1 cycle after their write is taken.
    Throughput: 1 access in 3 cycles; 1 word of ``i_load`` in each cycle without an access.
    Back-pressure: a response that waits keeps all later accesses waiting; ``i_load`` waits while
    the window is closed and in the cycle of an access.
    Reset: synchronous; all registers as the map says.

    Parameters
    ----------
    config : AcceleratorConfig

    Members
    -------
    axil : In(AXILite(REGISTER_ADDRESS_BITS))
        Bus of the host.
    start : Out(1)
        Run the program; for one cycle, never while running or between an error and a reset.
    stop : Out(1)
        Stop before the next descriptor; for one cycle.
    reset : Out(1)
        Reset the engines; for one cycle.
    clear_counters : Out(1)
        Set the counters to zero; for one cycle.
    base : Out(32)
        Byte address of the program image; zero with memory on chip.
    images : Out(32)
        Images to run.
    status : In(run_status_layout())
        Where the run is.
    counters : In(totals_layout(config))
        What the performance counters hold.
    window : Out(HostPort)
        The memory on chip; silent with memory "axi".
    i_load : In(stream.Signature(unsigned(32)))
        Words for the memory on chip, from ``memory_address`` on, which each moves by one; none
        is taken with memory "axi".
    irq : Out(1)
        Interrupt request: high while an enabled event is pending.
    """

    axil: Any
    start: Signal
    stop: Signal
    reset: Signal
    clear_counters: Signal
    base: Signal
    images: Signal
    status: data.View
    counters: data.View
    window: Any
    i_load: stream.Interface
    irq: Signal

    def __init__(self, config: AcceleratorConfig):
        self.config = config
        self.map = register_map(config)
        super().__init__({
            "axil": In(AXILite(REGISTER_ADDRESS_BITS)),
            "start": Out(1),
            "stop": Out(1),
            "reset": Out(1),
            "clear_counters": Out(1),
            "base": Out(32),
            "images": Out(32),
            "status": In(run_status_layout()),
            "counters": In(totals_layout(config)),
            "window": Out(HostPort()),
            "i_load": In(stream.Signature(unsigned(32))),
            "irq": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.bus = bus = AXILiteTarget(REGISTER_ADDRESS_BITS)
        connect(m, flipped(self.axil), bus.axil)
        selected = self._select(m, bus)
        stored = self._store(m, bus, selected)
        commands = {field.name: bus.write & selected["control"] & bus.strobes[0]
                    & bus.data[field.lsb] for field in self.map["control"].fields}
        pending = stored["interrupt_status"]
        m.d.comb += [
            self.base.eq(stored.get("base", 0)), self.images.eq(stored["images"]),
            self.irq.eq((pending & stored["interrupt_enable"]).any()),
            bus.answered.eq(1),
        ]
        values = {"control": 0, "memory_data": 0, **stored,
                  **self._run(m, commands, pending), **self._totals(m, bus, selected)}
        for register in self.map.registers:
            with m.If(selected[register.name]):
                m.d.comb += bus.read_data.eq(
                    register.reset if register.fields[0].constant else values[register.name])
        if self.config.memory == "on_chip":
            self._window(m, bus, selected["memory_data"], stored["memory_address"])
        return m

    def _select(self, m: Module, bus: AXILiteTarget) -> dict[str, Signal]:
        """Return for each register whether the bus asks for it; refuse what no register allows."""
        selected = {register.name: Signal(name=f"selects_{register.name}")
                    for register in self.map.registers}
        legal = []
        for register in self.map.registers:
            here = selected[register.name]
            m.d.comb += here.eq(bus.address[2:] == register.offset >> 2)
            legal.append(here & ~bus.write if register.access == "ro" else here)
        m.d.comb += bus.fault.eq(~Cat(legal).any())
        return selected

    def _store(self, m: Module, bus: AXILiteTarget,
               selected: dict[str, Signal]) -> dict[str, Signal]:
        """Return the registers that hold what was written to them."""
        stored = {}
        strobed = Cat(strobe.replicate(8) for strobe in bus.strobes)
        for register in self.map.registers:
            if register.access not in ("rw", "w1c") or register.name == "memory_data":
                continue
            stored[register.name] = held = Signal(register.bits, name=register.name,
                                                  init=register.reset)
            written, old = strobed[:register.bits], held
            if register.access == "rw":
                new = (old & ~written) | (bus.data[:register.bits] & written)
            else:
                new = old & ~(bus.data[:register.bits] & written)
            with m.If(bus.write & selected[register.name]):
                m.d.sync += held.eq(new)
        return stored

    def _run(self, m: Module, commands: dict[str, Value], pending: Signal) -> dict[str, Value]:
        """Pass the commands on, note the events; return the registers that show them."""
        status = self.status
        done, stopped, failed, resetting = Signal(), Signal(), Signal(), Signal()
        code, descriptor, image = Signal(8), Signal(16), Signal(32)
        start, accepted, rejected, forget = Signal(), Signal(), Signal(), Signal()
        happens = {name: Signal(name=f"happens_{name}") for name in _EVENTS}
        m.d.comb += [
            forget.eq(commands["reset"]),
            start.eq(commands["start"] & ~forget & ~failed),
            accepted.eq(start & ~status.running),
            rejected.eq(start & status.running),
        ]
        for name, event in happens.items():  # of what a reset ends nobody wants to hear
            m.d.comb += event.eq(status[name] & ~forget & ~resetting)
        error = happens["error"] | rejected
        m.d.sync += [
            self.start.eq(accepted), self.stop.eq(commands["stop"] & ~forget),
            self.reset.eq(forget), self.clear_counters.eq(commands["clear_counters"]),
            resetting.eq(forget | (resetting & (self.reset | status.running))),
            done.eq((done & ~forget & ~accepted) | happens["done"]),
            stopped.eq((stopped & ~forget & ~accepted) | happens["stopped"]),
        ]
        for index, event in enumerate((happens["done"], error, happens["stopped"])):
            with m.If(event):
                m.d.sync += pending[index].eq(1)
        with m.If(forget):
            m.d.sync += [failed.eq(0), code.eq(0), descriptor.eq(0), image.eq(0), pending.eq(0)]
        with m.Elif(error & ~failed):
            m.d.sync += [failed.eq(1), descriptor.eq(status.descriptor),
                         image.eq(status.image),
                         code.eq(Mux(happens["error"], status.code, ErrorCode.BUSY))]
        return {
            "status": Cat(status.running, done, stopped, failed, status.memory_idle),
            "error": Cat(code, Const(0, 8), descriptor),
            "error_image": image,
            "images_done": status.image,
            "cell_failures": status.cell_failures,
            "descriptor": status.descriptor,
        }

    def _totals(self, m: Module, bus: AXILiteTarget,
                selected: dict[str, Signal]) -> dict[str, Value]:
        """Return the registers of the counters; reading a low half keeps the high one."""
        high = Signal(32)
        values: dict[str, Value] = {}
        for name in COUNTERS if self.config.bounds.counters else ():
            with m.If(bus.read & selected[f"{name}_low"]):
                m.d.sync += high.eq(self.counters[name][32:])
            values |= {f"{name}_low": self.counters[name][:32], f"{name}_high": high}
        return values

    def _window(self, m: Module, bus: AXILiteTarget, selected: Signal, address: Signal) -> None:
        """Let the host, and words to load, reach the memory."""
        opened, whole = Signal(), Signal()
        words = self.config.memory_words * self.config.memory_bits // 32
        m.d.comb += [
            opened.eq(~self.status.running & self.status.memory_idle & (address < words)),
            whole.eq(bus.strobes.all()),
            self.window.address.eq(address),
            self.window.write_data.eq(self.i_load.payload),
            self.i_load.ready.eq(opened & ~bus.write & ~bus.read),
            self.window.write.eq(self.i_load.valid & self.i_load.ready),
        ]
        with m.If(selected & bus.write):
            m.d.comb += [bus.fault.eq(~(opened & whole)), self.window.write.eq(opened & whole),
                         self.window.write_data.eq(bus.data)]
        with m.If(selected & bus.read):
            m.d.comb += [bus.fault.eq(~opened), self.window.read.eq(opened),
                         bus.answered.eq(~opened)]
        with m.If(~bus.read & ~bus.write):  # the answer of a read, which has left the bus
            m.d.comb += [bus.answered.eq(self.window.valid), bus.fault.eq(0),
                         bus.read_data.eq(self.window.read_data)]
        with m.If(self.window.write | self.window.read):
            m.d.sync += address.eq(address + 1)
