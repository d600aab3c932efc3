# SPDX-License-Identifier: Apache-2.0
"""Bench of the host link: requests over a bad line, against the golden link."""

from typing import Any

import cocotb
from cocotb.triggers import RisingEdge

from ..models.golden.host_link import HostLink, request_frame
from ..models.golden.slip import END_TOKEN, decode, encode
from .bench import Bench
from .link_traffic import Registers, random_line
from .lite_target import LiteTarget
from .streams import cycle

__all__ = ["answers_once_more", "counts_what_it_drops", "keeps_its_pace", "matches_golden",
           "refuses", "restarts_after_reset"]

_QUIET = 500  # cycles without a byte that no pause lasts
_OK, _BAD_REQUEST, _BUS_ERROR = range(3)


class _Link:
    """The unit between its two ends, and the golden one.

    Parameters
    ----------
    gaps, stalls : float
        Share of cycles in which bytes from the host pause; in which those to it and the bus do.
    """

    def __init__(self, bench: Bench, gaps: float = 0.0, stalls: float = 0.0):
        self.bench = bench
        self.source = bench.source("i", gaps, burst=3)
        self.sink = bench.sink("o", stalls, burst=3)
        self.registers = Registers()
        self.target = LiteTarget(bench.dut, "axil", self.registers, bench.rng, stalls)
        self.wanted = Registers()
        self.golden = HostLink(bench.config, self.wanted)
        self._seen = 0

    async def exchange(self, line: bytes) -> bytes:
        """Send bytes; return what comes back, compared with what the golden link sends."""
        wanted = self.golden.feed(line)
        await self.source.send(line)
        await self.sink.take(self._seen + len(wanted), timeout=_QUIET * self.bench.config.words)
        await self.bench.edge(_QUIET)
        found = bytes(self.sink.values[self._seen:])
        for place, (got, want) in enumerate(zip(found, wanted, strict=False)):
            assert got == want, f"byte {place} must be {want:#x}, not {got:#x}"
        assert len(found) == len(wanted), f"bytes must be {len(wanted)}, not {len(found)}"
        assert self.registers.log == self.wanted.log, "every access must be made once"
        self._seen += len(found)
        return found

    async def ask(self, sequence: int, command: int, offset: int, count: int,
                  payload: bytes = b"") -> tuple[int, bytes]:
        """Make a request; return status and words of the response."""
        line = await self.exchange(request_frame(sequence, command, offset, count, payload))
        content = bytes(token for token in decode(line) if token is not END_TOKEN)
        assert content[0] == sequence
        return content[1], content[2:-4]


@cocotb.test()
@cocotb.parametrize(gaps=[0.0, 0.5], stalls=[0.0, 0.5])
async def matches_golden(dut: Any, gaps: float, stalls: float) -> None:
    """Requests of all kinds, repeated ones, garbage and damage, give the golden answers."""
    link = _Link(await Bench.start(dut), gaps, stalls)
    rng, config = link.bench.rng, link.bench.config
    requests = link.bench.parameters.get("requests", 150)
    answers = await link.exchange(random_line(rng, config, requests, share=0.002))
    await link.exchange(rng.randbytes(2000) + encode([END_TOKEN]))
    assert (await link.ask(0, 2, 0x1000, min(2, config.words)))[0] == _OK
    golden = link.golden
    assert golden.dropped > 5 and golden.repeated > 5 and len(answers) > 5 * requests
    assert len(link.wanted.log) > requests // 4


@cocotb.test()
async def answers_once_more(dut: Any) -> None:
    """The same number again gives the same answer, whatever was read since; 0 never does."""
    link = _Link(await Bench.start(dut))
    first = await link.ask(7, 0, 0x44, 1)
    assert await link.ask(7, 0, 0x44, 1) == first == await link.ask(7, 1, 0x44, 1, bytes(4))
    assert await link.ask(8, 0, 0x44, 1) != first
    assert await link.ask(0, 0, 0x44, 1) != await link.ask(0, 0, 0x44, 1)
    refused = await link.ask(9, 0, 0x48, 1)
    assert refused == (_BUS_ERROR, b"") == await link.ask(9, 0, 0x48, 1)
    assert await link.ask(10, 0, 0x1000, 1) == (_OK, (3 << 16).to_bytes(4, "little"))


