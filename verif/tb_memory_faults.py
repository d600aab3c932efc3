# SPDX-License-Identifier: Apache-2.0
"""Bench of the memory system: what is refused, stopped and cleared."""

from typing import Any

import cocotb

from .memory_bench import BASE, MemoryBench
from .memory_traffic import bursts_of, random_reads, random_writes, traffic

__all__ = ["refuses_reads", "refuses_writes", "stop_and_go", "stop_and_clear"]


_BUS = (0.0, 0.6, 0.0, 0.6, 0.0, 0.6, 0.0)  # shares of pauses
_REFUSED = {  # address and words, from the limit
    "no_words": lambda limit: (0, 0),
    "one_too_many": lambda limit: (limit - 4, 5),
    "behind": lambda limit: (limit, 1),
    "far_behind": lambda limit: (0xFFFF_FFFF, 1),
    "end_wraps_to_zero": lambda limit: (0xFFFF_FFF0, 16),
    "end_wraps_below_limit": lambda limit: (limit - 1, 0xFFFF_FFFF),
    "both_largest": lambda limit: (0xFFFF_FFFF, 0xFFFF_FFFF),
}


@cocotb.test()
@cocotb.parametrize(case=[cocotb.Param(name, name=name) for name in _REFUSED])
async def refuses_reads(dut: Any, case: str) -> None:
    """A read out of range is not carried out; the reader waits, others go on, clear mends it."""
    bench = await MemoryBench.start(dut)
    limit = bench.writable - 3
    dut.limit.value = limit
    await bench.finish({0: bench.read(0, [(limit - 5, 5), (0, limit)])})  # up to the limit
    assert not bench.errors
    bench.reads[0].drop()
    address, words = _REFUSED[case](limit)
    bench.requests[0].put([address | words << 32, 3 | 1 << 32])
    wanted = bench.read(1, random_reads(bench, 8, limit))
    await bench.until(lambda: bench.reads[1].words == wanted, "reader 1")
    await bench.edge(50)
    assert not bench.reads[0].words, "the reader of a refused request waits"
    assert bench.errors == {"read_range"}
    if not bench.on_chip:
        assert all(BASE <= first and first + count * bench.bytes <= BASE + limit * bench.bytes
                   for first, count in bench.bus.addresses["ar"])
    await bench.clear()
    await bench.finish({0: bench.read(0, [(2, 20)]), 1: bench.read(1, [(9, 20)])})


@cocotb.test()
@cocotb.parametrize(case=[cocotb.Param(name, name=name) for name in (
    *_REFUSED, "before_start", "across_start")])
async def refuses_writes(dut: Any, case: str) -> None:
    """A write out of range is not carried out; the writer waits, others go on."""
    bench = await MemoryBench.start(dut)
    start, limit = bench.writable, bench.words - 6
    dut.limit.value = limit
    bench.write(0, (start, 2))       # both ends are allowed
    bench.write(0, (limit - 2, 2))
    await bench.finish({})
    assert not bench.errors
    address, words = {"before_start": (start - 1, 1), "across_start": (start - 1, 2)}.get(
        case) or _REFUSED[case](limit)
    bench.writes[0].put(bench.rng.getrandbits(32) for _ in range(8))
    bench.write_requests[0].put([address | words << 32, start + 8 | 1 << 32])
    for request in [(start + 40, 1), (start + 50, 2)]:
        bench.write(1, request)
    await bench.until(lambda: not bench.writes[1].pending, "writer 1")
    await bench.edge(50)
    assert bench.errors == {"write_range"}
    assert bench.writes[0].pending == 8, "no data of a refused request is taken"
    assert not bench.flag("writes_idle"), "a request waits"
    await bench.clear()
    bench.write(0, (start + 3, 2))
    await bench.finish({})
    await bench.check_memory()


@cocotb.test()
@cocotb.parametrize((("moment", "bus"), list(zip((3, 11, 24, 37, 58, 90, 141), _BUS, strict=True))))
async def stop_and_go(dut: Any, moment: int, bus: float) -> None:
    """A stop leads to idle, idle stays, and without it everything goes on."""
    bench = await MemoryBench.start(dut, 0.3, 0.3, bus)
    wanted = traffic(bench)
    await bench.edge(moment)
    await bench.stop()
    before = None if bench.on_chip else dict(map(
        lambda item: (item[0], len(item[1])), bench.bus.addresses.items()))
    for _ in range(60):
        await bench.edge()
        assert bench.flag("idle"), "idle must stay while stopped"
    if before:
        assert before == {name: len(seen) for name, seen in bench.bus.addresses.items()}
    dut.stop.value = 0
    await bench.finish(wanted)
    await bench.check_memory()


@cocotb.test()
@cocotb.parametrize((("moment", "bus"), list(zip((4, 13, 21, 34, 55, 89, 144), _BUS, strict=True))))
async def stop_and_clear(dut: Any, moment: int, bus: float) -> None:
    """Clients that are reset at once break no burst; after clear nothing of them is left."""
    bench = await MemoryBench.start(dut, 0.2, 0.4, bus)
    before = list(bench.image)
    pieces = []
    for writer in range(bench.counts[1]):
        for request in random_writes(bench, writer, 12):
            bench.write(writer, request)
            pieces += bursts_of(request, bench.config.burst_words)
    for reader in range(bench.counts[0]):
        bench.read(reader, random_reads(bench, 12))
    await bench.edge(moment)
    dut.stop.value = 1
    bench.drop_clients()
    await bench.clear()
    found = await bench.contents()
    for address, words in pieces:
        piece = slice(address, address + words)
        assert found[piece] in (before[piece], bench.image[piece]), f"half a burst at {address}"
    bench.image = found
    await bench.finish(traffic(bench))
    await bench.check_memory()
