# SPDX-License-Identifier: Apache-2.0
"""The load balancer in Amaranth's simulator against the golden one."""

import itertools
import random

import pytest
import torch
from amaranth.lib import data

from spikeloom.models.golden.compressor import compress
from spikeloom.models.golden.load_balancer import balance
from spikeloom.rtl.config import ElementConfig
from spikeloom.rtl.pe.load_balancer import LoadBalancer
from spikeloom.verif.fibers import spike_beats
from spikeloom.verif.stimuli import DENSITIES, random_words
from spikeloom.verif.stream_simulation import StreamSimulation

CONFIGS = {
    "4x2": ElementConfig(tppes=4, rows_per_pe=2, chunk=8, beat_values=2, probes=2,
                         laggy_adders=8, max_fan_in=24),
    "3x4": ElementConfig(tppes=3, rows_per_pe=4, chunk=8, beat_values=1, probes=2, timesteps=2,
                         laggy_adders=8, max_fan_in=16),
    "5x1": ElementConfig(tppes=5, rows_per_pe=1, chunk=16, beat_values=4, probes=2,
                         laggy_adders=8, max_fan_in=16),
    "1x2": ElementConfig(tppes=1, rows_per_pe=2, chunk=8, beat_values=8, probes=1, timesteps=1,
                         laggy_adders=8, max_fan_in=8),
    "1x1": ElementConfig(tppes=1, rows_per_pe=1, chunk=8, beat_values=8, probes=1, timesteps=1,
                         laggy_adders=8, max_fan_in=8),
}
CONFIG = CONFIGS["4x2"]


def shape(config):
    return data.StructLayout({"rows": range(config.tile_rows + 1), "name": 4})


def random_tile(rng, config, rows=None):
    """Return a name for a tile and its rows, of all densities."""
    rows = rows or rng.choice((1, config.tile_rows, rng.randint(1, config.tile_rows)))
    length = rng.randint(1, config.max_fan_in)
    return rng.getrandbits(4), [random_words(rng, config, length, rng.choice(DENSITIES))
                                for _ in range(rows)]


def beats(config, rows, rng, first=0):
    return [beat for row, words in enumerate(rows, first) for beat in spike_beats(
        compress(torch.tensor(words), config.chunk), config, noise=rng, row=row)]


class Simulation:
    """A balancer with its streams."""

    def __init__(self, config, **pauses):
        self.config, self.rng = config, random.Random(3)
        self.unit = LoadBalancer(config, shape(config))
        self.streams = StreamSimulation(self.unit, str(pauses), **pauses)
        self.tile, self.row = (self.streams.source(port)
                               for port in (self.unit.i_tile, self.unit.i_row))
        self.tiles, self.places, self.rows = (
            self.streams.sink(port)
            for port in (self.unit.o_tile, self.unit.o_place, self.unit.o_row))
        self.wanted_tiles, self.wanted_places, self.wanted_rows = [], [], []

    def put(self, name, rows):
        """Queue a tile and what must come of it."""
        config = self.config
        self.tile.put([{"rows": len(rows), "name": name}])
        fibers = beats(config, rows, self.rng)
        self.row.put(fibers)
        dealt = balance([sum(map(bool, words)) for words in rows], config.tppes,
                        config.rows_per_pe)
        places = [item.element * config.rows_per_pe + item.place for item in dealt]
        self.wanted_tiles.append({"used": sum(1 << place for place in places), "groups": 0,
                                  "rows": len(rows), "name": name})
        self.wanted_places += [{"row": row, "place": place, "last": int(row == len(rows) - 1)}
                               for row, place in enumerate(places)]
        self.wanted_rows += [beat | {"row": places[beat["row"]]} for beat in fibers]

    async def finish(self, ctx):
        await self.streams.until(ctx, lambda: len(self.rows.values) >= len(self.wanted_rows),
                                 30_000)
        await self.streams.edge(ctx, 5)
        assert not any(ctx.get(self.unit.error[name]) for name in ("tile_rows", "row_index"))
        assert self.tiles.values == self.wanted_tiles
        assert self.places.values == self.wanted_places
        assert self.rows.values == self.wanted_rows

    def run(self, bench=None):
        self.streams.run(bench or self.finish)


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
@pytest.mark.parametrize("gaps, stalls", [(0.0, 0.0), (0.5, 0.0), (0.0, 0.5), (0.4, 0.4)])
def test_rows_are_dealt(config, gaps, stalls):
    simulation = Simulation(config, gaps=gaps, stalls=stalls)
    for _ in range(6):
        simulation.put(*random_tile(simulation.rng, config))
    simulation.run()


