# SPDX-License-Identifier: Apache-2.0
"""Bench of the memory system on chip: its end, its host and its pace word by word."""

from typing import Any

import cocotb

from .memory_bench import MemoryBench

__all__ = ["answers_every_word", "serves_the_host", "single_words_keep_the_rate"]


@cocotb.test()
async def answers_every_word(dut: Any) -> None:
    """On chip, words behind the end of the memory are errors, and nothing else changes."""
    bench = await MemoryBench.start(dut)
    dut.limit.value = 1 << 31
    end = bench.words
    bench.requests[0].put([end - 3 | 40 << 32])
    await bench.until(lambda: len(bench.reads[0].words) == 40, "all words")
    assert bench.reads[0].words[:3] == bench.image[-3:]
    assert bench.errors == {"read_response"}
    await bench.clear()
    fresh = bench.write(0, (bench.writable, 1))
    outside = [end - end % -bench.config.burst_words, (1 << 20) + bench.writable, (1 << 31) - 1]
    for address in outside:
        bench.write_requests[1].put([address | 1 << 32])
        bench.writes[1].put([fresh[0] ^ 1])
        await bench.until(lambda: not bench.writes[1].pending, "the write")
        await bench.edge(2)
        await bench.until(lambda: bool(bench.flag("writes_idle")), "idle")
        assert bench.errors == {"write_response"}
        await bench.clear()
    across = bench.write(1, (end - 1, 1))[0]  # a burst, half of it outside, if there is one
    bench.write_requests[1].put([end - 1 | 2 << 32])
    bench.writes[1].put([across, 1])
    await bench.until(lambda: not bench.writes[1].pending, "the write")
    await bench.edge(9)
    assert bench.errors == {"write_response"}
    await bench.check_memory()


@cocotb.test()
async def serves_the_host(dut: Any) -> None:
    """On chip, a host writes 32 bits without touching those beside; outside is zero."""
    bench = await MemoryBench.start(dut)
    parts = bench.config.memory_bits // 32
    for _ in range(40):
        address, value = bench.rng.randrange(bench.words * parts), bench.rng.getrandbits(32)
        shift = address % parts * 32
        word = bench.image[address // parts] & ~(0xFFFF_FFFF << shift)
        bench.image[address // parts] = word | value << shift
        dut.host__address.value, dut.host__write_data.value = address, value
        dut.host__write.value = 1
        await bench.edge()
        dut.host__write.value = 0
        await bench.edge(bench.rng.randrange(2))
    outside = bench.words * parts
    for address in (outside, outside + 1, 1 << 31, (1 << 32) - 1):
        dut.host__address.value, dut.host__write_data.value = address, 0xFFFF_FFFF
        dut.host__write.value = 1
        await bench.edge()
        dut.host__write.value, dut.host__read.value = 0, 1
        await bench.edge()
        dut.host__read.value = 0
        await bench.edge()
        assert bench.flag("host__valid") and not bench.flag("host__read_data")
    await bench.check_memory()
    await bench.finish({0: bench.read(0, [(0, bench.words)])})


@cocotb.test()
async def single_words_keep_the_rate(dut: Any) -> None:
    """Requests of one word: one per cycle if read on chip, one every 2 cycles if written."""
    bench = await MemoryBench.start(dut)
    count = bench.words // 4
    bench.reads[0].drop()
    await bench.finish({0: bench.read(0, [(7 * k % count, 1) for k in range(count)])})
    cycles = bench.reads[0].cycles
    assert cycles[-1] - cycles[0] == count - 1
    for k in range(count):
        bench.write(1, (bench.writable + k, 1))
    await bench.finish({})
    cycles = bench.writes[1].cycles
    assert cycles[-1] - cycles[0] <= 2 * (count - 1)
    await bench.check_memory()
