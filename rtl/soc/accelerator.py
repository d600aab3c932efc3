# SPDX-License-Identifier: Apache-2.0
"""Accelerator: runs whole networks from a program image, without help from the host."""

from amaranth import (
    Cat,
    ClockDomain,
    ClockSignal,
    DomainRenamer,
    Module,
    Mux,
    ResetSignal,
    Signal,
)
from amaranth.lib import stream, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out, connect, flipped

from ..config import AcceleratorConfig
from ..ftp.tppe import Activity
from ..ftp.tppe_array import TPPEArray
from .axi4 import connect_flat, flat_members
from .axi_lite import AXILite
from .channel_loader import ChannelLoader
from .chunk_writer import ChunkWriter
from .csr import CSR
from .descriptor import Mode, Operation
from .encoder import Encoder
from .linear_reader import LinearReader
from .linear_writer import LinearWriter
from .memory_system import MemorySystem
from .performance_counters import COUNTERS, PerformanceCounters
from .post_processor import PostProcessor
from .register_map import REGISTER_ADDRESS_BITS
from .sequencer import Sequencer
from .soft_reset import SoftReset
from .spike_loader import SpikeLoader
from .tiles import slots_layout, walked_tile_layout
from .weight_loader import WeightLoader

__all__ = ["Accelerator"]

