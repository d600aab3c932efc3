# SPDX-License-Identifier: Apache-2.0
"""Bench of the memory system: all words arrive, at full rate, and nobody waits for others."""

import itertools
from collections import Counter
from typing import Any

import cocotb
from cocotb.triggers import RisingEdge

from .memory_bench import BASE, MemoryBench
from .memory_traffic import bursts_of, random_reads, random_writes, traffic

__all__ = ["carries_all_traffic", "keeps_full_rate", "nobody_is_blocked",
           "restarts_after_reset", "shares_fairly", "tells_when_writes_are_in"]


def _count_strobes(bench: MemoryBench) -> Counter:
    found: Counter = Counter()

    async def count() -> None:
        while True:
            await RisingEdge(bench.dut.clk)
            taken = bench.flag("taken")
            found.update(reader for reader in range(bench.counts[0]) if taken >> reader & 1)
            found["written"] += bench.flag("written")

    cocotb.start_soon(count())
    return found


@cocotb.test()
@cocotb.parametrize(gaps=[0.0, 0.5], stalls=[0.0, 0.5], bus=[0.0, 0.5])
async def carries_all_traffic(dut: Any, gaps: float, stalls: float, bus: float) -> None:
    """All words arrive, in order, and the strobes tell how many."""
    bench = await MemoryBench.start(dut, gaps, stalls, bus)
    before = list(bench.image)
    strobes = _count_strobes(bench)
    wanted = traffic(bench)
    await bench.finish(wanted)
    await bench.check_memory()
    changed = sum(old != new for old, new in zip(before, bench.image, strict=True))
    assert changed > bench.config.burst_words
    assert strobes == {"written": changed} | {k: len(words) for k, words in wanted.items()}
    assert not bench.errors
    for reader in wanted:
        bench.reads[reader].drop()
    written = bench.words - bench.writable  # read back what was written
    await bench.finish({0: bench.read(0, [(bench.writable, written)])})
    if not bench.on_chip:
        for channel in ("aw", "ar"):
            for address, words in bench.bus.addresses[channel]:
                first = (address - BASE) // bench.bytes
                assert len(bursts_of((first, words), bench.config.burst_words)) == 1


@cocotb.test()
async def keeps_full_rate(dut: Any) -> None:
    """A word per cycle for one reader, for all together and for a writer."""
    bench = await MemoryBench.start(dut)
    length = bench.words // 4
    await bench.finish({0: bench.read(0, [(3, length)])})
    cycles = bench.reads[0].cycles
    assert cycles[-1] - cycles[0] == length - 1, "one reader alone: no gap"
    if bench.on_chip:
        latency = cycles[0] - bench.requests[0].cycles[0]
        assert latency == 7, f"a reader must wait 7 cycles, not {latency}"
    for take in bench.reads:
        take.drop()
    await bench.finish({k: bench.read(k, [(k, length)]) for k in range(bench.counts[0])})
    every = sorted(itertools.chain.from_iterable(take.cycles for take in bench.reads))
    extra = every[-1] - every[0] + 1 - len(every)
    assert extra <= 8, f"all readers: {extra} cycles without a word"
    burst_words = bench.config.burst_words
    first = bench.writable - bench.writable % -burst_words
    for address in range(first, bench.words - burst_words + 1, burst_words):
        bench.write(0, (address, burst_words))
    await bench.finish({})
    cycles = bench.writes[0].cycles
    extra = cycles[-1] - cycles[0] + 1 - len(cycles)
    assert extra <= (0 if bench.on_chip else len(cycles) // 8), f"writer: {extra} cycles lost"
    await bench.check_memory()


@cocotb.test()
async def nobody_is_blocked(dut: Any) -> None:
    """A reader that takes nothing stops only itself, and gets its words in the end."""
    bench = await MemoryBench.start(dut)
    bench.reads[0].pauses = itertools.repeat(True)
    wanted = {k: bench.read(k, random_reads(bench, 10)) for k in range(1, bench.counts[0])}
    late = bench.read(0, [(1, bench.words // 2 - 1)])
    for reader, words in wanted.items():
        take = bench.reads[reader]
        await bench.until(lambda take=take, words=words: take.words == words, f"reader {reader}")
    await bench.edge(100)
    assert not bench.reads[0].words
    assert not bench.flag("idle"), "a request waits"
    bench.reads[0].pauses = itertools.repeat(False)
    await bench.finish({0: late} | wanted)


@cocotb.test()
async def shares_fairly(dut: Any) -> None:
    """Readers with long requests get the same number of words, give or take two bursts."""
    bench = await MemoryBench.start(dut)
    length = bench.words // 2
    wanted = {k: bench.read(k, [(0, length)]) for k in range(bench.counts[0])}
    await bench.until(lambda: len(bench.reads[0].words) >= length // 2, "half of the words")
    counts = [len(take.words) for take in bench.reads]
    assert max(counts) - min(counts) <= 3 * bench.config.burst_words, counts
    await bench.finish(wanted)


@cocotb.test()
@cocotb.parametrize(bus=[0.0, 0.7])
async def tells_when_writes_are_in(dut: Any, bus: float) -> None:
    """In the first cycle of ``writes_idle`` after a request, its words are in the memory."""
    bench = await MemoryBench.start(dut, bus=bus)
    strobes, words = _count_strobes(bench), 0
    for request in [*random_writes(bench, 0, 2), (bench.words - bench.config.burst_words,
                                                   bench.config.burst_words)]:
        words += len(bench.write(0, request))
        await bench.until(lambda: not bench.flag("writes_idle"), "the write")
        await bench.until(lambda: not bench.write_requests[0].pending, "the request")
        await bench.until(lambda: bool(bench.flag("writes_idle")), "writes_idle")
        assert strobes["written"] == words
        await bench.check_memory()


@cocotb.test()
@cocotb.parametrize(moment=[5, 30, 100])
async def restarts_after_reset(dut: Any, moment: int) -> None:
    """A reset drops all that was under way."""
    bench = await MemoryBench.start(dut, 0.2, 0.4)
    before = list(bench.image)
    traffic(bench)
    bench.requests[0].put([bench.words | 1 << 32])  # refused, when its turn comes
    await bench.edge(moment)
    await bench.reset()
    assert not bench.errors and bench.flag("idle")
    bench.image = await bench.contents()
    assert bench.image[:bench.writable] == before[:bench.writable]
    await bench.finish(traffic(bench))
    await bench.check_memory()
