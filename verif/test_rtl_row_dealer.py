# SPDX-License-Identifier: Apache-2.0
"""The row dealer in Amaranth's simulator against the golden one."""

import random

import pytest
from amaranth import Module, ResetInserter, Signal

from spikeloom.models.golden.row_dealer import deal
from spikeloom.rtl.config import ArrayConfig
from spikeloom.rtl.pe.row_dealer import RowDealer
from spikeloom.verif.stream_simulation import StreamSimulation

CONFIG = ArrayConfig(tppes=4, rows_per_pe=2, output_lanes=2, chunk=8, beat_values=1, probes=2,
                     laggy_adders=8, max_fan_in=16)
SINGLE = ArrayConfig(tppes=3, rows_per_pe=1, output_lanes=1, chunk=8, beat_values=1, probes=2,
                     laggy_adders=8, max_fan_in=16)
WIDE = ArrayConfig(tppes=2, rows_per_pe=8, output_lanes=1, chunk=8, beat_values=1, probes=2,
                   laggy_adders=8, max_fan_in=16)
TOP = 16  # values of the fullest row


def items(tile, rng):
    """Return the rows of a tile; rows are called anything, ``elements`` counts once."""
    names, counts, elements = tile
    return [{"row": name, "count": count, "last": int(place == len(counts) - 1),
             "elements": rng.randrange(elements + 1) if place else elements}
            for place, (name, count) in enumerate(zip(names, counts, strict=True))]


def wanted(tile, config):
    names, counts, elements = tile
    dealt = deal(counts, elements, config.rows_per_pe)
    return [{"row": names[item.row], "element": item.element, "place": item.place,
             "last": int(place == len(dealt) - 1)} for place, item in enumerate(dealt)]


def tiles(rng, config, number, most=TOP):
    for _ in range(number):
        elements = rng.randint(1, config.tppes)
        limit = elements * config.rows_per_pe
        length = rng.choice((1, limit, rng.randint(1, limit)))
        yield (rng.sample(range(config.tile_rows), length),
               [rng.randint(0, most) for _ in range(length)], elements)


def simulate(config, given, **pauses):
    unit, rng = RowDealer(config), random.Random(7)
    simulation = StreamSimulation(unit, len(given), **pauses)
    source, sink = simulation.source(unit.i), simulation.sink(unit.o)
    expected = [item for tile in given for item in wanted(tile, config)]
    for tile in given:
        source.put(items(tile, rng))

    async def bench(ctx):
        await simulation.until(ctx, lambda: len(sink.values) >= len(expected))
        await simulation.edge(ctx, 5)
        assert not ctx.get(unit.error)

    simulation.run(bench)
    assert sink.values == expected
    return source, sink


@pytest.mark.parametrize("config", [CONFIG, SINGLE, WIDE], ids=["4x2", "3x1", "2x8"])
@pytest.mark.parametrize("gaps, stalls", [(0.0, 0.0), (0.5, 0.0), (0.0, 0.5), (0.4, 0.4)])
def test_tiles_are_dealt(config, gaps, stalls):
    rng = random.Random(f"{gaps} {stalls}")
    # few different counts: many rows are alike
    given = [*tiles(rng, config, 20), *tiles(rng, config, 20, most=2)]
    simulate(config, given, gaps=gaps, stalls=stalls)


@pytest.mark.parametrize("order", ["up", "down", "alike"])
def test_orders(order):
    length = CONFIG.tile_rows
    counts = {"up": range(length), "down": range(length, 0, -1), "alike": [3] * length}[order]
    simulate(CONFIG, [(list(range(length)), list(counts), 4)] * 2)


@pytest.mark.parametrize("length", [1, 2, 5, 8])
def test_latency_and_throughput(length):
    rng = random.Random(length)
    given = [(list(range(length)), [rng.randint(0, TOP) for _ in range(length)], 4)
             for _ in range(6)]
    source, sink = simulate(CONFIG, given)
    assert sink.cycles[0] - source.cycles[length - 1] == 1
    for cycles in (source.cycles, sink.cycles):
        assert cycles == list(range(cycles[0], cycles[0] + 6 * length))


def test_the_largest_tile_of_a_real_array():
    config, rng = ArrayConfig(), random.Random(3)
    given = [(rng.sample(range(64), 64), [rng.randint(0, 4096) for _ in range(64)], 16)
             for _ in range(2)]
    source, sink = simulate(config, given)
    assert sink.cycles == list(range(64, 64 + 128))
    assert source.cycles == list(range(128))


def test_a_stalled_output_stops_the_input_with_a_row_more_than_a_tile_held():
    unit = RowDealer(CONFIG)
    simulation = StreamSimulation(unit)
    source, sink = simulation.source(unit.i), simulation.sink(unit.o)
    given = list(tiles(random.Random(5), CONFIG, 10))
    for tile in given:
        source.put(items(tile, random.Random(1)))
    expected = [item for tile in given for item in wanted(tile, CONFIG)]

    async def bench(ctx):
        sink.stopped = True
        await simulation.edge(ctx, 40)
        assert len(source.cycles) == CONFIG.tile_rows + 1
        sink.stopped = False
        await simulation.until(ctx, lambda: len(sink.values) == len(expected))

    simulation.run(bench)
    assert sink.values == expected


@pytest.mark.parametrize("elements, rows, fit", [(1, 3, 2), (3, 7, 6), (4, 9, 8), (0, 1, 0),
                                                 (5, 1, 0), (7, 1, 0)])
def test_a_tile_that_does_not_fit_is_an_error(elements, rows, fit):
    unit, reset = RowDealer(CONFIG), Signal()
    wrapped = Module()
    wrapped.submodules.unit = ResetInserter(reset)(unit)
    simulation = StreamSimulation(wrapped)
    source, sink = simulation.source(unit.i), simulation.sink(unit.o)
    good = ([1, 2, 3], [5, 6, 7], 2)

    async def bench(ctx):
        source.put(items(good, random.Random(1)))
        source.put({"row": 0, "count": 1, "last": int(place == rows - 1), "elements": elements}
                   for place in range(rows))
        source.put(items(good, random.Random(1)))
        await simulation.until(ctx, lambda: ctx.get(unit.error))
        assert len(source.cycles) == 3 + fit + 1
        await simulation.edge(ctx, 20)
        assert len(source.cycles) == 3 + fit + 1 and ctx.get(unit.error)
        assert sink.values == wanted(good, CONFIG)
        source.drop()
        sink.values.clear()
        ctx.set(reset, 1)
        await simulation.edge(ctx)
        ctx.set(reset, 0)
        assert not ctx.get(unit.error)
        source.put(items(good, random.Random(1)))
        await simulation.until(ctx, lambda: len(sink.values) == 3)
        assert sink.values == wanted(good, CONFIG)

    simulation.run(bench)
