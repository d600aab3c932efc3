# SPDX-License-Identifier: Apache-2.0
"""Memory system: all readers and writers of the accelerator on one memory."""

from typing import Any

from amaranth import Module, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from ..config import AcceleratorConfig
from .axi4 import AXI4
from .axi_master import AXIMaster
from .memory_port import ADDRESS_BITS, ReadClient, WriteClient
from .on_chip_memory import HostPort, OnChipMemory
from .read_arbiter import ReadArbiter
from .write_arbiter import WriteArbiter

__all__ = ["MemorySystem", "memory_error_layout"]


def memory_error_layout() -> data.StructLayout:
    """Return what went wrong; all fields stay set until ``clear``.

    Members
    -------
    read_range : unsigned(1)
        A read of no words or out of range was asked for, and not carried out.
    write_range : unsigned(1)
        A write of no words or out of range was asked for, and not carried out.
    read_response : unsigned(1)
        The memory could not read a word.
    write_response : unsigned(1)
        The memory could not write a burst.
    """
    return data.StructLayout({
        "read_range": 1, "write_range": 1, "read_response": 1, "write_response": 1,
    })


class MemorySystem(wiring.Component):
    """Both arbiters and the memory that ``config.memory`` names.

    Latency: from a request to its first word 7 cycles on chip; 6 cycles and those of the bus
    with AXI.
    Throughput: 1 word read and 1 word written per cycle.
    Back-pressure: a reader that lets its data wait stops only itself.
    Reset: synchronous; an AXI bus must be reset too.

    Parameters
    ----------
    config : AcceleratorConfig
    readers : int
        How many there are.
    writers : int
        How many there are.

    Members
    -------
    readers : In(ReadClient(config)).array(reader_count)
        Those who read.
    writers : In(WriteClient(config)).array(writer_count)
        Those who write.
    limit : In(32)
        Words that there are: what is asked for must lie below.
    writable_start : In(32)
        First word that may be written.
    stop : In(1)
        No new burst is started and no new request taken.
    clear : In(1)
        Forget all requests, data and errors; only with ``stop`` and ``idle``.
    idle : Out(1)
        Nothing is read or written, and nothing will be: nothing is requested, or ``stop`` is
        set.
    writes_idle : Out(1)
        The same for the writes alone; what was written is in the memory.
    error : Out(memory_error_layout())
        What went wrong. The reader or writer of a refused request waits until ``clear``.
    taken : Out(reader_count)
        A word goes to its reader in this cycle, a bit for each reader.
    written : Out(1)
        A word goes to the memory in this cycle.
    host : In(HostPort())
        With memory on chip: the host, only while ``stop`` and ``idle`` are set or nothing is
        requested.
    base : In(32)
        With AXI: byte address of word 0, a multiple of 4096.
    axi : Out(AXI4(config.memory_bits))
        With AXI: the bus.
    """

    readers: Any
    writers: Any
    limit: Signal
    writable_start: Signal
    stop: Signal
    clear: Signal
    idle: Signal
    writes_idle: Signal
    error: data.View
    taken: Signal
    written: Signal
    host: Any
    base: Signal
    axi: Any

    def __init__(self, config: AcceleratorConfig, readers: int = 6, writers: int = 2):
        self.config = config
        self.reader_count = readers
        self.writer_count = writers
        self.on_chip = config.memory == "on_chip"
        door = ({"host": In(HostPort())} if self.on_chip else
                {"base": In(32), "axi": Out(AXI4(config.memory_bits))})
        super().__init__({
            "readers": In(ReadClient(config)).array(readers),
            "writers": In(WriteClient(config)).array(writers),
            "limit": In(ADDRESS_BITS), "writable_start": In(ADDRESS_BITS),
            "stop": In(1), "clear": In(1), "idle": Out(1), "writes_idle": Out(1),
            "error": Out(memory_error_layout()), "taken": Out(readers), "written": Out(1),
            **door,
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.read_arbiter = read = ReadArbiter(self.config, self.reader_count)
        m.submodules.write_arbiter = write = WriteArbiter(self.config, self.writer_count)
        for outer, arbiter in ((self.readers, read), (self.writers, write)):
            for client, inner in zip(outer, arbiter.clients, strict=True):
                connect(m, flipped(client), inner)
            m.d.comb += [arbiter.limit.eq(self.limit), arbiter.stop.eq(self.stop),
                         arbiter.clear.eq(self.clear)]
        memory = OnChipMemory(self.config) if self.on_chip else AXIMaster(self.config)
        m.submodules.memory = memory
        connect(m, read.backend, memory.reads)
        connect(m, write.backend, memory.writes)
        if isinstance(memory, OnChipMemory):
            connect(m, flipped(self.host), memory.host)
        else:
            connect(m, memory.axi, flipped(self.axi))
            m.d.comb += memory.base.eq(self.base)
        m.d.comb += [
            write.start.eq(self.writable_start),
            self.idle.eq(read.idle & write.idle), self.writes_idle.eq(write.idle),
            self.error.read_range.eq(read.error_range),
            self.error.write_range.eq(write.error_range),
            self.error.read_response.eq(read.error_response),
            self.error.write_response.eq(write.error_response),
            self.taken.eq(read.taken), self.written.eq(write.written),
        ]
        return m
