# SPDX-License-Identifier: Apache-2.0
"""The line store in Amaranth's simulator: what is looked up is what the rows hold."""

import random

import pytest

from spikeloom.rtl.pe.line_store import LineStore
from spikeloom.verif.stimuli import random_words
from spikeloom.verif.stream_simulation import StreamSimulation
from spikeloom.verif.test_rtl_line_expander import lines
from spikeloom.verif.test_rtl_row_store import CONFIGS, Store


class LinedStore(Store):
    """A line store with its streams, and tiles to put there."""

    def __init__(self, config, seed, gaps=0.0):
        self.config, self.rng = config, random.Random(str(seed))
        self.unit = LineStore(config)
        self.simulation = StreamSimulation(self.unit, seed, gaps=gaps)
        self.tile = self.simulation.source(self.unit.i_tile)
        self.line = self.simulation.source(self.unit.i_line)

    def put(self, used, lengths):
        self.tile.put([{"used": used}])
        rows = [random_words(self.rng, self.config, lengths[row], self.rng.random())
                if used >> row & 1 else [] for row in range(self.config.rows_per_pe)]
        for row in self.rng.sample(range(len(rows)), len(rows)):
            if rows[row]:
                self.line.put(lines(rows[row], self.config, row))
        return rows


@pytest.mark.parametrize("gaps", [0.0, 0.5])
@pytest.mark.parametrize("name", CONFIGS)
def test_words_are_found(name, gaps):
    config = CONFIGS[name]
    store = LinedStore(config, f"{name} {gaps}", gaps)
    tiles = []
    for _ in range(8):
        used = store.rng.randrange(1, 1 << config.rows_per_pe)
        length = store.rng.choice((1, config.max_fan_in, store.rng.randint(1, config.max_fan_in)))
        tiles.append(store.put(used, [length] * config.rows_per_pe))

    async def bench(ctx):
        for rows in tiles:
            await store.loaded(ctx)
            assert ctx.get(store.unit.used) == sum(bool(row) << k for k, row in enumerate(rows))
            await store.compare(ctx, rows)
        assert not ctx.get(store.unit.length_mismatch)

    store.simulation.run(bench)


def test_pace_and_back_pressure():
    """A line each cycle; the third tile waits for the release of the first."""
    config = CONFIGS["usual"]
    store = LinedStore(config, 1)
    tiles = [store.put(15, [64] * 4) for _ in range(3)]
    count = len(lines([0] * 64, config)) * 4

    async def bench(ctx):
        await store.simulation.edge(ctx, 4 * count)
        assert len(store.tile.cycles) == 3 and len(store.line.cycles) == 2 * count
        cycles = store.line.cycles[:count]
        assert cycles == list(range(cycles[0], cycles[0] + count))
        for rows in tiles:
            await store.loaded(ctx)
            await store.compare(ctx, rows)

    store.simulation.run(bench)


@pytest.mark.parametrize("lengths, wrong", [([64, 64, 64, 32], 1), ([32, 64, 64, 64], 1),
                                            ([33, 64, 40, 50], 0), ([1, 1, 32, 33], 1)])
def test_rows_of_other_length_are_an_error(lengths, wrong):
    store = LinedStore(CONFIGS["usual"], 1)
    store.put(15, lengths)

    async def bench(ctx):
        await store.loaded(ctx)
        assert ctx.get(store.unit.length_mismatch) == wrong

    store.simulation.run(bench)


@pytest.mark.parametrize("chunks", [1, 2])
def test_places_behind_the_rows_are_told(chunks):
    config = CONFIGS["usual"]
    store = LinedStore(config, 1)
    store.put(8, [chunks * config.chunk] * 4)

    async def bench(ctx):
        await store.loaded(ctx)
        for place in range(config.places):
            ctx.set(store.unit.places, [0, place, 0, 0])
            beyond = place >= chunks * config.chunk // config.probes
            assert ctx.get(store.unit.beyond) == beyond << 1
            await store.simulation.edge(ctx)

    store.simulation.run(bench)
