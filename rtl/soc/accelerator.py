# SPDX-License-Identifier: Apache-2.0
"""Accelerator: runs whole networks from a program image, without help from the host."""

from typing import Any

from amaranth import ClockDomain, ClockSignal, DomainRenamer, Module, ResetSignal, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from ..config import AcceleratorConfig
from .axi4 import connect_flat, flat_members
from .axi_lite import AXILite
from .csr import CSR
from .engines import READERS, WRITERS, Engines
from .memory_system import MemorySystem
from .register_map import REGISTER_ADDRESS_BITS
from .serial_memory import SerialMemory
from .soft_reset import SoftReset

__all__ = ["Accelerator"]


class Accelerator(wiring.Component):
    """Run spiking networks, first layer to classifier, from a program image in memory.

    The host loads a program image and input images, writes ``images`` and ``start``, waits for
    the interrupt, and reads the results. Registers, see ``register_map``, are on ``s_axil_*``;
    the image is in memory behind ``m_axi_*`` or, with ``memory = "on_chip"``, inside, loaded
    through the registers or ``i_load``.

    Same result as ``spikeloom.models.golden.network.IntegerNetwork.run``.

    Latency: that of the network; see the profile records.
    Throughput: one image at a time, one layer at a time.
    Back-pressure: any bus may wait at any time; nothing is lost.
    Reset: synchronous; the bus behind ``m_axi_*`` must be reset as well. A reset through the
    register ``control`` leaves the bus in order.

    Parameters
    ----------
    config : AcceleratorConfig

    Members
    -------
    s_axil_awaddr : In(12)
        Byte address to write (registers).
    s_axil_awprot : In(3)
        Protection of a write (registers).
    s_axil_awvalid : In(1)
        A write address is offered (registers).
    s_axil_awready : Out(1)
        The write address is taken (registers).
    s_axil_wdata : In(32)
        Data to write (registers).
    s_axil_wstrb : In(4)
        Bytes to write (registers).
    s_axil_wvalid : In(1)
        Data is offered (registers).
    s_axil_wready : Out(1)
        The data is taken (registers).
    s_axil_bresp : Out(2)
        Answer to a write (registers).
    s_axil_bvalid : Out(1)
        An answer to a write is offered (registers).
    s_axil_bready : In(1)
        The answer is taken (registers).
    s_axil_araddr : In(12)
        Byte address to read (registers).
    s_axil_arprot : In(3)
        Protection of a read (registers).
    s_axil_arvalid : In(1)
        A read address is offered (registers).
    s_axil_arready : Out(1)
        The read address is taken (registers).
    s_axil_rdata : Out(32)
        Data that was read (registers).
    s_axil_rresp : Out(2)
        Answer to a read (registers).
    s_axil_rvalid : Out(1)
        Data is offered (registers).
    s_axil_rready : In(1)
        The data is taken (registers).
    irq : Out(1)
        Level: an enabled event is pending; see the register ``interrupt_status``.
    i_load : In(stream.Signature(32))
        With memory on chip: words of it, from the register ``memory_address`` on.
    m_axi_awid : Out(1)
        Identifier of a write, 0 (memory).
    m_axi_awaddr : Out(32)
        Byte address to write (memory).
    m_axi_awlen : Out(8)
        Words of a write burst, less one (memory).
    m_axi_awsize : Out(3)
        Bytes of a word, as a power of two (memory).
    m_axi_awburst : Out(2)
        Kind of a write burst, incrementing (memory).
    m_axi_awcache : Out(4)
        Kind of memory written, normal (memory).
    m_axi_awprot : Out(3)
        Protection of a write (memory).
    m_axi_awvalid : Out(1)
        A write address is offered (memory).
    m_axi_awready : In(1)
        The write address is taken (memory).
    m_axi_arid : Out(1)
        Identifier of a read, 0 (memory).
    m_axi_araddr : Out(32)
        Byte address to read (memory).
    m_axi_arlen : Out(8)
        Words of a read burst, less one (memory).
    m_axi_arsize : Out(3)
        Bytes of a word, as a power of two (memory).
    m_axi_arburst : Out(2)
        Kind of a read burst, incrementing (memory).
    m_axi_arcache : Out(4)
        Kind of memory read, normal (memory).
    m_axi_arprot : Out(3)
        Protection of a read (memory).
    m_axi_arvalid : Out(1)
        A read address is offered (memory).
    m_axi_arready : In(1)
        The read address is taken (memory).
    m_axi_wdata : Out(config.memory_bits)
        Data to write (memory).
    m_axi_wstrb : Out(config.memory_bits // 8)
        Bytes to write (memory).
    m_axi_wlast : Out(1)
        Last word of a write burst (memory).
    m_axi_wvalid : Out(1)
        Data is offered (memory).
    m_axi_wready : In(1)
        The data is taken (memory).
    m_axi_bid : In(1)
        Identifier of the answer (memory).
    m_axi_bresp : In(2)
        Answer to a write (memory).
    m_axi_bvalid : In(1)
        An answer to a write is offered (memory).
    m_axi_bready : Out(1)
        The answer is taken (memory).
    m_axi_rid : In(1)
        Identifier of the data (memory).
    m_axi_rdata : In(config.memory_bits)
        Data that was read (memory).
    m_axi_rresp : In(2)
        Answer to a read (memory).
    m_axi_rlast : In(1)
        Last word of a read burst (memory).
    m_axi_rvalid : In(1)
        Data is offered (memory).
    m_axi_rready : Out(1)
        The data is taken (memory).
    """

    i_load: Any
    irq: Signal

    def __init__(self, config: AcceleratorConfig):
        self.config = config
        lite = AXILite(REGISTER_ADDRESS_BITS).flip().members
        ports = {f"s_axil_{name}": member for name, member in lite.items()}
        ports["irq"] = Out(1)
        if config.memory == "axi":
            ports |= flat_members(config.memory_bits)
        else:
            ports["i_load"] = In(stream.Signature(32))
        self.engines = Engines(config)
        self.shared = self.engines.shared
        super().__init__(ports)

    def elaborate(self, platform):
        m = Module()
        # The array holds instances, which a reset inserted from outside would not reach.
        engine: Any = ClockDomain(local=True)
        m.domains.engine = engine
        engines = self.engines
        m.submodules.engines = DomainRenamer("engine")(engines)
        m.submodules.csr = csr = CSR(self.config)
        kind = SerialMemory if self.config.is_serial else MemorySystem
        m.submodules.memory = memory = kind(self.config, READERS, WRITERS)
        m.submodules.soft_reset = reset = SoftReset()
        m.d.comb += [
            engine.clk.eq(ClockSignal()),
            engine.rst.eq(ResetSignal() | reset.reset),
            memory.limit.eq(engines.limit),
            memory.writable_start.eq(engines.writable_start),
            engines.writes_idle.eq(memory.writes_idle),
            engines.memory_error.eq(memory.error),
            engines.taken.eq(memory.taken),
            engines.written.eq(memory.written),
        ]
        for client, port in zip([*engines.readers, *engines.writers],
                                [*memory.readers, *memory.writers], strict=True):
            connect(m, client, port)
        self._control(m, csr, engines, memory, reset)
        return m

    def _control(self, m: Module, csr, engines, memory, reset) -> None:
        """Connect the registers, and the bus or the host of the memory."""
        for name, member in csr.axil.signature.flip().members.items():
            inside, outside = getattr(csr.axil, name), getattr(self, f"s_axil_{name}")
            m.d.comb += outside.eq(inside) if member.flow == In else inside.eq(outside)
        state = engines.state
        m.d.comb += [
            self.irq.eq(csr.irq),
            engines.start.eq(csr.start),
            engines.stop.eq(csr.stop),
            engines.images.eq(csr.images),
            engines.clear_counters.eq(csr.clear_counters),
            csr.counters.eq(engines.totals),
            reset.request.eq(csr.reset),
            reset.idle.eq(memory.idle),
            memory.stop.eq(engines.halt | reset.halt),
            memory.clear.eq(reset.reset),
            csr.status.running.eq(state.running | reset.halt),
            csr.status.memory_idle.eq(memory.idle),
            csr.status.cell_failures.eq(engines.cell_failures),
            *(csr.status[name].eq(state[name])
              for name in ("done", "stopped", "error", "code", "descriptor", "image")),
        ]
        if self.config.memory == "axi":
            m.d.comb += memory.base.eq(csr.base)
            connect_flat(m, self, memory.axi)
        else:
            connect(m, csr.window, memory.host)
            connect(m, flipped(self.i_load), csr.i_load)
