# SPDX-License-Identifier: Apache-2.0
"""Bench of the chunk writer: random tiles into output maps of all pitches, with pauses."""

import functools
import random
from dataclasses import dataclass
from typing import Any

import cocotb
import torch

from ..models.golden.chunk_writer import OutputMap, written_chunks
from ..models.golden.compressor import compress
from ..models.golden.fiber import Fiber
from ..rtl.config import AcceleratorConfig
from ..rtl.soc.descriptor import descriptor_layout
from .bench import Bench
from .client_memory import WrittenMemory
from .fibers import Beat, spike_beats
from .weight_traffic import blank

__all__ = ["keeps_its_pace", "matches_golden", "restarts_after_reset"]

_TILES = 4  # of a run
_QUIET = 300  # cycles without a transfer that no random stall lasts


@dataclass(frozen=True)
class Tile:
    """What comes of a tile, and where it goes.

    Attributes
    ----------
    address : int
    fibers : list[Fiber]
        Lane words of each row.
    """

    address: int
    fibers: list[Fiber]

    def beats(self, rng: random.Random, config: AcceleratorConfig) -> list[Beat]:
        """Return the beats: the first chunk of all rows, then the second of all rows, ..."""
        rows = []
        for row, fiber in enumerate(self.fibers):
            chunks: list[list[Beat]] = [[]]
            for beat in spike_beats(fiber, config, row=row, offsets=True):
                chunks[-1].append(beat)
                if beat["end"]:
                    chunks.append([])
                else:  # as the compressor, which gives what it has
                    beat |= {"mask": rng.getrandbits(config.chunk), "last": rng.getrandbits(1)}
            rows.append(chunks[:-1])
        return [beat for chunks in zip(*rows, strict=True) for chunk in chunks for beat in chunk]


