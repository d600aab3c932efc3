# SPDX-License-Identifier: Apache-2.0
"""Single-port memory: an access per cycle, as the large RAMs of small FPGAs have it."""

from amaranth import Module, Signal, unsigned
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from ..config import AcceleratorConfig

__all__ = ["SinglePortMemory"]


class SinglePortMemory(wiring.Component):
    """A memory of ``memory_words`` words that reads or writes one of them per cycle.

    In Verilog the words are the array ``words`` of this module.

    Latency: 1 cycle from a read to its data. Throughput: 1 access per cycle.
    Back-pressure: none.
    Reset: none; keeps the words.

    Parameters
    ----------
    config : AcceleratorConfig

    Members
    -------
    address : In(range(memory_words))
        Word that is accessed.
    read : In(1)
        Read it.
    write : In(1)
        Write it; goes before ``read``.
    write_data : In(memory_bits)
        What is written.
    data : Out(memory_bits)
        The word that was read last, as long as nothing is written.
    """

    address: Signal
    read: Signal
    write: Signal
    write_data: Signal
    data: Signal

    def __init__(self, config: AcceleratorConfig):
        self.config = config
        super().__init__({
            "address": In(range(config.memory_words)),
            "read": In(1),
            "write": In(1),
            "write_data": In(config.memory_bits),
            "data": Out(config.memory_bits),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.words = memory = Memory(
            shape=unsigned(self.config.memory_bits), depth=self.config.memory_words, init=[])
        read, write = memory.read_port(), memory.write_port()
        m.d.comb += [
            read.addr.eq(self.address), read.en.eq(self.read & ~self.write),
            write.addr.eq(self.address), write.en.eq(self.write),
            write.data.eq(self.write_data), self.data.eq(read.data),
        ]
        return m
