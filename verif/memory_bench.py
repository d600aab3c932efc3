# SPDX-License-Identifier: Apache-2.0
"""The memory system with readers, writers and, on AXI, a memory that others wrote."""

import json
import logging
import os
import random
import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, RisingEdge
from cocotbext.axi import AxiBus, AxiRam, AxiResp

from ..rtl.config import AcceleratorConfig
from ..rtl.soc.memory_system import memory_error_layout
from .axi_rules import AxiRules
from .bench import CONFIG_VARIABLE, PARAMETERS_VARIABLE
from .payload import unpack
from .resettable_streams import ResettableSink, ResettableSource
from .streams import PERIOD_NS, pauses

__all__ = ["BASE", "MemoryBench", "Request"]

Request = tuple[int, int]  # address and words

BASE = 0x4000_3000  # byte address of word 0 on AXI
_RAM_BYTES = 1 << 20
_SETTLE = 3000  # cycles: enough for all bursts in flight with a slow bus

# It runs with cocotb 2.1, through functions that cocotb has newer names for.
warnings.filterwarnings("ignore", category=DeprecationWarning, module=r"cocotbext\.axi\.")


class MemoryBench:
    """The unit, its clients and what the memory held at the start.

    Attributes
    ----------
    image : list[int]
        Words of the memory, as they must be now.
    writable : int
        First word that may be written; half of the memory.
    requests, reads : list
        Of the readers: their requests, and the words that they get.
    write_requests, writes : list
        Of the writers: their requests, and the words that they give.
    ram, bus
        On AXI: the partner, and the watcher of the bus.
    """

    requests: list[ResettableSource]
    reads: list[ResettableSink]
    write_requests: list[ResettableSource]
    writes: list[ResettableSource]
    ram: Any  # its parts are None in the types until they are made
    bus: AxiRules

    def __init__(self, dut: Any):
        self.dut = dut
        self.config = AcceleratorConfig.from_dict(json.loads(os.environ[CONFIG_VARIABLE]))
        parameters = json.loads(os.environ[PARAMETERS_VARIABLE])
        self.rng = random.Random(cocotb.RANDOM_SEED)
        self.words = self.config.memory_words
        self.writable = self.words // 2
        self.bytes = self.config.memory_bits // 8
        self.image = [self.rng.getrandbits(self.config.memory_bits) for _ in range(self.words)]
        self.counts = (parameters["readers"], parameters["writers"])
        self.on_chip = self.config.memory == "on_chip"

    @classmethod
    async def start(cls, dut: Any, gaps: float = 0.0, stalls: float = 0.0,
                    bus: float = 0.0) -> "MemoryBench":
        """Start the clock, reset, fill the memory, connect clients with these pauses."""
        bench = cls(dut)
        quiet = [f"{kind}__{k}__{port}__valid" for kind, ports, count in (
            ("readers", ("request",), bench.counts[0]),
            ("writers", ("request", "data"), bench.counts[1]))
            for k in range(count) for port in ports]
        for name in (*quiet, *(("host__read", "host__write", "host__address", "host__write_data")
                               if bench.on_chip else ("base",)), "stop", "clear"):
            getattr(dut, name).value = 0
        dut.limit.value = bench.words
        dut.writable_start.value = bench.writable
        Clock(dut.clk, PERIOD_NS, "ns").start()
        dut.rst.value = 1
        if not bench.on_chip:
            dut.base.value = BASE
            bench.ram = AxiRam(AxiBus.from_prefix(dut, "axi_"), dut.clk, dut.rst,
                               size=_RAM_BYTES)
            for interface in (bench.ram.read_if, bench.ram.write_if):
                interface.log.setLevel(logging.WARNING)
            bench.bus = AxiRules(dut)
            for name in bench.channels():
                bench.pause_bus(name, bus)
        await ClockCycles(dut.clk, 3)
        dut.rst.value = 0
        await bench.fill()
        bench.reads = [ResettableSink(dut, f"readers__{k}__data", bench.pauses(stalls),
                                      ("rst", "clear")) for k in range(bench.counts[0])]
        bench.requests, bench.write_requests, bench.writes = (
            [ResettableSource(dut, f"{kind}__{k}__{port}", bench.pauses(gaps))
             for k in range(count)]
            for kind, port, count in (("readers", "request", bench.counts[0]),
                                      ("writers", "request", bench.counts[1]),
                                      ("writers", "data", bench.counts[1])))
        cocotb.start_soon(bench.watch_idle())
        await bench.edge(2)
        return bench

    def channels(self) -> dict[str, Any]:
        """Return the partner's channels by name."""
        write, read = self.ram.write_if, self.ram.read_if
        return {"aw": write.aw_channel, "w": write.w_channel, "b": write.b_channel,
                "ar": read.ar_channel, "r": read.r_channel}

    def pause_bus(self, name: str, share: float) -> None:
        """Let a channel of the partner pause a share of the cycles, a few or many at a time."""
        burst = self.rng.choice((1, 3, 12))
        self.channels()[name].set_pause_generator(self.pauses(share, burst))

    def fail_at(self, first: int, end: int, response: AxiResp) -> None:
        """Let the partner answer ``response`` for words from ``first`` to before ``end``."""
        for interface, name in ((self.ram.read_if, "_read"), (self.ram.write_if, "_write")):
            usual = getattr(interface, name)

            async def access(address: int, what: Any, usual: Callable = usual) -> Any:
                if BASE + first * self.bytes <= address < BASE + end * self.bytes:
                    raise OSError("as told")
                return await usual(address, what)
            setattr(interface, name, access)
        for channel, field in ((self.channels()["r"], "rresp"), (self.channels()["b"], "bresp")):
            async def send(item: Any, usual: Callable = channel.send, field: str = field) -> None:
                if getattr(item, field) != AxiResp.OKAY:
                    setattr(item, field, response)
                await usual(item)
            channel.send = send

    def pauses(self, share: float, burst: float = 3.0) -> Iterator[bool]:
        """Return a new random sequence."""
        return pauses(random.Random(self.rng.getrandbits(64)), share, burst)

    async def edge(self, count: int = 1) -> None:
        """Wait for clock edges."""
        await ClockCycles(self.dut.clk, count)

    def flag(self, name: str) -> int:
        """Return a plain output."""
        return int(getattr(self.dut, name).value)

    @property
    def errors(self) -> set[str]:
        """Names of the errors that are set."""
        fields = unpack(memory_error_layout(), self.flag("error"))
        return {name for name, value in fields.items() if value}

    def read(self, reader: int, requests: Iterable[Request]) -> list[int]:
        """Let a reader make requests; return the words that it must get."""
        requests = list(requests)
        self.requests[reader].put(address | words << 32 for address, words in requests)
        return [word for address, words in requests
                for word in self.image[address:address + words]]

    def write(self, writer: int, request: Request) -> list[int]:
        """Let a writer make a request with random words; return them, and note them."""
        address, words = request
        fresh = [self.rng.getrandbits(self.config.memory_bits) for _ in range(words)]
        self.image[address:address + words] = fresh
        self.writes[writer].put(fresh)
        self.write_requests[writer].put([address | words << 32])
        return fresh

    async def until(self, done: Callable[[], bool], what: str, timeout: int = 20_000) -> None:
        """Wait until ``done``; fail after ``timeout`` cycles."""
        for _ in range(timeout):
            if done():
                return
            await self.edge()
        raise AssertionError(f"{what}: not in {timeout} cycles")

    async def finish(self, wanted: dict[int, list[int]]) -> None:
        """Wait until the readers have got their words, compare, and wait until all is idle."""
        for reader, words in wanted.items():
            take = self.reads[reader]
            await self.until(lambda take=take, words=words: len(take.words) >= len(words),
                             f"reader {reader}, {len(words)} words")
        await self.until(lambda: not any(offer.pending for offer in (
            *self.write_requests, *self.writes)), "writers")
        await self.edge()
        await self.until(lambda: bool(self.flag("idle")), "idle")
        await self.edge(5)
        for reader, words in wanted.items():
            found = self.reads[reader].words
            for place, (got, want) in enumerate(zip(found, words, strict=False)):
                assert got == want, f"reader {reader}, word {place}: {got:#x}, not {want:#x}"
            assert len(found) == len(words), f"reader {reader} got words nobody asked for"

    async def stop(self) -> None:
        """Stop and wait for idle."""
        self.dut.stop.value = 1
        await self.edge(2)
        await self.until(lambda: bool(self.flag("idle")), "idle", _SETTLE)

    async def clear(self) -> None:
        """Stop, reset the clients, clear, and go on."""
        await self.stop()
        self.drop_clients()
        self.dut.clear.value = 1
        await self.edge()
        self.dut.clear.value = 0
        await self.edge()
        assert not self.errors, "clear must clear the errors"
        for take in self.reads:
            take.drop()
        self.dut.stop.value = 0
        await self.edge()

    async def reset(self) -> None:
        """Reset the unit, the clients and the bus."""
        self.dut.rst.value = 1
        self.drop_clients()
        await self.edge(3)
        for take in self.reads:
            take.drop()
        self.dut.rst.value = 0
        await self.edge()

    async def watch_idle(self) -> None:
        """Check that nothing is called idle in a cycle in which a request is made."""
        while True:
            await RisingEdge(self.dut.clk)
            idle, writes_idle = self.flag("idle"), self.flag("writes_idle")
            if not writes_idle or self.flag("stop") or self.flag("rst"):
                continue
            reading, writing = (
                any(self.flag(f"{kind}__{k}__request__valid") for k in range(count))
                for kind, count in zip(("readers", "writers"), self.counts, strict=True))
            assert not (idle and reading), "idle, and a request"
            assert not writing, "writes_idle, and a request"

    def drop_clients(self) -> None:
        """Reset all clients."""
        for client in (*self.requests, *self.reads, *self.write_requests, *self.writes):
            client.drop()

    async def fill(self) -> None:
        """Put the image into the memory."""
        if self.on_chip:
            await self._fill_by_host()
        else:
            self.ram.write(BASE % _RAM_BYTES, b"".join(
                word.to_bytes(self.bytes, "little") for word in self.image))

    async def contents(self) -> list[int]:
        """Return what the memory holds."""
        if self.on_chip:
            return await self._contents_by_host()
        data = bytes(self.ram.read(BASE % _RAM_BYTES, self.words * self.bytes))
        return [int.from_bytes(data[k:k + self.bytes], "little")
                for k in range(0, len(data), self.bytes)]

    async def check_memory(self) -> None:
        """Compare all words with the image."""
        for address, (got, want) in enumerate(zip(await self.contents(), self.image,
                                                  strict=True)):
            assert got == want, f"word {address}: {got:#x}, not {want:#x}"

    async def _fill_by_host(self) -> None:
        parts = self.config.memory_bits // 32
        self.dut.host__write.value = 1
        for address in range(self.words * parts):
            self.dut.host__address.value = address
            self.dut.host__write_data.value = (
                self.image[address // parts] >> address % parts * 32) & 0xFFFF_FFFF
            await self.edge()
        self.dut.host__write.value = 0

    async def _contents_by_host(self) -> list[int]:
        parts = self.config.memory_bits // 32
        count = self.words * parts
        found = []
        await self.edge(2)
        for address in range(count + 2):
            self.dut.host__read.value = address < count
            self.dut.host__address.value = min(address, count - 1)
            if int(self.dut.host__valid.value):
                found.append(int(self.dut.host__read_data.value))
            await self.edge()
        assert len(found) == count, f"the host must get {count} words, not {len(found)}"
        return [sum(part << 32 * k for k, part in enumerate(found[first:first + parts]))
                for first in range(0, count, parts)]
