# SPDX-License-Identifier: Apache-2.0
"""The row store in Amaranth's simulator: what is looked up is what the rows hold."""

import random

import pytest

from spikeloom.models.golden.weight_list import position_of
from spikeloom.rtl.config import ArrayConfig
from spikeloom.rtl.pe.row_store import RowStore
from spikeloom.verif.payload import unpack
from spikeloom.verif.stimuli import random_words
from spikeloom.verif.stream_simulation import StreamSimulation
from spikeloom.verif.test_rtl_row_expander import beats_of

_OTHER = {"laggy_adders": 1, "tppes": 1, "output_lanes": 1}
CONFIGS = {
    "usual": ArrayConfig(chunk=32, beat_values=4, max_fan_in=64, **_OTHER),
    "one_row": ArrayConfig(chunk=8, beat_values=1, max_fan_in=24, timesteps=1, probes=2,
                           rows_per_pe=1, **_OTHER),
    "one_bank": ArrayConfig(chunk=24, beat_values=8, max_fan_in=40, probes=1, rows_per_pe=2,
                            timesteps=5, **_OTHER),
    "one_slice": ArrayConfig(chunk=8, beat_values=2, max_fan_in=8, probes=4, rows_per_pe=2,
                             **_OTHER),
}


class Store:
    """A row store with its streams, and tiles to put there."""

    def __init__(self, config, seed, gaps=0.0):
        self.config, self.rng = config, random.Random(str(seed))
        self.unit = RowStore(config)
        self.simulation = StreamSimulation(self.unit, seed, gaps=gaps)
        self.tile = self.simulation.source(self.unit.i_tile)
        self.rows = [self.simulation.source(row) for row in self.unit.i_row]

    def put(self, used, lengths):
        """Queue a tile; return its words, row by row."""
        self.tile.put([{"used": used}])
        rows = []
        for row, source in enumerate(self.rows):
            words = random_words(self.rng, self.config, lengths[row], self.rng.random())
            if used >> row & 1:
                source.put(beats_of(words, self.config, self.rng))
            rows.append(words if used >> row & 1 else [])
        return rows

    async def loaded(self, ctx):
        await self.simulation.until(ctx, lambda: ctx.get(self.unit.loaded))

    async def release(self, ctx):
        ctx.set(self.unit.release, 1)
        await self.simulation.edge(ctx)
        ctx.set(self.unit.release, 0)

    async def compare(self, ctx, rows):
        """Look all places up, one in each bank a cycle, and release the tile with the last."""
        config, unit = self.config, self.unit
        longest = max(map(len, rows), default=0)
        places = -(-longest // config.chunk) * config.chunk // config.probes
        order = self.rng.sample(range(places), places)
        asked = []
        for place in [*order, None, None]:
            if place is not None:
                ctx.set(unit.places, [(place + bank) % places for bank in range(config.probes)])
                ctx.set(unit.release, int(place == order[-1]))
                assert not ctx.get(unit.beyond)
            await self.simulation.edge(ctx)
            ctx.set(unit.release, 0)
            asked.append(place)
            if len(asked) < 2 or asked[-2] is None:
                continue
            words = unpack(unit.words.shape(), ctx.get(unit.words.as_value()))
            for bank in range(config.probes):
                position = position_of(bank, (asked[-2] + bank) % places, config.probes,
                                       config.beat_values)
                want = [row[position] if position < len(row) else 0 for row in rows]
                assert words[bank] == want


@pytest.mark.parametrize("gaps", [0.0, 0.5])
@pytest.mark.parametrize("name", CONFIGS)
def test_words_are_found(name, gaps):
    config = CONFIGS[name]
    store = Store(config, f"{name} {gaps}", gaps)
    tiles = []
    for number in range(8):
        used = store.rng.randrange(1, 1 << config.rows_per_pe) if number else 1
        length = store.rng.choice((1, config.max_fan_in, store.rng.randint(1, config.max_fan_in)))
        tiles.append(store.put(used, [length] * config.rows_per_pe))

    async def bench(ctx):
        for rows in tiles:
            await store.loaded(ctx)
            assert ctx.get(store.unit.used) == sum(bool(row) << k for k, row in enumerate(rows))
            await store.compare(ctx, rows)
        assert not ctx.get(store.unit.row_overflow) and not ctx.get(store.unit.length_mismatch)

    store.simulation.run(bench)


def test_a_tile_without_rows_passes():
    config = CONFIGS["usual"]
    store = Store(config, 1)
    store.put(0, [1] * 4)
    rows = store.put(9, [20] * 4)

    async def bench(ctx):
        await store.loaded(ctx)
        assert not ctx.get(store.unit.used) and not ctx.get(store.unit.beyond)
        await store.release(ctx)
        await store.loaded(ctx)
        await store.compare(ctx, rows)
        assert not ctx.get(store.unit.length_mismatch)

    store.simulation.run(bench)


@pytest.mark.parametrize("lengths, wrong", [([64, 64, 64, 32], 1), ([32, 64, 64, 64], 1),
                                            ([33, 64, 40, 50], 0), ([1, 1, 32, 33], 1)])
def test_rows_of_other_length_are_an_error(lengths, wrong):
    config = CONFIGS["usual"]
    store = Store(config, 1)
    store.put(15, lengths)

    async def bench(ctx):
        await store.loaded(ctx)
        assert ctx.get(store.unit.length_mismatch) == wrong
        assert not ctx.get(store.unit.row_overflow)

    store.simulation.run(bench)


@pytest.mark.parametrize("chunks", [1, 2])
def test_places_behind_the_rows_are_told(chunks):
    config = CONFIGS["usual"]
    store = Store(config, 1)
    store.put(15, [chunks * config.chunk] * 4)

    async def bench(ctx):
        await store.loaded(ctx)
        for place in range(config.places):
            ctx.set(store.unit.places, [0, place, 0, 0])
            beyond = place >= chunks * config.chunk // config.probes
            assert ctx.get(store.unit.beyond) == beyond << 1
            await store.simulation.edge(ctx)

    store.simulation.run(bench)
