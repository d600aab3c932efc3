# SPDX-License-Identifier: Apache-2.0
"""Bench of the decompressor: fibers of the golden op, the corner cases, and corrupt fibers."""

import itertools
from collections.abc import Callable
from typing import Any

import cocotb

from ..rtl.config import FTPConfig
from .bench import Bench
from .fiber_traffic import CORNERS, Chunk, fiber_chunks, interleaved, random_chunks
from .fibers import Beat

__all__ = ["covers_corner", "flags_corruption", "keeps_its_pace", "matches_golden",
           "restarts_after_reset"]

_QUIET = 100  # cycles without a transfer that no random stall lasts


async def _run(bench: Bench, chunks: list[Chunk], gaps: float, stalls: float,
               ) -> tuple[list[int], list[int]]:
    """Expand the chunks, compare every word; return the cycles of all beats and all words."""
    source, sink = bench.source("i", gaps, burst=3), bench.sink("o", stalls, burst=3)
    await bench.edge(2)
    quiet = _QUIET + 5 * bench.config.chunk  # a chunk leaves before the next is taken
    await source.send([beat for chunk in chunks for beat in chunk.beats], timeout=quiet)
    await bench.edge(2 * quiet)
    wanted = [word for chunk in chunks for word in chunk.expanded()]
    for number, (word, want) in enumerate(zip(sink.values, wanted, strict=False)):
        assert word == want, f"word {number} must be {want}, not {word}"
    assert len(sink.values) == len(wanted), f"words must be {len(wanted)}, not {len(sink.values)}"
    assert not bench.read("error"), "error must stay low"
    return source.cycles, sink.cycles


@cocotb.test()
@cocotb.parametrize(gaps=[0.0, 0.5], stalls=[0.0, 0.5])
async def matches_golden(dut: Any, gaps: float, stalls: float) -> None:
    """Interleaved fibers of all lengths and sparsities become the words that were compressed."""
    bench = await Bench.start(dut)
    chunks = random_chunks(bench.rng, bench.config, 30 * bench.config.chunk, bench.rng)
    await _run(bench, chunks, gaps, stalls)


@cocotb.test()
@cocotb.parametrize(corner=[cocotb.Param(name, name=name) for name in CORNERS], pauses=[0.0, 0.4])
async def covers_corner(dut: Any, corner: str, pauses: float) -> None:
    """The fibers of each named corner case become the words that were compressed."""
    bench = await Bench.start(dut)
    await _run(bench, CORNERS[corner](bench.rng, bench.config), pauses, pauses)


@cocotb.test()
async def keeps_its_pace(dut: Any) -> None:
    """Latency 2 for a chunk alone, and a word per cycle, as the component's docstring says."""
    bench = await Bench.start(dut)
    [chunk] = fiber_chunks([1] * bench.config.chunk, bench.config)
    beats, words = await _run(bench, [chunk] * 10, 0.0, 0.0)
    assert words[0] - beats[len(chunk.beats) - 1] == 2
    assert {later - now for now, later in itertools.pairwise(words)} == {1}


def _offset_starts_anew(chunk: Chunk, config: FTPConfig) -> list[Beat]:
    return [*chunk.beats[:-1], chunk.beats[-1] | {"offset": 0}]


def _offset_one_too_far(chunk: Chunk, config: FTPConfig) -> list[Beat]:
    last = chunk.beats[-1]
    return [*chunk.beats[:-1], last | {"offset": last["offset"] + 1}]


def _beat_too_many(chunk: Chunk, config: FTPConfig) -> list[Beat]:
    return [*chunk.beats[:-1], chunk.beats[0] | {"end": 0}, chunk.beats[-1]]


def _beat_too_few(chunk: Chunk, config: FTPConfig) -> list[Beat]:
    return chunk.beats[1:]


# name: share of the words that the corrupt chunk has, how its beats are made
CORRUPTIONS: dict[str, tuple[float, Callable[[Chunk, FTPConfig], list[Beat]]]] = {
    "offset_starts_anew": (0.5, _offset_starts_anew),
    "offset_one_too_far": (0.5, _offset_one_too_far),
    "beat_too_many": (0.5, _beat_too_many),
    "beat_too_many_for_empty": (0.0, _beat_too_many),
    "beat_too_many_for_full": (1.0, _beat_too_many),  # more than any chunk has
    "beat_too_few": (1.0, _beat_too_few),
}


@cocotb.test()
@cocotb.parametrize(kind=[cocotb.Param(name, name=name) for name in CORRUPTIONS])
async def flags_corruption(dut: Any, kind: str) -> None:
    """A corrupt chunk of each kind sets ``error``, which stays until reset."""
    bench = await Bench.start(dut)
    config = bench.config
    share, corrupt = CORRUPTIONS[kind]
    if kind == "beat_too_few" and config.chunk_beats == 1:
        return  # no chunk has fewer than one beat
    words = [int(place < share * config.chunk) for place in range(config.chunk)]
    first, second = fiber_chunks([1] * config.chunk + words, config, row=config.tppes - 1)
    good = fiber_chunks([0, 1] * (config.chunk // 2), config)
    source, _ = bench.source("i"), bench.sink("o")

    async def error_after(beats: list[Beat]) -> bool:
        await source.send(beats)
        await bench.edge(3 * config.chunk)
        return bool(bench.read("error"))

    assert not await error_after([*good[0].beats, *first.beats]), "error must stay low"
    assert await error_after(corrupt(second, config)), "error must be set"
    assert await error_after(good[0].beats), "error must stay set"
    await bench.reset(1)
    await bench.edge()
    assert not bench.read("error"), "reset must clear error"
    await _run(bench, [first, second, *good], 0.0, 0.0)


@cocotb.test()
async def restarts_after_reset(dut: Any) -> None:
    """A reset drops both chunks and clears the offsets."""
    bench = await Bench.start(dut)
    config = bench.config
    source = bench.source("i")
    fibers = [fiber_chunks([1] * 2 * config.chunk, config, row=row) for row in range(config.tppes)]
    dut.o__ready.value = 1
    for first, _ in fibers:  # each offset moves away from zero
        await source.send(first.beats)
    await bench.edge(3 * config.chunk)
    dut.o__ready.value = 0
    await bench.edge()
    await source.send([*fibers[0][0].beats, *fibers[0][0].beats[:-1]])
    await bench.edge(5)
    assert int(dut.o__valid.value), "a word must wait"
    await bench.reset(1)
    await bench.edge()
    assert not int(dut.o__valid.value) and not bench.read("error")
    await _run(bench, interleaved(fibers, bench.rng), 0.0, 0.3)
