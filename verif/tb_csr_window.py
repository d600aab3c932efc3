# SPDX-License-Identifier: Apache-2.0
"""Bench of the window to the memory on chip, against the golden registers."""

import itertools
from typing import Any

import cocotb

from .csr_host import begin

__all__ = ["loads_a_stream", "shares_the_window", "window_reaches_memory"]

_STATUS, _ADDRESS, _DATA, _CYCLES = 0x14, 0x40, 0x44, 0x80
_LIMIT = 200  # of simulated time, many times what a test takes


@cocotb.test(timeout_time=_LIMIT, timeout_unit="us")
@cocotb.parametrize(gaps=[0.0, 0.5], stalls=[0.0, 0.5])
async def window_reaches_memory(dut: Any, gaps: float, stalls: float) -> None:
    """The window moves on by a word with each access, up to the end of the memory."""
    bench, host, golden, _ = await begin(dut, gaps, stalls)
    end = bench.config.memory_words * bench.config.memory_bits // 32
    await host.write(_ADDRESS, end - 4)
    for value in (1, 2, 3, 0xFFFFFFFF):
        await host.write(_DATA, value)
    assert await host.write(_DATA, 5) is None and await host.read(_DATA) is None
    assert await host.read(_ADDRESS) == end
    await host.write(_ADDRESS, end - 4)
    assert await host.write(_DATA, 9, strobes=7) is None
    assert [await host.read(_DATA) for _ in range(4)] == [1, 2, 3, 0xFFFFFFFF]
    await host.write(_ADDRESS, 0)
    for golden.running, golden.memory_idle in ((True, True), (False, False), (True, False)):
        host.show()
        assert await host.read(_DATA) is None and await host.write(_DATA, 1) is None
        assert await host.read(_ADDRESS) == 0


@cocotb.test(timeout_time=_LIMIT, timeout_unit="us")
@cocotb.parametrize(gaps=[0.0, 0.5])
async def loads_a_stream(dut: Any, gaps: float) -> None:
    """Words of the stream go to memory in order, between accesses, none while running."""
    bench, host, golden, _ = await begin(dut, gaps)
    source = bench.source("i_load", gaps)
    words = [bench.rng.getrandbits(32) for _ in range(200)]
    end = bench.config.memory_words * bench.config.memory_bits // 32
    await host.write(_ADDRESS, end - 200)
    source.put([*words, 1, 2])
    await bench.edge(50)
    if not gaps:
        assert {later - now for now, later in itertools.pairwise(source.cycles)} == {1}
    while len(source.cycles) < 100:
        await host.read(_CYCLES)
    golden.running = True
    host.show()
    await bench.edge(2)
    count = len(source.cycles)
    await bench.edge(10)
    assert len(source.cycles) == count, "no word must be taken while running"
    golden.running = False
    host.show()
    while len(source.cycles) < 200:
        await host.read(_STATUS)
    await bench.edge(10)
    assert len(source.cycles) == 200, "no word must be taken beyond the end"
    for word in words:  # the golden memory, as far as it goes
        golden.words[end - 200 + len(golden.words)] = word
    golden.seek(end)
    assert await host.read(_ADDRESS) == end
    await host.write(_ADDRESS, end - 200)
    await bench.edge(10)
    assert len(source.cycles) == 202
    golden.load(1)
    golden.load(2)
    assert [await host.read(_DATA) for _ in range(198)] == words[2:]
    await host.write(_ADDRESS, end - 200)
    assert [await host.read(_DATA) for _ in range(2)] == [1, 2]


@cocotb.test(timeout_time=_LIMIT, timeout_unit="us")
@cocotb.parametrize(gaps=[0.0, 0.5])
async def shares_the_window(dut: Any, gaps: float) -> None:
    """While a stream is loaded the host writes and reads words: none of either is lost."""
    bench, host, _, _ = await begin(dut, gaps, latencies=(1,))
    source = bench.source("i_load", gaps)
    streamed = [bench.rng.getrandbits(31) for _ in range(300)]
    written = [1 << 31 | bench.rng.getrandbits(31) for _ in range(40)]
    source.put(streamed)
    await bench.edge(5)
    for word in written:
        await host.master.write(_DATA, word.to_bytes(4, "little"))
        await host.master.read(_DATA, 4)
    assert len(source.cycles) < 300, "the stream must last longer than the accesses"
    while len(source.cycles) < 300:
        await bench.edge()
    await bench.edge(2)
    found = [host.words[address] for address in sorted(host.words)]
    assert [word for word in found if word >> 31] == written
    assert [word for word in found if not word >> 31] == streamed
    assert max(host.words) == 300 + 40 + 40 - 1, "each read passes over one word"
