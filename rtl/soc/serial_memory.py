# SPDX-License-Identifier: Apache-2.0
"""Serial memory: many readers and writers, one port, one access at a time."""

from typing import Any

from amaranth import Cat, Module, Mux, ResetInserter, Signal
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from ..config import AcceleratorConfig
from ..one_hot import encode
from ..round_robin import RoundRobin
from .memory_port import ADDRESS_BITS, ReadClient, WriteClient
from .memory_system import memory_error_layout
from .on_chip_memory import HostPort
from .single_port_memory import SinglePortMemory

__all__ = ["SerialMemory"]


class SerialMemory(wiring.Component):
    """Share a memory with one port among readers, writers and the host, in place of `MemorySystem`.

    Where the next word of each client lies is itself in a memory, so that a client costs little.
    Who waits is served in turn, a word at a time. A request out of range stops everything until
    ``clear``.

    Latency: 5 cycles from a request to its first word.
    Throughput: a word or a request in 2 cycles, all clients together; a reader alone gets a word
    in 3.
    Back-pressure: a client that waits does not stop others.
    Reset: synchronous; forgets all requests and errors.

    Parameters
    ----------
    config : AcceleratorConfig
        With 32 bits of memory.
    readers : int
        How many readers.
    writers : int
        How many writers.

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
        No new access is started and no new request taken.
    clear : In(1)
        Forget all requests and errors; only with ``stop`` and ``idle``.
    idle : Out(1)
        Nothing is read or written, and nothing will be: nothing is requested, or ``stop`` is
        set.
    writes_idle : Out(1)
        The same for the writes alone.
    error : Out(memory_error_layout())
        What went wrong: a request of no words or out of range.
    taken : Out(reader_count)
        A word goes to its reader in this cycle, a bit for each reader.
    written : Out(1)
        A word goes to the memory in this cycle.
    host : In(HostPort())
        The host, only while ``stop`` and ``idle`` are set or nothing is requested.
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

    def __init__(self, config: AcceleratorConfig, readers: int = 6, writers: int = 2):
        self.config = config
        self.reader_count, self.writer_count = readers, writers
        super().__init__({
            "readers": In(ReadClient(config)).array(readers),
            "writers": In(WriteClient(config)).array(writers),
            "limit": In(ADDRESS_BITS), "writable_start": In(ADDRESS_BITS),
            "stop": In(1), "clear": In(1), "idle": Out(1), "writes_idle": Out(1),
            "error": Out(memory_error_layout()), "taken": Out(readers), "written": Out(1),
            "host": In(HostPort()),
        })

    def elaborate(self, platform):
        m = Module()
        count, readers = self.reader_count + self.writer_count, self.reader_count
        m.submodules.round_robin = turns = RoundRobin(count)
        asks = Cat(client.request.valid for client in (*self.readers, *self.writers))
        gives = Cat(client.data.valid for client in self.writers)
        active = Signal(count)      # has words to come
        full = Signal(readers)      # a word waits for its reader
        arriving = Signal(readers)  # it comes from the memory in this cycle
        serving, served = Signal(), Signal(count)  # one client, in this cycle; which one it was
        m.d.comb += [
            turns.requests.eq((asks & ~active)
                              | (active & Cat(~full & ~arriving, gives))),
            turns.take.eq(~serving & ~self.stop & ~self.error.as_value().any()
                          & turns.requests.any()),
            self.idle.eq(~serving & ~arriving.any() & (self.stop | ~(asks | active).any())),
            self.writes_idle.eq(~serving & (self.stop | ~(asks | active)[readers:].any())),
        ]
        m.d.sync += serving.eq(turns.take)
        with m.If(turns.take):
            m.d.sync += served.eq(turns.chosen)
        starts, reads, writes, ends, word = self._serve(
            m, turns.chosen, serving, served, active)
        for k, client in enumerate((*self.readers, *self.writers)):
            m.d.comb += client.request.ready.eq(starts & served[k])
            with m.If(starts & served[k]):
                m.d.sync += active[k].eq(1)
            with m.If(ends & served[k]):
                m.d.sync += active[k].eq(0)
        m.d.sync += arriving.eq(Mux(reads, served[:readers], 0))
        self._deliver(m, word, full, arriving)
        for k, client in enumerate(self.writers):
            m.d.comb += client.data.ready.eq(writes & served[readers + k])
        m.d.comb += self.written.eq(writes)
        return ResetInserter(self.clear)(m)

    def _serve(self, m: Module, chosen, serving, served, active):
        """Take a request, or read or write a word.

        Returns whether a request is taken, a word read, a word written, if it is the last one; and
        the word that was read.
        """
        clients, bits = (*self.readers, *self.writers), self.config.bounds.address_bits
        place = data.StructLayout({"address": bits, "left": bits})
        m.submodules.places = places = Memory(
            shape=place, depth=1 << (len(clients) - 1).bit_length(), init=[])
        find, keep = places.read_port(), places.write_port()
        request, now = Signal(place), Signal(place)
        end = Signal(bits + 1)  # one bit more: no overflow
        fresh, writes, wrong = Signal(), Signal(), Signal()
        m.d.comb += [
            find.addr.eq(encode(m, chosen)), now.eq(find.data),
            fresh.eq(~(served & active).any()),
            writes.eq(served[self.reader_count:].any()),
            end.eq(request.address + request.left),
            wrong.eq(self.config.has_checks & (
                (request.left == 0) | (end > self.limit)
                | (writes & (request.address < self.writable_start)))),
            keep.addr.eq(encode(m, served)), keep.en.eq(serving),
            keep.data.address.eq(Mux(fresh, request.address, now.address + 1)),
            keep.data.left.eq(Mux(fresh, request.left, now.left - 1)),
        ]
        for k, client in enumerate(clients):
            with m.If(served[k]):
                m.d.comb += [request.address.eq(client.request.p.address),
                             request.left.eq(client.request.p.words)]
        with m.If(serving & fresh & wrong):
            with m.If(writes):
                m.d.sync += self.error.write_range.eq(1)
            with m.Else():
                m.d.sync += self.error.read_range.eq(1)
        starts, reads, stores, ends = (Signal(name=name) for name in (
            "starts", "reads", "stores", "ends"))
        m.d.comb += [
            starts.eq(serving & fresh & ~wrong), reads.eq(serving & ~fresh & ~writes),
            stores.eq(serving & ~fresh & writes), ends.eq(serving & ~fresh & (now.left == 1)),
        ]
        return starts, reads, stores, ends, self._access(m, now.address, reads, stores, served)

    def _access(self, m: Module, address, reads, writes, served) -> Signal:
        """Add the memory; the host has it when nobody is served. Return the word read last."""
        m.submodules.memory = memory = SinglePortMemory(self.config)
        host, inside = self.host, Signal()
        m.d.comb += [
            inside.eq(host.address < self.config.memory_words),
            memory.address.eq(Mux(reads | writes, address, host.address)),
            memory.read.eq(reads | host.read),
            memory.write.eq(writes | (host.write & inside)),
            memory.write_data.eq(host.write_data), host.read_data.eq(memory.data),
        ]
        m.d.sync += host.valid.eq(host.read)
        for k, client in enumerate(self.writers, self.reader_count):
            with m.If(writes & served[k]):
                m.d.comb += memory.write_data.eq(client.data.payload)
        return memory.data

    def _deliver(self, m: Module, word, full, arriving) -> None:
        """Add the words that wait for their readers."""
        for k, client in enumerate(self.readers):
            m.d.comb += [client.data.valid.eq(full[k]),
                         self.taken[k].eq(full[k] & client.data.ready)]
            with m.If(self.taken[k]):
                m.d.sync += full[k].eq(0)
            with m.If(arriving[k]):
                m.d.sync += [client.data.payload.eq(word), full[k].eq(1)]
