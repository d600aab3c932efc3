# SPDX-License-Identifier: Apache-2.0
"""Checks that the benches of arrays share: ``busy``, and the fibers of one output."""

import cocotb
from cocotb.triggers import RisingEdge

from ..models.golden.decompressor import decompress
from .bench import Bench
from .fibers import Beat, canonical, fiber_from_beats
from .streams import cycle

__all__ = ["check_fibers", "clear_counters", "counted", "until_idle", "watch_busy"]


def watch_busy(bench: Bench) -> set[int]:
    """Return a set that will hold the cycles in which ``busy`` is high."""
    cycles: set[int] = set()

    async def watch() -> None:
        while True:
            await RisingEdge(bench.dut.clk)
            if bench.read("busy"):
                cycles.add(cycle())

    cocotb.start_soon(watch())
    return cycles


async def until_idle(bench: Bench) -> None:
    """Wait until the array is idle, and a while longer."""
    for _ in range(3000):
        await bench.edge()
        if not bench.read("busy"):
            break
    await bench.edge(20)
    assert not bench.read("busy"), "busy must end when all results have left"


def check_fibers(bench: Bench, beats: list[Beat], fibers: list[Beat],
                 kept: list[tuple[int, list[int]]]) -> None:
    """Compare with the golden fibers beat by beat, and with the words that they expand to."""
    for number, (got, want) in enumerate(zip(canonical(beats), canonical(fibers), strict=True)):
        assert got == want, f"beat {number} must be {want}, not {got}"
    open_fibers: dict[int, list[Beat]] = {}
    words = []
    start = 0
    for end in [index + 1 for index, beat in enumerate(beats) if beat["end"]]:
        row = beats[end - 1]["row"]
        fiber = open_fibers.setdefault(row, [])
        fiber += beats[start:end]
        start = end
        if fiber[-1]["last"]:
            words.append((row, decompress(fiber_from_beats(
                open_fibers.pop(row), bench.config)).tolist()))
    assert not open_fibers, f"fibers without an end: rows {sorted(open_fibers)}"
    size = bench.config.chunk
    assert words == [(row, row_words + [0] * (-len(row_words) % size)) for row, row_words in kept]


def counted(bench: Bench, before: dict[str, int]) -> dict[str, int]:
    """Return by how much each counter has grown."""
    limit = 1 << bench.config.counter_bits
    return {name: (value - before[name]) % limit
            for name, value in bench.read("counters").items()}


async def clear_counters(bench: Bench) -> None:
    """Raise ``clear`` for one cycle."""
    bench.write("clear", 1)
    await bench.edge()
    bench.write("clear", 0)
