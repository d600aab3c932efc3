# SPDX-License-Identifier: Apache-2.0
"""On-chip memory: block RAM behind the arbiters, and the host's door to it."""

from typing import Any

from amaranth import Module, Mux, Signal, unsigned
from amaranth.lib import wiring
from amaranth.lib.memory import Memory, ReadPort, WritePort
from amaranth.lib.wiring import In, Out

from ..config import AcceleratorConfig
from ..ftp.layouts import index_range
from .memory_backend import ReadBackend, WriteBackend

__all__ = ["HostPort", "OnChipMemory"]

_HOST_BITS = 32
_ADDRESS_BITS = 32  # of the host


class HostPort(wiring.Signature):
    """Access of a host, 32 bits at a time, seen from the host.

    ``read`` and ``write`` are strobes, one of them in a cycle; the data of a read comes with
    ``valid``, 1 cycle later. ``address`` counts 32-bit words; behind the end a read gives zero
    and a write does nothing.
    """

    def __init__(self):
        super().__init__({
            "address": Out(32), "read": Out(1), "write": Out(1), "write_data": Out(_HOST_BITS),
            "valid": In(1), "read_data": In(_HOST_BITS),
        })


class OnChipMemory(wiring.Component):
    """A memory of ``memory_words`` words that answers bursts, and a host.

    In Verilog the words are the array ``words`` of this module.

    Latency: 2 cycles from a burst to its first word, 1 cycle from its last word written to the
    acknowledgement, 1 cycle from a host's read to its data.
    Throughput: 1 word read and 1 word written per cycle, 1 access of the host per cycle.
    Back-pressure: a word that waits stops the reads, an acknowledgement that waits the writes.
    Reset: synchronous; drops all bursts and keeps the words.

    Parameters
    ----------
    config : AcceleratorConfig

    Members
    -------
    reads : In(ReadBackend(config))
        Bursts to read. A word behind the end is an error.
    writes : In(WriteBackend(config))
        Bursts to write. A word behind the end is not written and an error.
    host : In(HostPort())
        The host; only while no burst is in flight.
    """

    reads: Any
    writes: Any
    host: Any

    def __init__(self, config: AcceleratorConfig):
        self.config = config
        super().__init__({
            "reads": In(ReadBackend(config)), "writes": In(WriteBackend(config)),
            "host": In(HostPort()),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.words = memory = Memory(
            shape=unsigned(self.config.memory_bits), depth=self.config.memory_words, init=[])
        read = memory.read_port()
        write = memory.write_port(granularity=_HOST_BITS)
        self._read(m, read)
        self._write(m, write)
        self._serve_host(m, read, write)
        return m

    def _read(self, m: Module, read: ReadPort) -> None:
        """Read burst after burst, without a gap."""
        burst, response = self.reads.burst, self.reads.response
        address = Signal(self.config.bounds.address_bits)
        left = Signal.like(burst.p.words)
        reads = Signal()
        m.d.comb += [
            reads.eq((left != 0) & (~response.valid | response.ready)),
            burst.ready.eq((left == 0) | (reads & (left == 1))),
            read.en.eq(reads), read.addr.eq(address),
            response.p.data.eq(read.data),
        ]
        with m.If(burst.valid & burst.ready):
            m.d.sync += [address.eq(burst.p.address), left.eq(burst.p.words)]
        with m.Elif(reads):
            m.d.sync += [address.eq(address + 1), left.eq(left - 1)]
        with m.If(reads):
            m.d.sync += [response.valid.eq(1), response.p.last.eq(left == 1),
                         response.p.error.eq(address >= self.config.memory_words)]
        with m.Elif(response.ready):
            m.d.sync += response.valid.eq(0)

    def _write(self, m: Module, write: WritePort) -> None:
        """Write burst after burst, without a gap."""
        burst, word = self.writes.burst, self.writes.data
        acknowledgement = self.writes.acknowledgement
        address, active = Signal(self.config.bounds.address_bits), Signal()
        inside, writes, ends = Signal(), Signal(), Signal()
        m.d.comb += [
            word.ready.eq(active & (~acknowledgement.valid | acknowledgement.ready)),
            writes.eq(word.valid & word.ready),
            ends.eq(writes & word.p.last),
            burst.ready.eq(~active | ends),
            inside.eq(address < self.config.memory_words),
            write.addr.eq(address), write.data.eq(word.p.data),
            write.en.eq(Mux(writes & inside, -1, 0)),
        ]
        with m.If(burst.ready):
            m.d.sync += active.eq(burst.valid)
        with m.If(burst.valid & burst.ready):
            m.d.sync += address.eq(burst.p.address)
        with m.Elif(writes):
            m.d.sync += address.eq(address + 1)
        with m.If(ends):  # if any word is outside, the last one is
            m.d.sync += [acknowledgement.valid.eq(1), acknowledgement.p.error.eq(~inside)]
        with m.Elif(acknowledgement.ready):
            m.d.sync += acknowledgement.valid.eq(0)

    def _serve_host(self, m: Module, read: ReadPort, write: WritePort) -> None:
        """Let the host use both ports."""
        host = self.host
        parts = self.config.memory_bits // _HOST_BITS
        part_bits = (parts - 1).bit_length()
        address, inside = Signal(_ADDRESS_BITS), Signal()
        part = Signal(index_range(parts))
        part_read, inside_read = Signal.like(part), Signal()
        m.d.comb += [
            address.eq(host.address >> part_bits),
            part.eq(host.address[:part_bits]),
            inside.eq(address < self.config.memory_words),
            host.read_data.eq(Mux(inside_read, read.data.word_select(part_read, _HOST_BITS), 0)),
        ]
        m.d.sync += [host.valid.eq(host.read), part_read.eq(part), inside_read.eq(inside)]
        with m.If(host.read):
            m.d.comb += [read.en.eq(1), read.addr.eq(address)]
        with m.If(host.write):
            m.d.comb += [write.addr.eq(address), write.data.eq(host.write_data.replicate(parts)),
                         write.en.eq(Mux(inside, 1 << part, 0))]
