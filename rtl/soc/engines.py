# SPDX-License-Identifier: Apache-2.0
"""Engines: everything that works on a layer, and the sequencer that tells it to."""

from typing import Any

from amaranth import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from ..config import AcceleratorConfig
from ..ftp.tppe import Activity
from ..stream_queue import StreamQueue
from .channel_loader import ChannelLoader
from .chunk_writer import ChunkWriter
from .descriptor import Mode, Operation
from .encoder import Encoder
from .linear_reader import LinearReader
from .linear_writer import LinearWriter
from .matrix_engine import MatrixEngine
from .memory_port import ADDRESS_BITS, ReadClient, WriteClient
from .memory_system import memory_error_layout
from .performance_counters import COUNTERS, PerformanceCounters, totals_layout
from .post_processor import PostProcessor
from .program_rules import state_layout
from .sequencer import Sequencer
from .spike_loader import SpikeLoader
from .tiles import slots_layout

__all__ = ["READERS", "WRITERS", "Engines"]

READERS = 5  # weights, channels, masks, values; program, images and residuals in turn
WRITERS = 3  # chunks, results and profiles, residuals
_SHARED = 4  # reader that sequencer, encoder and residuals share


class Engines(wiring.Component):
    """Sequencer, loaders, matrix engine, post-processing, writers: between registers and memory.

    Latency: that of the network. Throughput: one layer at a time.
    Back-pressure: waits for the memory.
    Reset: synchronous; forgets everything. What the memory has under way must be dropped, too.

    Parameters
    ----------
    config : AcceleratorConfig

    Members
    -------
    start : In(1)
        Run the program; for one cycle.
    stop : In(1)
        Stop before the next descriptor; for one cycle.
    images : In(32)
        How many to run.
    clear_counters : In(1)
        Set the totals to zero.
    state : Out(state_layout())
        Where the sequencer is.
    totals : Out(totals_layout(config))
        What was counted.
    cell_failures : Out(32)
        Cells of crossbars that missed their target since reset; it wraps around.
    readers : Out(ReadClient(config)).array(READERS)
        Those who read.
    writers : Out(WriteClient(config)).array(WRITERS)
        Those who write.
    limit : Out(32)
        Words that may be read.
    writable_start : Out(32)
        First word that may be written.
    halt : Out(1)
        The memory must take no more requests.
    writes_idle : In(1)
        All that was written is in the memory.
    memory_error : In(memory_error_layout())
        What went wrong there.
    taken : In(READERS)
        A word goes to its reader in this cycle, a bit for each.
    written : In(1)
        A word goes to the memory in this cycle.
    """

    start: Signal
    stop: Signal
    images: Signal
    clear_counters: Signal
    state: data.View
    totals: data.View
    cell_failures: Signal
    readers: list[Any]
    writers: list[Any]
    limit: Signal
    writable_start: Signal
    halt: Signal
    writes_idle: Signal
    memory_error: data.View
    taken: Signal
    written: Signal

    def __init__(self, config: AcceleratorConfig):
        self.config = config
        self.matrix = MatrixEngine(config)
        self.shared = self.matrix.shared
        super().__init__({
            "start": In(1),
            "stop": In(1),
            "images": In(32),
            "clear_counters": In(1),
            "state": Out(state_layout()),
            "totals": Out(totals_layout(config)),
            "cell_failures": Out(32),
            "readers": Out(ReadClient(config)).array(READERS),
            "writers": Out(WriteClient(config)).array(WRITERS),
            "limit": Out(ADDRESS_BITS),
            "writable_start": Out(ADDRESS_BITS),
            "halt": Out(1),
            "writes_idle": In(1),
            "memory_error": In(memory_error_layout()),
            "taken": In(READERS),
            "written": In(1),
        })

    def elaborate(self, platform):
        m = Module()
        config = self.config
        m.submodules.sequencer = sequencer = Sequencer(config)
        m.submodules.encoder = encoder = Encoder(config)
        m.submodules.spike_loader = spikes = SpikeLoader(config)
        m.submodules.channel_loader = channels = ChannelLoader(config)
        m.submodules.matrix = matrix = self.matrix
        m.submodules.post_processor = post = PostProcessor(config)
        m.submodules.chunk_writer = writer = ChunkWriter(config)
        m.submodules.result_writer = result_writer = LinearWriter(config, 32)

        encodes = Signal()
        m.d.comb += encodes.eq(sequencer.layer.operation == Operation.ENCODE)
        for unit in (encoder, spikes, matrix, channels, post, writer):
            m.d.comb += unit.layer.eq(sequencer.layer)
        for unit in (spikes, matrix, channels):
            m.d.comb += unit.start.eq(sequencer.begin & ~encodes)
        m.d.comb += [encoder.start.eq(sequencer.begin & encodes),
                     encoder.image_address.eq(sequencer.image_base)]

        self._connect_data(m, spikes, matrix, post, channels, encoder)
        self._connect_writer(m, spikes, encoder, post, writer, encodes)
        self._connect_results(m, sequencer, post, result_writer)
        works = sequencer.counting
        linear: list[tuple[Value, Any]] = [(works & encodes, encoder)]
        writers = [writer, result_writer]
        if config.requantize:
            residual_reader, residual_writer = self._add_residuals(m, sequencer, post)
            linear.append((works & ~encodes, residual_reader))
            writers.append(residual_writer)
        self._connect_memory(m, sequencer, (
            matrix.memory, channels.memory, spikes.masks, spikes.values,
        ), [(~works, sequencer), *linear], writers)
        self._supervise(m, sequencer, (
            spikes.busy, matrix.busy, channels.busy, post.busy, writer.busy,
            *(reader.busy for _, reader in linear), ~self.writes_idle),
            [unit.busy for unit in writers[1:]], matrix.moving)
        m.d.comb += [
            sequencer.start.eq(self.start),
            sequencer.stop.eq(self.stop),
            sequencer.images.eq(self.images),
            self.state.eq(sequencer.state),
            self.cell_failures.eq(matrix.cell_failures),
            self.limit.eq(sequencer.limit),
            self.writable_start.eq(sequencer.writable_start),
            self.halt.eq(sequencer.halt),
            sequencer.work.unsupported.eq(post.unsupported | matrix.unsupported),
        ]
        for name, _ in sequencer.faults.shape():
            causes = [matrix.faults[name]]
            if name == "bad_descriptor":
                causes += [spikes.error, channels.error]
            if name in self.memory_error.shape().members:
                causes.append(self.memory_error[name])
            m.d.comb += sequencer.faults[name].eq(Cat(causes).any())
        m.d.comb += matrix.clear.eq(sequencer.begin)
        if config.bounds.counters:
            self._count(m, sequencer, matrix, spikes, writer)
        return m

    def _connect_data(self, m: Module, spikes, matrix, post, channels, encoder) -> None:
        """Connect what flows through the matrix engine."""
        connect(m, spikes.o_tile, matrix.i_tile)
        connect(m, spikes.o_row, matrix.i_row)
        connect(m, matrix.o, post.i)
        connect(m, channels.o, post.i_channel)
        connect(m, encoder.o, post.i_encoded)
        m.d.comb += matrix.i_busy.eq(post.busy)

    def _connect_writer(self, m: Module, spikes, encoder, post, writer, encodes) -> None:
        """Connect the chunk writer; its places come from the walker or from the encoder."""
        slots = writer.i_slots
        if not self.config.is_serial:
            m.submodules.slots = queue = StreamQueue(slots_layout(self.config), depth=4)
            connect(m, queue.o, slots)
            slots = queue.i
        m.d.comb += [
            slots.payload.eq(Mux(encodes, encoder.o_slots.payload, spikes.o_slots.payload)),
            slots.valid.eq(Mux(encodes, encoder.o_slots.valid, spikes.o_slots.valid)),
            encoder.o_slots.ready.eq(slots.ready & encodes),
            spikes.o_slots.ready.eq(slots.ready & ~encodes),
        ]
        connect(m, post.o, writer.i)

    def _add_residuals(self, m: Module, sequencer, post) -> tuple[LinearReader, LinearWriter]:
        """Add those who read and write residuals."""
        config, layer = self.config, sequencer.layer
        m.submodules.residual_reader = reader = LinearReader(config)
        m.submodules.residual_writer = writer = LinearWriter(config, config.residual_bits)
        connect(m, reader.o, post.i_residual)
        m.d.comb += [
            reader.start.eq(sequencer.begin & layer.flags.residual_in),
            reader.address.eq(layer.residual_in),
            reader.words.eq(layer.residual_words),
            writer.i.payload.eq(post.o_residual.payload.as_value()),
            writer.i.valid.eq(post.o_residual.valid),
            post.o_residual.ready.eq(writer.i.ready),
            writer.start.eq(sequencer.begin),
            writer.address.eq(layer.residual_out),
            writer.flush.eq(sequencer.finish & layer.flags.residual_out),
        ]
        return reader, writer

    def _connect_results(self, m: Module, sequencer, post, result_writer) -> None:
        """Connect results and profile records."""
        layer = sequencer.layer
        profiling = Signal()
        with m.If(sequencer.profile_begin):
            m.d.sync += profiling.eq(1)
        with m.If(sequencer.profile_end):
            m.d.sync += profiling.eq(0)
        m.d.comb += [
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

    def _connect_memory(self, m: Module, sequencer, readers, linear, writers) -> None:
        """Connect readers and writers; some take turns on one reader."""
        for inside, outside in zip(readers, self.readers, strict=False):
            connect(m, inside, flipped(outside))
        shared = self.readers[_SHARED]
        for chosen, reader in linear:
            m.d.comb += [
                reader.memory.request.ready.eq(shared.request.ready & chosen),
                reader.memory.data.valid.eq(shared.data.valid & chosen),
                reader.memory.data.payload.eq(shared.data.payload),
            ]
            with m.If(chosen):
                m.d.comb += [
                    shared.request.payload.eq(reader.memory.request.payload),
                    shared.request.valid.eq(reader.memory.request.valid),
                    shared.data.ready.eq(reader.memory.data.ready),
                ]
        for unit, outside in zip(writers, self.writers, strict=False):
            connect(m, unit.memory, flipped(outside))
        waiting = [reader.data.valid for reader in self.readers]
        m.d.comb += sequencer.work.leftover.eq(Cat(waiting).any())

    def _supervise(self, m: Module, sequencer, busy, held, moving) -> None:
        """Tell the sequencer whether anything is under way, and whether it moves."""
        m.d.comb += [
            sequencer.work.busy.eq(Cat(busy).any()),
            sequencer.work.held.eq(Cat(held).any()),
            sequencer.work.moving.eq(Cat(moving, self.taken, self.written).any()),
        ]

    def _count(self, m: Module, sequencer, matrix, spikes, writer) -> None:
        """Add the performance counters."""
        m.submodules.counters = counters = PerformanceCounters(self.config)
        weights, channels, masks, values, shared = self.taken
        m.d.comb += [
            counters.count.eq(sequencer.counting),
            counters.begin.eq(sequencer.begin),
            counters.end.eq(sequencer.profile_end),
            counters.clear.eq(self.clear_counters), self.totals.eq(counters.totals),
            counters.events.weight_words.eq(weights),
            counters.events.spike_words.eq(masks + values),
            counters.events.other_words.eq(channels + shared),
            counters.events.words_written.eq(self.written),
            counters.events.array_busy.eq(matrix.computes),
            counters.events.loading.eq(spikes.busy),
            counters.events.writing.eq(writer.busy),
            *(counters.activities[index].eq(matrix.counters[activity.name.lower()])
              for index, activity in enumerate(Activity)),
            *(sequencer.counters[index].eq(counters.layer[index])
              for index in range(len(COUNTERS))),
        ]