def _output_map(rng: random.Random, config: AcceleratorConfig, passes: int,
                chunks: int) -> OutputMap:
    """Return an output map with room for the longest slots and none to spare, or some."""
    slot = config.mask_words - (-config.chunk_beats // config.spike_beats_per_word)
    chunk_pitch = slot + rng.randrange(3)
    pixel_pitch = chunks * chunk_pitch + rng.randrange(3)
    return OutputMap(passes, pixel_pitch * config.tppes + rng.randrange(1 << 20), pixel_pitch,
                     chunk_pitch)


def _tiles(rng: random.Random, config: AcceleratorConfig, output: OutputMap, chunks: int,
           first: int = 0) -> list[Tile]:
    """Return tiles of random rows and columns; chunks are empty, full and anything between."""
    tiles = []
    for number in range(first, first + _TILES):
        windows = rng.randint(1, config.tppes // output.passes)
        columns = chunks * config.chunk - rng.choice([0, 0, rng.randrange(config.chunk)])
        fibers = []
        for _ in range(windows * output.passes):
            share = rng.choice([0.0, 0.1, 0.5, 1.0])
            words = [rng.randrange(1, 1 << config.timesteps) if rng.random() < share else 0
                     for _ in range(columns)]
            fibers.append(compress(torch.tensor(words), config.chunk))
        # far apart: also the lane passes of two tiles must not meet
        tiles.append(Tile((number << 26) + rng.randrange(1 << 16), fibers))
    return tiles


class _Writer:
    """The unit with its streams, and what it must have written so far."""

    def __init__(self, bench: Bench, gaps: float = 0.0, stalls: float = 0.0):
        self.bench = bench
        self.slots = bench.source("i_slots", gaps, burst=3)
        self.beats = bench.source("i", gaps, burst=3)
        self.wanted: dict[int, int] = {}
        self._stalls = stalls

    @functools.cached_property
    def memory(self) -> WrittenMemory:
        """What is written to; until it is asked for, writes have to wait."""
        return WrittenMemory(self.bench, pause=self._stalls)

    async def run(self, output: OutputMap, tiles: list[Tile]) -> None:
        """Write the tiles and compare the memory."""
        bench, config, memory = self.bench, self.bench.config, self.memory
        bench.write("layer", blank(descriptor_layout()) | {
            "out_passes": output.passes, "out_pass_pitch": output.pass_pitch,
            "out_pixel_pitch": output.pixel_pitch, "out_chunk_pitch": output.chunk_pitch})
        for tile in tiles:
            self.wanted |= written_chunks(tile.fibers, tile.address, output, config)
        before = len(self.slots.cycles)
        self.slots.put({"address": tile.address, "rows": len(tile.fibers)} for tile in tiles)
        await self.beats.send([beat for tile in tiles for beat in tile.beats(bench.rng, config)],
                              timeout=_QUIET)
        await bench.edge()
        for _ in range(_QUIET):
            if not bench.read("busy"):
                break
            await bench.edge()
        assert not bench.read("busy"), "busy must end when all words are handed over"
        found = memory.words(steady=not self._stalls)
        assert found == self.wanted, _difference(found, self.wanted)
        assert len(self.slots.cycles) - before == len(tiles)


def _difference(found: dict[int, int], wanted: dict[int, int]) -> str:
    places = sorted(place for place in found.keys() | wanted.keys()
                    if found.get(place) != wanted.get(place))
    texts = [f"{place:#x}: {found.get(place)} in place of {wanted.get(place)}" for place in places]
    return f"{len(places)} words differ: " + ", ".join(texts[:5])


@cocotb.test()
@cocotb.parametrize(gaps=[0.0, 0.5], stalls=[0.0, 0.5])
async def matches_golden(dut: Any, gaps: float, stalls: float) -> None:
    """Tiles of all sizes, in maps of all kinds, leave the golden words in memory."""
    bench = await Bench.start(dut)
    writer, number = _Writer(bench, gaps, stalls), 0
    for passes in sorted({1, min(2, bench.config.tppes), bench.config.tppes}):
        for chunks in (1, 3):
            output = _output_map(bench.rng, bench.config, passes, chunks)
            await writer.run(output, _tiles(bench.rng, bench.config, output, chunks, number))
            number += _TILES


@cocotb.test()
async def keeps_its_pace(dut: Any) -> None:
    """A beat per cycle; ``mask_words`` more for a chunk; a request 2 cycles later."""
    bench = await Bench.start(dut)
    config = bench.config
    output = _output_map(bench.rng, config, 1, 2)
    words = torch.full((2 * config.chunk,), (1 << config.timesteps) - 1)
    tile = Tile(100, [compress(words, config.chunk)])
    writer = _Writer(bench)
    await writer.run(output, [tile])
    beats, memory = writer.beats.cycles, writer.memory
    chunk_cycles = config.chunk_beats + config.mask_words
    assert beats[-1] - beats[0] == 2 * chunk_cycles - 1 - config.mask_words * (
        config.chunk_beats == 1)
    assert memory.requests.cycles[0] - beats[config.chunk_beats - 1] == 2
    slot = len(written_chunks(tile.fibers, 0, output, config)) // 2
    requests = -(-slot // config.burst_words)
    assert len(memory.requests.cycles) == 2 * requests
    first, last = memory.requests.cycles[0], memory.data.cycles[slot - 1]
    assert last - first == slot + 2 * requests - 1


@cocotb.test()
@cocotb.parametrize(after=[1, 3, 6, 20], requested=[False, True])
async def restarts_after_reset(dut: Any, after: int, requested: bool) -> None:
    """A reset drops tile and chunks at work, and the words of a request that was taken."""
    bench = await Bench.start(dut)
    output = _output_map(bench.rng, bench.config, 1, 2)
    begun = _tiles(bench.rng, bench.config, output, 2)[0]
    writer = _Writer(bench, 0.0, 0.3)
    writer.slots.put([{"address": begun.address, "rows": len(begun.fibers)}])
    beats = begun.beats(bench.rng, bench.config)
    ends = [index + 1 for index, beat in enumerate(beats) if beat["end"]]
    writer.beats.put(beats[:min(after, ends[1])])  # more would wait
    dut.memory__request__ready.value = requested  # but no word is
    await bench.edge(after + 8)
    assert bench.read("busy")
    dut.rst.value = 1
    await bench.edge(2)
    dut.rst.value = 0
    await bench.edge()
    assert not bench.read("busy")
    assert not int(dut.memory__request__valid.value) and not int(dut.memory__data__valid.value)
    await writer.run(output, _tiles(bench.rng, bench.config, output, 2))