_LINEAR = 5  # reader that encoder and residuals share


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
        self.array = TPPEArray(config, walked_tile_layout(config))
        self.shared = self.array.shared
        super().__init__(ports)

    def elaborate(self, platform):
        m = Module()
        config = self.config
        # The array holds instances, which a reset inserted from outside would not reach.
        m.domains.engine = engine = ClockDomain(local=True)
        m.submodules.csr = csr = CSR(config)
        m.submodules.memory = memory = MemorySystem(config, readers=6, writers=3)
        m.submodules.soft_reset = reset = SoftReset()
        engines = DomainRenamer("engine")
        sequencer, encoder = Sequencer(config), Encoder(config)
        spikes, weights, channels = SpikeLoader(config), WeightLoader(config), ChannelLoader(config)
        array, post, writer = self.array, PostProcessor(config), ChunkWriter(config)
        residual_reader = LinearReader(config)
        residual_writer = LinearWriter(config, config.residual_bits)
        result_writer = LinearWriter(config, 32)
        counters = PerformanceCounters(config)
        for name, unit in (
                ("sequencer", sequencer), ("encoder", encoder), ("spike_loader", spikes),
                ("weight_loader", weights), ("channel_loader", channels), ("array", array),
                ("post_processor", post), ("chunk_writer", writer),
                ("residual_reader", residual_reader), ("residual_writer", residual_writer),
                ("result_writer", result_writer), ("counters", counters)):
            m.submodules[name] = engines(unit)

        layer = sequencer.layer
        encodes = Signal()
        m.d.comb += [
            engine.clk.eq(ClockSignal()),
            engine.rst.eq(ResetSignal() | reset.reset),
            counters.clear.eq(csr.clear_counters),
            encodes.eq(layer.operation == Operation.ENCODE),
        ]
        for unit in (encoder, spikes, weights, channels, post, writer):
            m.d.comb += unit.layer.eq(layer)
        for unit in (spikes, weights, channels):
            m.d.comb += unit.start.eq(sequencer.begin & ~encodes)
        m.d.comb += [encoder.start.eq(sequencer.begin & encodes),
                     encoder.image_address.eq(sequencer.image_base)]

        self._connect_data(m, spikes, weights, array, post, channels, encoder)
        self._connect_writer(m, spikes, encoder, post, writer, encodes)
        self._connect_linear(m, sequencer, post, residual_reader, residual_writer, result_writer)
        self._connect_memory(m, memory, sequencer, encodes, (
            sequencer.memory, weights.memory, channels.memory, spikes.masks, spikes.values,
        ), (encoder.memory, residual_reader.memory),
            (writer.memory, result_writer.memory, residual_writer.memory))
        self._supervise(m, sequencer, memory, (
            spikes.busy, weights.busy, channels.busy, array.busy, post.busy, writer.busy,
            encoder.busy, residual_reader.busy, ~memory.writes_idle),
            (residual_writer.busy, result_writer.busy), (weights.o, array.o))
        m.d.comb += [
            sequencer.unsupported.eq(post.unsupported),
            sequencer.faults.bad_descriptor.eq(spikes.error | channels.error),
            sequencer.faults.weight_buffer_overflow.eq(weights.error),
            *(sequencer.faults[name].eq(array.error[name]) for name, _ in array.error.shape()),
            *(sequencer.faults[name].eq(memory.error[name]) for name, _ in memory.error.shape()),
        ]
        self._count(m, sequencer, memory, array, spikes, writer, counters, csr)
        self._control(m, csr, sequencer, memory, reset)
        return m

    def _connect_data(self, m: Module, spikes, weights, array, post, channels, encoder) -> None:
        """Connect what flows through the array."""
        connect(m, spikes.o_tile, array.i_tile)
        connect(m, spikes.o_row, array.i_row)
        connect(m, weights.o, array.i_column)
        connect(m, array.o, post.i)
        connect(m, channels.o, post.i_channel)
        connect(m, encoder.o, post.i_encoded)
        m.d.comb += array.i_busy.eq(post.busy)

    def _connect_writer(self, m: Module, spikes, encoder, post, writer, encodes) -> None:
        """Connect the chunk writer; its places come from the walker or from the encoder."""
        layout = slots_layout(self.config)
        m.submodules.slots = slots = DomainRenamer("engine")(
            SyncFIFOBuffered(width=layout.size, depth=4))
        m.d.comb += [
            slots.w_data.eq(Mux(encodes, encoder.o_slots.payload, spikes.o_slots.payload)),
            slots.w_en.eq(Mux(encodes, encoder.o_slots.valid, spikes.o_slots.valid)),
            encoder.o_slots.ready.eq(slots.w_rdy & encodes),
            spikes.o_slots.ready.eq(slots.w_rdy & ~encodes),
            writer.i_slots.payload.eq(slots.r_data),
            writer.i_slots.valid.eq(slots.r_rdy),
            slots.r_en.eq(writer.i_slots.ready),
        ]
        connect(m, post.o, writer.i)

    def _connect_linear(self, m: Module, sequencer, post, residual_reader, residual_writer,
                        result_writer) -> None:
        """Connect residuals, results and profile records."""
        layer = sequencer.layer
        connect(m, residual_reader.o, post.i_residual)
        profiling = Signal()
        with m.If(sequencer.profile_begin):
            m.d.engine += profiling.eq(1)
        with m.If(sequencer.profile_end):
            m.d.engine += profiling.eq(0)
        m.d.comb += [
            residual_reader.start.eq(sequencer.begin & layer.flags.residual_in),
            residual_reader.address.eq(layer.residual_in),
            residual_reader.words.eq(layer.residual_words),
            residual_writer.i.payload.eq(post.o_residual.payload.as_value()),
            residual_writer.i.valid.eq(post.o_residual.valid),
            post.o_residual.ready.eq(residual_writer.i.ready),
            residual_writer.start.eq(sequencer.begin),
            residual_writer.address.eq(layer.residual_out),
            residual_writer.flush.eq(sequencer.finish & layer.flags.residual_out),
            result_writer.start.eq(sequencer.profile_begin | (
                sequencer.begin & (layer.mode == Mode.READOUT))),
            result_writer.address.eq(
                Mux(sequencer.profile_begin, sequencer.profile_address, sequencer.image_base)),
            result_writer.flush.eq(sequencer.finish),
            result_writer.i.valid.eq(
                Mux(profiling, sequencer.o_profile.valid, post.o_result.valid)),
            result_writer.i.payload.eq(
                Mux(profiling, sequencer.o_profile.payload, post.o_result.p.value)),
            sequencer.o_profile.ready.eq(result_writer.i.ready & profiling),
            post.o_result.ready.eq(result_writer.i.ready & ~profiling),
        ]

    def _connect_memory(self, m: Module, memory, sequencer, encodes, readers, linear,
                        writers) -> None:
        """Connect readers and writers; the encoder and the residuals take turns on one."""
        for inside, outside in zip(readers, memory.readers, strict=False):
            connect(m, inside, outside)
        shared = memory.readers[_LINEAR]
        encoder, residuals = linear
        m.d.comb += [
            shared.request.payload.eq(
                Mux(encodes, encoder.request.payload, residuals.request.payload)),
            shared.request.valid.eq(Mux(encodes, encoder.request.valid, residuals.request.valid)),
            shared.data.ready.eq(Mux(encodes, encoder.data.ready, residuals.data.ready)),
        ]
        for reader, chosen in ((encoder, encodes), (residuals, ~encodes)):
            m.d.comb += [
                reader.request.ready.eq(shared.request.ready & chosen),
                reader.data.valid.eq(shared.data.valid & chosen),
                reader.data.payload.eq(shared.data.payload),
            ]
        for inside, outside in zip(writers, memory.writers, strict=True):
            connect(m, inside, outside)
        waiting = [reader.data.valid for reader in memory.readers]
        m.d.comb += [
            memory.limit.eq(sequencer.limit),
            memory.writable_start.eq(sequencer.writable_start),
            sequencer.leftover.eq(Cat(waiting).any()),
        ]

    def _supervise(self, m: Module, sequencer, memory, busy, held, streams) -> None:
        """Tell the sequencer whether anything is under way, and whether it moves."""
        moves = [flow.valid & flow.ready for flow in streams]
        m.d.comb += [
            sequencer.busy.eq(Cat(busy).any()),
            sequencer.held.eq(Cat(held).any()),
            sequencer.moving.eq(Cat(moves, memory.taken, memory.written).any()),
        ]

    def _count(self, m: Module, sequencer, memory, array, spikes, writer, counters, csr) -> None:
        """Connect the performance counters."""
        _, weights, _, masks, values, _ = (memory.taken[index] for index in range(6))
        m.d.comb += [
            counters.count.eq(sequencer.counting),
            counters.begin.eq(sequencer.begin),
            counters.end.eq(sequencer.profile_end),
            array.clear.eq(sequencer.begin),
            counters.events.weight_words.eq(weights),
            counters.events.spike_words.eq(masks | values),
            counters.events.other_words.eq(memory.taken[0] | memory.taken[2] | memory.taken[5]),
            counters.events.words_written.eq(memory.written),
            counters.events.array_busy.eq(array.busy),
            counters.events.loading.eq(spikes.busy),
            counters.events.writing.eq(writer.busy),
            *(counters.activities[index].eq(array.counters[activity.name.lower()])
              for index, activity in enumerate(Activity)),
            *(sequencer.counters[index].eq(counters.layer[index])
              for index in range(len(COUNTERS))),
        ]
        m.d.comb += csr.counters.eq(counters.totals)

    def _control(self, m: Module, csr, sequencer, memory, reset) -> None:
        """Connect the registers, and the bus or the host of the memory."""
        for name, member in csr.axil.signature.flip().members.items():
            inside, outside = getattr(csr.axil, name), getattr(self, f"s_axil_{name}")
            m.d.comb += outside.eq(inside) if member.flow == In else inside.eq(outside)
        state = sequencer.state
        m.d.comb += [
            self.irq.eq(csr.irq),
            sequencer.start.eq(csr.start),
            sequencer.stop.eq(csr.stop),
            sequencer.images.eq(csr.images),
            reset.request.eq(csr.reset),
            reset.idle.eq(memory.idle),
            memory.stop.eq(sequencer.halt | reset.halt),
            memory.clear.eq(reset.reset),
            csr.status.running.eq(state.running | reset.halt),
            csr.status.memory_idle.eq(memory.idle),
            *(csr.status[name].eq(state[name])
              for name in ("done", "stopped", "error", "code", "descriptor", "image")),
        ]
        if self.config.memory == "axi":
            m.d.comb += memory.base.eq(csr.base)
            connect_flat(m, self, memory.axi)
        else:
            connect(m, csr.window, memory.host)
            connect(m, flipped(self.i_load), csr.i_load)
