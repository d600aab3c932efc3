# SPDX-License-Identifier: Apache-2.0
"""The column sorter in Amaranth's simulator against a sort in plain Python."""

import itertools
import random

import pytest
from amaranth.lib import data

from spikeloom.rtl.config import ElementConfig
from spikeloom.rtl.pe.column_sorter import ColumnSorter
from spikeloom.verif.stream_simulation import StreamSimulation

_SMALL = {"chunk": 8, "beat_values": 2, "probes": 2, "laggy_adders": 8, "max_fan_in": 8,
          "timesteps": 2}
CONFIGS = {
    "4x2": ElementConfig(tppes=4, rows_per_pe=2, **_SMALL),
    "3x4": ElementConfig(tppes=3, rows_per_pe=4, **_SMALL),
    "1x1": ElementConfig(tppes=1, rows_per_pe=1, **_SMALL),
}
CONFIG = CONFIGS["4x2"]
TILES = 4


class Simulation:
    """A sorter with its streams; with ``wait`` no result comes before `start`."""

    def __init__(self, config, wait=False, **pauses):
        self.config, self.rng = config, random.Random(3)
        shape = data.StructLayout({"rows": range(config.tile_rows + 1), "name": 4})
        self.unit = ColumnSorter(config, shape)
        self.streams = StreamSimulation(self.unit, str(pauses), **pauses)
        self.places = self.streams.source(self.unit.i_place)
        self.results = self.streams.source(self.unit.i)
        self.sink = self.streams.sink(self.unit.o)
        self.wanted = []
        self.waiting = [] if wait else None

    def start(self):
        self.results.put(self.waiting)

    def put(self, rows, columns):
        """Queue the places and results of a tile, and what must come of it."""
        rng, config = self.rng, self.config
        places = rng.sample(range(config.tile_rows), rows)
        self.places.put({"row": row, "place": place, "last": int(row == rows - 1)}
                        for row, place in enumerate(places))
        tile = {"rows": rows, "name": rng.getrandbits(4)}
        limit = 1 << (config.psum_bits - 1)
        for column in range(columns):
            psums = [[rng.randrange(-limit, limit) for _ in range(config.timesteps)]
                     for _ in range(rows)]
            last = int(column == columns - 1)

            def result(number, row, place, psums=psums, last=last):
                return {"psums": psums[row], "row": place, "column_end": int(number == rows - 1),
                        "last": last, "tile": tile}

            order = sorted(range(rows), key=lambda row: places[row])
            coming = [result(number, row, places[row]) for number, row in enumerate(order)]
            if self.waiting is None:
                self.results.put(coming)
            else:
                self.waiting += coming
            self.wanted += [result(row, row, row) for row in range(rows)]

    async def finish(self, ctx):
        await self.streams.until(ctx, lambda: len(self.sink.values) >= len(self.wanted))
        await self.streams.edge(ctx, 5)
        assert self.sink.values == self.wanted
        assert not ctx.get(self.unit.busy)

    def run(self, bench=None):
        self.streams.run(bench or self.finish)


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
@pytest.mark.parametrize("gaps, stalls", [(0.0, 0.0), (0.5, 0.0), (0.0, 0.5), (0.4, 0.4)])
def test_columns_are_sorted(config, gaps, stalls):
    simulation = Simulation(config, gaps=gaps, stalls=stalls)
    rng = simulation.rng
    for _ in range(8):
        simulation.put(rng.choice((1, config.tile_rows, rng.randint(1, config.tile_rows))),
                       rng.randint(1, 4))
    simulation.run()


@pytest.mark.parametrize("rows", [1, 2, 7, 8])
def test_pace(rows):
    """A result each cycle, over columns and tiles, once the places are known."""
    simulation = Simulation(CONFIG, wait=True)
    for _ in range(3):
        simulation.put(rows, 5)

    async def bench(ctx):
        await simulation.streams.until(ctx, lambda: simulation.places.idle)
        simulation.start()
        await simulation.finish(ctx)

    simulation.run(bench)
    assert simulation.sink.cycles[0] - simulation.results.cycles[rows - 1] == 2
    for cycles in (simulation.sink.cycles, simulation.results.cycles):
        assert {later - now for now, later in itertools.pairwise(cycles)} == {1}


def test_results_wait_for_the_places():
    simulation = Simulation(CONFIG)
    simulation.put(8, 1)

    async def bench(ctx):
        await simulation.finish(ctx)

    simulation.run(bench)
    assert simulation.results.cycles[0] == simulation.places.cycles[-1] + 1


def test_places_of_four_tiles_are_held():
    simulation = Simulation(CONFIG)
    for _ in range(TILES + 2):
        simulation.put(2, 1)

    async def bench(ctx):
        simulation.sink.stopped = True
        await simulation.streams.edge(ctx, 60)
        # eight columns of two rows fit, and one more result is held at the output
        assert len(simulation.results.cycles) == 2 * (TILES + 2)
        simulation.sink.stopped = False
        await simulation.finish(ctx)

    simulation.run(bench)


def test_a_column_waits_until_it_fits():
    simulation = Simulation(CONFIG)
    simulation.put(8, 4)

    async def bench(ctx):
        simulation.sink.stopped = True
        await simulation.streams.edge(ctx, 60)
        assert len(simulation.results.cycles) == 2 * 8
        assert ctx.get(simulation.unit.busy)
        simulation.sink.stopped = False
        await simulation.finish(ctx)

    simulation.run(bench)


@pytest.mark.parametrize("after", [1, 3, 6, 9, 12, 17])
def test_a_reset_forgets_all(after):
    simulation = Simulation(CONFIG)

    async def bench(ctx):
        for _ in range(3):
            simulation.put(4, 3)
        await simulation.streams.edge(ctx, after)
        await simulation.streams.reset(ctx)
        simulation.sink.values.clear()
        simulation.wanted.clear()
        assert not ctx.get(simulation.unit.busy)
        for rows in (8, 1, 3):
            simulation.put(rows, 2)
        await simulation.finish(ctx)

    simulation.run(bench)
