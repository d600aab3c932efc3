# SPDX-License-Identifier: Apache-2.0
"""Bench of the compressor: random fibers and the corner cases by name, against the golden op."""

import itertools
from dataclasses import dataclass
from typing import Any

import cocotb
from cocotb.triggers import RisingEdge

from .bench import Bench
from .fiber_traffic import CORNERS, Chunk, fiber_chunks, random_chunks
from .fibers import canonical
from .streams import cycle

__all__ = ["covers_corner", "keeps_its_pace", "matches_golden", "restarts_after_reset"]

_QUIET = 100  # cycles without a transfer that no random stall lasts


@dataclass(frozen=True)
class Pace:
    """Cycles of each slice; of the first and last slice and the last beat of each chunk."""

    slices: list[int]
    firsts: list[int]
    lasts: list[int]
    beats: list[int]


async def _run(bench: Bench, chunks: list[Chunk], gaps: float, stalls: float) -> Pace:
    """Compress the chunks and compare every beat with the golden one, and ``busy``."""
    busy: set[int] = set()

    async def watch() -> None:
        while True:
            await RisingEdge(bench.dut.clk)
            if bench.read("busy"):
                busy.add(cycle())

    cocotb.start_soon(watch())
    source, sink = bench.source("i", gaps, burst=3), bench.sink("o", stalls, burst=3)
    await bench.edge(2)
    slices = [chunk.slices(bench.config) for chunk in chunks]
    await source.send(list(itertools.chain(*slices)), timeout=_QUIET)
    await bench.edge(_QUIET)

    wanted = canonical(beat for chunk in chunks for beat in chunk.beats)
    found = canonical(sink.values)
    for number, (beat, want) in enumerate(zip(found, wanted, strict=False)):
        assert beat == want, f"beat {number} must be {want}, not {beat}"
    assert len(found) == len(wanted), f"beats must be {len(wanted)}, not {len(found)}"

    ends = list(itertools.accumulate(map(len, slices)))
    last_beats = itertools.accumulate(len(chunk.beats) for chunk in chunks)
    pace = Pace(source.cycles, [source.cycles[end] for end in [0, *ends[:-1]]],
                [source.cycles[end - 1] for end in ends],
                [sink.cycles[end - 1] for end in last_beats])
    working = {now for first, last in zip(pace.firsts, pace.beats, strict=True)
               for now in range(first + 1, last + 1)}
    assert busy == working, (f"busy must be high while a chunk is at work, and only then; "
                             f"it differs in cycles {sorted(busy ^ working)[:5]}")
    return pace


def _random(bench: Bench) -> list[Chunk]:
    """Return random chunks; empty and full ones are among them."""
    chunks = random_chunks(bench.rng, bench.config, 40 * bench.config.chunk)
    counts = {sum(map(bool, chunk.kept)) for chunk in chunks}
    assert {0, bench.config.chunk} <= counts, "there must be empty and full chunks"
    return chunks


@cocotb.test()
@cocotb.parametrize(gaps=[0.0, 0.5], stalls=[0.0, 0.5])
async def matches_golden(dut: Any, gaps: float, stalls: float) -> None:
    """Interleaved fibers of all lengths and sparsities give the golden beats."""
    bench = await Bench.start(dut)
    await _run(bench, _random(bench), gaps, stalls)


@cocotb.test()
@cocotb.parametrize(corner=[cocotb.Param(name, name=name) for name in CORNERS], pauses=[0.0, 0.4])
async def covers_corner(dut: Any, corner: str, pauses: float) -> None:
    """The fibers of each named corner case give the golden beats."""
    bench = await Bench.start(dut)
    await _run(bench, CORNERS[corner](bench.rng, bench.config), pauses, pauses)


@cocotb.test()
async def keeps_its_pace(dut: Any) -> None:
    """Latency 2 and a slice per cycle, as the component's docstring says."""
    bench = await Bench.start(dut)
    pace = await _run(bench, _random(bench), 0.0, 0.0)
    assert {out - into for into, out in zip(pace.lasts, pace.beats, strict=True)} == {2}
    assert {later - now for now, later in itertools.pairwise(pace.slices)} == {1}


@cocotb.test()
async def restarts_after_reset(dut: Any) -> None:
    """A reset drops the chunk at work and the beat that waits, and clears the offsets."""
    bench = await Bench.start(dut)
    config = bench.config
    every = (1 << config.timesteps) - 1
    source = bench.source("i")
    dut.o__ready.value = 1
    for row in range(config.tppes):  # each offset moves away from zero
        begun = fiber_chunks([every] * 2 * config.chunk, config, row=row)[0]
        await source.send(begun.slices(config))
    await bench.edge(3)
    dut.o__ready.value = 0
    await bench.edge()
    begun = fiber_chunks([every] * 2 * config.chunk, config)[0]
    await source.send(begun.slices(config)[:2])
    await bench.edge(2)
    assert bench.read("busy")
    assert int(dut.o__valid.value), "a full beat must wait"
    await bench.reset(1)
    await bench.edge()
    assert not bench.read("busy") and not int(dut.o__valid.value)
    chunks = [chunk for row in range(config.tppes)
              for chunk in fiber_chunks([0, every] * config.chunk, config, row=row)]
    await _run(bench, chunks, 0.0, 0.3)