@cocotb.test()
async def refuses(dut: Any) -> None:
    """What makes no sense or is no register is answered, and changes nothing."""
    link = _Link(await Bench.start(dut))
    words = link.bench.config.words
    for number, (command, offset, count, payload, status) in enumerate([
            (0, 0x40, 0, b"", _BAD_REQUEST), (0, 0x40, words + 1, b"", _BAD_REQUEST),
            (4, 0x40, 1, b"", _BAD_REQUEST), (0, 0x40, 1, b"\0", _BAD_REQUEST),
            (1, 0x40, 1, bytes(3), _BAD_REQUEST), (1, 0x40, 1, b"", _BAD_REQUEST),
            (255, 0x40, 1, bytes(4), _BAD_REQUEST),
            (0, 0x40, words, bytes(4 * words), _BAD_REQUEST), (1, 0x1000, 1, bytes(4), _BUS_ERROR),
            (0, 0x1008, 1, b"", _BUS_ERROR), (0, 0x2000, 1, b"", _BUS_ERROR),
            (1, 0x48, 1, bytes(4), _BUS_ERROR), (0, 0x48, 1, b"", _BUS_ERROR),
            (3, 0x100, words, bytes(range(4 * words)), _OK), (2, 0x100, words, b"", _OK)]):
        found, content = await link.ask(number + 1, command, offset, count, payload)
        assert found == status
        assert len(content) == (0 if status or command & 1 else 4 * count)


@cocotb.test()
async def counts_what_it_drops(dut: Any) -> None:
    """Frames too short, too long or damaged are dropped and counted; empty ones are nothing."""
    link = _Link(await Bench.start(dut))
    words = link.bench.config.words
    good = request_frame(1, 3, 0x100, words, bytes(4 * words))
    wrong = bytearray(good)
    wrong[-2] ^= 0x10
    too_long = request_frame(1, 3, 0x100, words, bytes(4 * words + 1))
    for line in (bytes(wrong), too_long, good[:-2] + b"\0\xC0", good[:4] + good[5:], b"\xC0" * 5,
                 good[:-1] + b"\0" * 20 * words + b"\xC0", b"\0" * 4 + b"\xC0"):
        assert await link.exchange(line) == b""
    assert link.golden.dropped == 6
    assert await link.ask(2, 0, 0x1000, 1) == (_OK, (6).to_bytes(4, "little"))
    assert await link.ask(3, 0, 0x1004, 1) == (_OK, bytes([words, 1, 0, 0]))


@cocotb.test()
async def keeps_its_pace(dut: Any) -> None:
    """Latency as the docstring says, and no byte is taken while a request is at work."""
    link = _Link(await Bench.start(dut))
    line = request_frame(1, 0, 0x40, 1)
    asked: list[int] = []

    async def watch() -> None:
        while True:
            await RisingEdge(dut.clk)
            if int(dut.axil__arvalid.value):
                asked.append(cycle())

    cocotb.start_soon(watch())
    link.source.put(line + line)
    await link.sink.take(12)
    assert asked[0] - link.source.cycles[len(line) - 1] == 3
    await link.bench.edge(_QUIET)
    assert len(link.registers.log) == 1
    first, second = link.source.cycles[len(line) - 1], link.source.cycles[len(line)]
    assert second > link.sink.cycles[11] > first


@cocotb.test()
async def restarts_after_reset(dut: Any) -> None:
    """A reset drops a frame that has begun, and forgets the last request and the counts."""
    link = _Link(await Bench.start(dut))
    request = request_frame(1, 0, 0x44, 1)
    first = await link.exchange(request)
    await link.exchange(request[:-3] + b"\xC0" + request[:5])
    await link.bench.reset(1)
    await link.bench.edge()
    other = _Link(link.bench)
    assert await other.exchange(request) == first
    assert await other.ask(2, 0, 0x1000, 1) == (_OK, bytes(4))