def test_a_heavy_row_is_left_alone():
    simulation = Simulation(CONFIG)
    rows = [[1] * 24, [0] * 24, [1] * 9 + [0] * 15, [1] * 8 + [0] * 16, [0] * 23 + [1],
            [1] * 8 + [0] * 16, [0] * 24, [1] * 24]
    simulation.put(1, rows)
    places = [place["place"] // 2 for place in simulation.wanted_places]
    assert places == [0, 1, 1, 2, 3, 3, 2, 0]
    simulation.run()


def test_pace():
    """A cycle more for each row, none between the tiles but theirs."""
    simulation = Simulation(CONFIG)
    for _ in range(4):
        simulation.put(*random_tile(simulation.rng, CONFIG, rows=8))
    simulation.run()
    ends = [number for number, beat in enumerate(simulation.wanted_rows)
            if beat["end"] and beat["last"]]
    assert simulation.rows.cycles[0] - simulation.tile.cycles[0] == 2
    for number, (now, later) in enumerate(itertools.pairwise(simulation.rows.cycles)):
        tile_end = number in ends[7::8]
        assert later - now == 1 + (number in ends) + tile_end


def test_a_tile_waits_for_the_rows_of_the_former():
    simulation = Simulation(CONFIG)
    for _ in range(3):
        simulation.put(*random_tile(simulation.rng, CONFIG, rows=2))

    async def bench(ctx):
        simulation.rows.stopped = True
        await simulation.streams.edge(ctx, 20)
        assert len(simulation.tile.cycles) == len(simulation.row.cycles) == 1
        simulation.rows.stopped = False
        await simulation.finish(ctx)

    simulation.run(bench)


@pytest.mark.parametrize("name, config, rows, row", [
    ("tile_rows", CONFIG, 0, 0), ("tile_rows", CONFIG, 9, 0), ("tile_rows", CONFIG, 15, 0),
    ("tile_rows", CONFIGS["3x4"], 13, 0), ("row_index", CONFIG, 2, 1),
    ("row_index", CONFIG, 2, 7), ("row_index", CONFIGS["3x4"], 12, 15),
])
def test_what_does_not_fit_is_an_error(name, config, rows, row):
    simulation = Simulation(config)
    words = [1] * config.chunk

    async def bench(ctx):
        simulation.tile.put([{"rows": rows, "name": 0}])
        simulation.row.put(beats(config, [words], simulation.rng, row))
        await simulation.streams.edge(ctx, 10)
        assert [field for field in ("tile_rows", "row_index")
                if ctx.get(simulation.unit.error[field])] == [name]
        assert not simulation.rows.values
        assert len(simulation.tiles.values) == (name == "row_index")
        for partner in (simulation.tiles, simulation.places):
            partner.values.clear()
        await simulation.streams.reset(ctx)
        assert not any(ctx.get(simulation.unit.error[field])
                       for field in ("tile_rows", "row_index"))
        for count in (1, config.tile_rows):
            simulation.put(*random_tile(simulation.rng, config, rows=count))
        await simulation.finish(ctx)

    simulation.run(bench)


@pytest.mark.parametrize("after", [1, 2, 3, 5, 12])
def test_a_reset_forgets_tile_and_rows(after):
    simulation = Simulation(CONFIG)

    async def bench(ctx):
        simulation.put(*random_tile(simulation.rng, CONFIG, rows=8))
        await simulation.streams.edge(ctx, after)
        await simulation.streams.reset(ctx)
        for sink, wanted in ((simulation.tiles, simulation.wanted_tiles),
                             (simulation.places, simulation.wanted_places),
                             (simulation.rows, simulation.wanted_rows)):
            sink.values.clear()
            wanted.clear()
        for _ in range(3):
            simulation.put(*random_tile(simulation.rng, CONFIG))
        await simulation.finish(ctx)

    simulation.run(bench)
