# SPDX-License-Identifier: Apache-2.0
"""The fiber lister in Amaranth's simulator against the golden places of the weights."""

import random

import pytest
import torch
from amaranth import Module, ResetInserter, Signal

from spikeloom.models.golden.compressor import compress
from spikeloom.rtl.config import ArrayConfig
from spikeloom.rtl.pe.fiber_lister import FiberLister
from spikeloom.verif.fibers import weight_beats
from spikeloom.verif.list_traffic import canonical_list, fiber_list, random_weights
from spikeloom.verif.stream_simulation import StreamSimulation

CONFIGS = {
    "one_bank": ArrayConfig(chunk=8, beat_values=8, probes=1, laggy_adders=8, max_fan_in=64),
    "odd_chunk": ArrayConfig(chunk=24, beat_values=4, probes=2, laggy_adders=8, max_fan_in=60,
                             weight_bits=5),
    "four_banks": ArrayConfig(chunk=128, beat_values=8, probes=4, max_fan_in=512),
    "slices_of_one": ArrayConfig(chunk=16, beat_values=1, probes=16, max_fan_in=64,
                                 weight_bits=2, column_fifo_depth=2),
}
DENSITIES = [0.0, 0.02, 0.5, 1.0, 0.1, 0.0, 0.0, 0.01, 0.3]


def fiber_beats(weights, config, noise):
    """Return a tile's columns as weight fibers."""
    columns = [compress(column, config.chunk) for column in weights.T]
    return [beat for number, fiber in enumerate(columns)
            for beat in weight_beats(fiber, config, final=number == len(columns) - 1,
                                     noise=noise)]


def simulate(config, tiles, **pauses):
    unit, noise = FiberLister(config), random.Random(3)
    simulation = StreamSimulation(unit, len(tiles), **pauses)
    source, sink = simulation.source(unit.i), simulation.sink(unit.o)
    expected = []
    for weights in tiles:
        source.put(fiber_beats(weights, config, noise))
        expected += fiber_list(weights, config)

    async def bench(ctx):
        await simulation.until(ctx, lambda: len(sink.values) >= len(expected), 20000)
        await simulation.edge(ctx, 10)
        assert not ctx.get(unit.error)

    simulation.run(bench)
    assert canonical_list(sink.values) == expected
    return source, sink


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
@pytest.mark.parametrize("gaps, stalls", [(0.0, 0.0), (0.5, 0.0), (0.0, 0.5), (0.4, 0.4)])
def test_columns_are_listed(config, gaps, stalls):
    rng = random.Random(f"{gaps} {stalls}")
    tiles = [random_weights(rng, rng.choice((config.max_fan_in, rng.randint(1, 40))),
                            rng.sample(DENSITIES, 4), config.weight_bits) for _ in range(3)]
    simulate(config, tiles, gaps=gaps, stalls=stalls)


def test_latency():
    config = CONFIGS["four_banks"]
    for count in (1, 8, 9):
        source, sink = simulate(config, [torch.tensor([[5]] * count)])
        assert sink.cycles[0] - source.cycles[-1] == 4


@pytest.mark.parametrize("per_chunk", [1, 2, 8, 40, 128])
def test_a_weight_each_cycle(per_chunk):
    """Also from chunk to chunk and from column to column."""
    config, rng = CONFIGS["four_banks"], random.Random(per_chunk)
    columns = [[int(place in chosen) for _ in range(4)
                for chosen in [rng.sample(range(128), per_chunk)] for place in range(128)]
               for _ in range(2)]
    _, sink = simulate(config, [torch.tensor(columns).T])
    assert sink.cycles == list(range(sink.cycles[0], sink.cycles[0] + 8 * per_chunk))


def test_a_chunk_without_weights_takes_a_cycle():
    config = CONFIGS["four_banks"]
    column = torch.zeros(512, dtype=torch.int64)
    column[:20] = 1
    column[384:] = 1
    _, sink = simulate(config, [torch.stack([column, column], 1)])
    steps = [after - before for before, after in
             zip(sink.cycles, sink.cycles[1:], strict=False)]
    assert [place for place, step in enumerate(steps) if step != 1] == [19, 147 + 20]
    assert steps[19] == steps[167] == 3


def test_a_fiber_of_too_many_chunks_is_an_error():
    config = CONFIGS["odd_chunk"]  # three chunks at most
    unit, reset = FiberLister(config), Signal()
    wrapped = Module()
    wrapped.submodules.unit = ResetInserter(reset)(unit)
    simulation = StreamSimulation(wrapped)
    source, sink = simulation.source(unit.i), simulation.sink(unit.o)
    good = torch.ones(3 * 24, 1, dtype=torch.int64)
    long = torch.ones(5 * 24, 1, dtype=torch.int64)

    async def bench(ctx):
        source.put(fiber_beats(good, config, None))
        await simulation.until(ctx, lambda: len(sink.values) == 72)
        assert not ctx.get(unit.error)
        source.put([*fiber_beats(long, config, None), *fiber_beats(good, config, None)])
        await simulation.until(ctx, lambda: len(sink.values) == 72 + 120 + 72)
        assert ctx.get(unit.error)
        found = canonical_list(sink.values)
        assert found[72:72 + 71] == found[:71]  # all but the end
        assert not any(entry["valid"] for beat in found[72 + 72:72 + 120]
                       for entry in beat["entries"])
        assert found[-72:] == found[:72] == fiber_list(good, config)
        ctx.set(reset, 1)
        await simulation.edge(ctx)
        ctx.set(reset, 0)
        assert not ctx.get(unit.error)

    simulation.run(bench)


def test_a_chunk_of_too_many_beats_is_an_error():
    config = CONFIGS["one_bank"]
    unit = FiberLister(config)
    simulation = StreamSimulation(unit)
    source = simulation.source(unit.i)
    simulation.sink(unit.o)
    beat = {"values": [0] * 8, "end": 0, "mask": 0, "last": 0, "final": 0}

    async def bench(ctx):
        source.put([beat, {**beat, "end": 1, "last": 1}])
        await simulation.until(ctx, lambda: ctx.get(unit.error))

    simulation.run(bench)


def test_reset_begins_a_column():
    config = CONFIGS["odd_chunk"]
    unit, reset = FiberLister(config), Signal()
    wrapped = Module()
    wrapped.submodules.unit = ResetInserter(reset)(unit)
    simulation = StreamSimulation(wrapped)
    source, sink = simulation.source(unit.i), simulation.sink(unit.o)
    weights = torch.ones(60, 1, dtype=torch.int64)

    async def bench(ctx):
        source.put(fiber_beats(weights, config, None))
        await simulation.until(ctx, lambda: len(sink.values) == 30)
        source.drop()
        ctx.set(reset, 1)
        await simulation.edge(ctx)
        ctx.set(reset, 0)
        sink.values.clear()
        sink.drop()
        source.put(fiber_beats(weights, config, None))
        await simulation.until(ctx, lambda: len(sink.values) == 60)
        assert canonical_list(sink.values) == fiber_list(weights, config)

    simulation.run(bench)
