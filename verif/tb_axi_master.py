# SPDX-License-Identifier: Apache-2.0
"""Bench of the memory system on AXI: errors of the bus, and reads ahead."""

from typing import Any

import cocotb
from cocotbext.axi import AxiResp

from ..rtl.soc.read_arbiter import READS_IN_FLIGHT
from ..rtl.soc.write_arbiter import WRITES_IN_FLIGHT
from .memory_bench import MemoryBench
from .memory_traffic import random_reads

__all__ = ["asks_ahead", "does_not_wait_for_acknowledgements", "reports_bus_errors"]


@cocotb.test()
@cocotb.parametrize(response=[AxiResp.SLVERR, AxiResp.DECERR])
async def reports_bus_errors(dut: Any, response: AxiResp) -> None:
    """An error on the bus is reported, and every word still comes."""
    bench = await MemoryBench.start(dut, bus=0.3)
    bench.fail_at(100, 101, response)
    last = bench.words - 5
    bench.fail_at(last, last + 1, response)
    await bench.finish({0: bench.read(0, [(60, 40), (101, 30)])})
    assert not bench.errors
    bench.requests[1].put([90 | 30 << 32])
    await bench.until(lambda: len(bench.reads[1].words) == 30, "all words")
    assert bench.errors == {"read_response"}
    words = bench.reads[1].words
    assert words[:10] == bench.image[90:100] and words[11:] == bench.image[101:120]
    await bench.clear()
    old = bench.image[last]
    bench.write(0, (last - 1, 3))
    await bench.finish({})
    assert bench.errors == {"write_response"}
    bench.image[last] = old
    await bench.check_memory()
    await bench.clear()
    await bench.finish({0: bench.read(0, random_reads(bench, 5, 100))})
    assert not bench.errors


@cocotb.test()
async def asks_ahead(dut: Any) -> None:
    """Many reads are outstanding on a slow bus, and never more than the arbiter allows."""
    bench = await MemoryBench.start(dut)
    bench.channels()["ar"].queue_occupancy_limit = -1
    bench.pause_bus("r", 0.7)
    await bench.finish({k: bench.read(k, random_reads(bench, 8))
                        for k in range(bench.counts[0])})
    assert 4 <= bench.bus.most_reads <= READS_IN_FLIGHT


@cocotb.test()
async def does_not_wait_for_acknowledgements(dut: Any) -> None:
    """Many writes are outstanding if they are acknowledged late, as many as are allowed."""
    bench = await MemoryBench.start(dut)
    for name in ("aw", "w", "b"):
        bench.channels()[name].queue_occupancy_limit = -1
    bench.pause_bus("b", 0.97)
    for k in range(30):
        bench.write(k % bench.counts[1], (bench.writable + 2 * k, 1))
    await bench.finish({})
    assert bench.bus.most_writes == WRITES_IN_FLIGHT
    await bench.check_memory()
