# SPDX-License-Identifier: Apache-2.0
"""The row expander in Amaranth's simulator against the words that the fibers came from."""

import itertools
import random

import pytest
import torch
from amaranth import Module, ResetInserter, Signal

from spikeloom.models.golden.compressor import compress
from spikeloom.rtl.config import ArrayConfig
from spikeloom.rtl.pe.row_expander import RowExpander
from spikeloom.verif.fibers import spike_beats
from spikeloom.verif.stimuli import DENSITIES, random_words
from spikeloom.verif.stream_simulation import StreamSimulation

_OTHER = {"laggy_adders": 1, "tppes": 1, "output_lanes": 1}
CONFIGS = {
    "usual": ArrayConfig(chunk=32, beat_values=8, max_fan_in=128, **_OTHER),
    "one_value": ArrayConfig(chunk=8, beat_values=1, max_fan_in=24, timesteps=1, probes=2,
                             **_OTHER),
    "one_beat": ArrayConfig(chunk=8, beat_values=8, max_fan_in=40, probes=1, **_OTHER),
    "uneven": ArrayConfig(chunk=24, beat_values=4, max_fan_in=80, timesteps=5, probes=2,
                          **_OTHER),
}


def slices_of(words, config):
    """Return the slices of a row, padding included."""
    size = config.beat_values
    words = words + [0] * (-len(words) % config.chunk)
    return [{"values": words[first:first + size], "index": first // size, "fits": 1,
             "last": int(first + size == len(words))} for first in range(0, len(words), size)]


def beats_of(words, config, noise):
    return spike_beats(compress(torch.tensor(words), config.chunk), config, noise=noise)


def simulate(config, rows, noise, **pauses):
    """Expand the rows; return source and sink."""
    unit = RowExpander(config)
    simulation = StreamSimulation(unit, noise.random(), **pauses)
    source, sink = simulation.source(unit.i), simulation.sink(unit.o)
    wanted = [item for row in rows for item in slices_of(row, config)]
    source.put(beat for row in rows for beat in beats_of(row, config, noise))

    async def bench(ctx):
        await simulation.until(ctx, lambda: len(sink.values) == len(wanted), 10_000)
        await simulation.edge(ctx, 10)
        assert source.idle and not ctx.get(unit.error)

    simulation.run(bench)
    assert sink.values == wanted
    return source, sink


@pytest.mark.parametrize("gaps, stalls", [(0.0, 0.0), (0.6, 0.0), (0.0, 0.6), (0.4, 0.4)])
@pytest.mark.parametrize("name", CONFIGS)
def test_rows_come_out_whole(name, gaps, stalls):
    config, rng = CONFIGS[name], random.Random(f"{name} {gaps} {stalls}")
    rows = [random_words(rng, config, rng.randint(1, config.max_fan_in), density)
            for density in DENSITIES * 2]
    simulate(config, rows, rng, gaps=gaps, stalls=stalls)


@pytest.mark.parametrize("density", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("name", CONFIGS)
def test_a_slice_each_cycle(name, density):
    config, rng = CONFIGS[name], random.Random(name)
    length = config.max_chunks * config.chunk
    rows = [random_words(rng, config, length, density) for _ in range(3)]
    source, sink = simulate(config, rows, rng)
    first_end = next(index for index, beat in enumerate(beats_of(rows[0], config, rng))
                     if beat["end"])
    assert sink.cycles[0] - source.cycles[first_end] == 1
    steps = {later - now for now, later in itertools.pairwise(sink.cycles)}
    assert steps == {1}


def _with_a_beat_more(beats, config):
    return [beats[0] | {"end": 0}, *beats]


def _with_a_bit_less(beats, config):
    return [beat | {"mask": 0} for beat in beats]


def _with_a_chunk_more(beats, config):
    ends = [index for index, beat in enumerate(beats) if beat["end"]]
    again = beats[ends[-2] + 1:] if len(ends) > 1 else beats
    return [*beats[:-1], beats[-1] | {"last": 0},
            *(beat | {"last": int(bool(beat["end"]))} for beat in again)]


@pytest.mark.parametrize("spoil", [_with_a_beat_more, _with_a_bit_less, _with_a_chunk_more])
@pytest.mark.parametrize("stalls", [0.0, 0.5])
@pytest.mark.parametrize("name", CONFIGS)
def test_what_is_too_long_is_an_error(name, stalls, spoil):
    config, rng = CONFIGS[name], random.Random(name)
    if spoil is _with_a_bit_less and config.chunk_beats == 1:
        return
    unit, reset = RowExpander(config), Signal()
    wrapped = Module()
    wrapped.submodules.unit = ResetInserter(reset)(unit)
    simulation = StreamSimulation(wrapped, name, stalls=stalls)
    source, sink = simulation.source(unit.i), simulation.sink(unit.o)
    full = [1] * (config.max_chunks * config.chunk)
    good = random_words(rng, config, len(full), 0.5)
    bad = spoil(beats_of(full, config, rng), config)
    wanted = slices_of(good, config)

    async def bench(ctx):
        source.put(bad)
        source.put(beats_of(good, config, rng))
        await simulation.until(ctx, lambda: sum(item["last"] for item in sink.values) == 2)
        assert ctx.get(unit.error) and sink.values[-len(wanted):] == wanted
        before = sink.values[:-len(wanted)]
        inside = [item["index"] for item in before if item["fits"]]
        assert inside == list(range(len(wanted)))
        assert len(before) - len(inside) == (
            config.chunk_beats if spoil is _with_a_chunk_more else 0)
        sink.values.clear()
        ctx.set(reset, 1)
        await simulation.edge(ctx)
        ctx.set(reset, 0)
        source.put(beats_of(good, config, rng))
        await simulation.until(ctx, lambda: len(sink.values) == len(wanted))
        assert sink.values == wanted and not ctx.get(unit.error)

    simulation.run(bench)
