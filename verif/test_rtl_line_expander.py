# SPDX-License-Identifier: Apache-2.0
"""The line expander in Amaranth's simulator against the words that the fibers came from."""

import itertools
import random

import pytest
import torch

from spikeloom.models.golden.compressor import compress
from spikeloom.rtl.config import ElementConfig
from spikeloom.rtl.pe.line_expander import LineExpander
from spikeloom.verif.fibers import spike_beats
from spikeloom.verif.stimuli import DENSITIES, random_words
from spikeloom.verif.stream_simulation import StreamSimulation

_OTHER = {"laggy_adders": 1, "tppes": 3, "rows_per_pe": 2}
CONFIGS = {
    "usual": ElementConfig(chunk=64, beat_values=4, probes=4, max_fan_in=128, **_OTHER),
    "one_bank": ElementConfig(chunk=24, beat_values=8, probes=1, max_fan_in=72, timesteps=5,
                              **_OTHER),
    "one_line": ElementConfig(chunk=8, beat_values=2, probes=4, max_fan_in=24, timesteps=1,
                              **_OTHER),
    "single": ElementConfig(chunk=8, beat_values=1, probes=2, max_fan_in=16, **_OTHER),
}
CONFIG = CONFIGS["usual"]


def beats(words, config, rng=None, row=0):
    return spike_beats(compress(torch.tensor(words), config.chunk), config, noise=rng, row=row)


def lines(words, config, row=0):
    size = config.probes * config.beat_values
    words = words + [0] * (-len(words) % config.chunk)
    return [{"values": words[first:first + size], "row": row, "index": first // size,
             "last": int(first + size == len(words))} for first in range(0, len(words), size)]


def start(config, seed=0, **pauses):
    unit = LineExpander(config)
    simulation = StreamSimulation(unit, seed, **pauses)
    return unit, simulation, simulation.source(unit.i), simulation.sink(unit.o)


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
@pytest.mark.parametrize("gaps, stalls", [(0.0, 0.0), (0.5, 0.0), (0.0, 0.5), (0.4, 0.4)])
def test_rows_are_expanded(config, gaps, stalls):
    rng = random.Random(f"{gaps} {stalls}")
    unit, simulation, source, sink = start(config, gaps=gaps, stalls=stalls)
    wanted = []
    for _ in range(10):
        words = random_words(rng, config, rng.randint(1, config.max_fan_in),
                             rng.choice(DENSITIES))
        row = rng.randrange(config.tile_rows)
        source.put(beats(words, config, rng, row))
        wanted += lines(words, config, row)

    async def bench(ctx):
        await simulation.until(ctx, lambda: len(sink.values) >= len(wanted))
        await simulation.edge(ctx, 5)
        assert not ctx.get(unit.error)

    simulation.run(bench)
    assert sink.values == wanted


@pytest.mark.parametrize("values, cycles", [(1, 5), (8, 5), (16, 5), (32, 8), (64, 16)])
def test_pace(values, cycles):
    """A line each cycle once a beat of the chunk is there, but no more than a beat each cycle."""
    unit, simulation, source, sink = start(CONFIG)
    words = [1] * values + [0] * (64 - values)
    random.Random(3).shuffle(words)
    source.put(beats(words * 2, CONFIG) * 4)

    async def bench(ctx):
        await simulation.until(ctx, lambda: len(sink.values) == 8 * 4)

    simulation.run(bench)
    if values == 1:
        assert sink.cycles[0] - source.cycles[0] == 1
    starts = [later - now for now, later in itertools.pairwise(sink.cycles[3::4])]
    assert max(starts) <= cycles, starts


def test_errors():
    config = CONFIG
    full = beats([1] * config.chunk, config)
    long = beats([1] * config.chunk * 3, config)
    surplus = beats([1] * config.chunk, config)
    for beat in surplus:
        beat["mask"] &= 0xFFFF
    for given in (long, [beat | {"end": 0} for beat in full] * 2, surplus):
        unit, simulation, source, _ = start(config)
        source.put(full)
        source.put(given)

        async def bench(ctx, simulation=simulation, unit=unit):
            await simulation.edge(ctx, 22)
            assert not ctx.get(unit.error)
            await simulation.until(ctx, lambda: ctx.get(unit.error), 100)

        simulation.run(bench)


def test_reset():
    unit, simulation, source, sink = start(CONFIG)
    words = [3] * 40 + [0] * 80

    async def bench(ctx):
        for after in (3, 12, 17, 19, 23):
            source.put(beats(words, CONFIG) * 2)
            await simulation.edge(ctx, after)
            await simulation.reset(ctx)
            sink.values.clear()
            source.put(beats(words, CONFIG, row=1))
            wanted = lines(words, CONFIG, 1)
            await simulation.until(ctx, lambda wanted=wanted: len(sink.values) >= len(wanted))
            assert sink.values == wanted

    simulation.run(bench)
