# SPDX-License-Identifier: Apache-2.0
"""The list decoder in Amaranth's simulator against the golden weight list."""

import random

import pytest
from amaranth import Module, ResetInserter, Signal

from spikeloom.rtl.config import ArrayConfig, ConfigError
from spikeloom.rtl.pe.list_decoder import ListDecoder, delta_beat_layout
from spikeloom.verif.list_traffic import canonical_list, delta_beats, list_beats, random_weights
from spikeloom.verif.stream_simulation import StreamSimulation

CONFIGS = {
    "one_bank": ArrayConfig(chunk=8, beat_values=8, probes=1, laggy_adders=8, max_fan_in=64),
    "odd_places": ArrayConfig(chunk=24, beat_values=4, probes=2, laggy_adders=8, max_fan_in=60,
                              weight_bits=5),
    "four_banks": ArrayConfig(chunk=128, beat_values=8, probes=4, max_fan_in=512),
    "slices_of_one": ArrayConfig(chunk=16, beat_values=1, probes=16, max_fan_in=64,
                                 weight_bits=2),
}
DENSITIES = [0.0, 0.02, 0.5, 1.0, 0.1, 0.0, 0.0, 0.01, 0.3]


def simulate(config, delta_bits, tiles, layer_bits, **pauses):
    """Decode tiles of weights, each with as many bits of a delta as ``layer_bits`` says."""
    unit, noise = ListDecoder(config, delta_bits), random.Random(3)
    simulation = StreamSimulation(unit, delta_bits, **pauses)
    source, sink = simulation.source(unit.i), simulation.sink(unit.o)
    expected = []
    for weights, bits in zip(tiles, layer_bits, strict=True):
        source.put(delta_beats(weights, config, bits, noise))
        expected += list_beats(weights, config, bits)

    async def bench(ctx):
        await simulation.until(ctx, lambda: len(sink.values) >= len(expected))
        await simulation.edge(ctx, 3)
        assert not ctx.get(unit.error)

    simulation.run(bench)
    assert canonical_list(sink.values) == expected
    return source, sink


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
@pytest.mark.parametrize("gaps, stalls", [(0.0, 0.0), (0.5, 0.0), (0.0, 0.5), (0.4, 0.4)])
def test_columns_are_decoded(config, gaps, stalls):
    rng = random.Random(f"{gaps} {stalls}")
    layer_bits = [0, 1, 2, 4, 5]
    tiles = [random_weights(rng, rng.choice((config.max_fan_in, rng.randint(1, 40))),
                            rng.sample(DENSITIES, 4), config.weight_bits) for _ in layer_bits]
    simulate(config, 5, tiles, layer_bits, gaps=gaps, stalls=stalls)


@pytest.mark.parametrize("delta_bits", [1, 3, 8, 16])
def test_deltas_of_any_width(delta_bits):
    config, rng = CONFIGS["four_banks"], random.Random(delta_bits)
    simulate(config, delta_bits, [random_weights(rng, 512, DENSITIES, 8)], [delta_bits])


def test_latency_and_throughput():
    config = CONFIGS["four_banks"]
    source, sink = simulate(config, 4, [random_weights(random.Random(1), 512, DENSITIES, 8)], [3])
    assert sink.cycles == [cycle + 1 for cycle in source.cycles]
    assert source.cycles == list(range(len(source.cycles)))


def test_a_stalled_output_holds_one_beat():
    unit = ListDecoder(CONFIGS["one_bank"], 4)
    simulation = StreamSimulation(unit)
    source, sink = simulation.source(unit.i), simulation.sink(unit.o)
    source.put([slots((0, 1)), slots((0, 2)), slots((0, 3), end=1)])

    async def bench(ctx):
        sink.stopped = True
        await simulation.edge(ctx, 10)
        assert source.cycles == [0]
        sink.stopped = False
        await simulation.until(ctx, lambda: len(sink.values) == 3)

    simulation.run(bench)
    assert sink.cycles == [10, 11, 12]


def slots(*found, end=0):
    return {"slots": [{"delta": delta, "weight": weight} for delta, weight in found],
            "column_end": end, "final": 0}


@pytest.mark.parametrize("name", ["odd_places", "one_bank"])
def test_a_weight_behind_the_last_place_is_an_error(name):
    config = CONFIGS[name]
    unit, reset = ListDecoder(config, 10), Signal()
    wrapped = Module()
    wrapped.submodules.unit = ResetInserter(reset)(unit)
    simulation = StreamSimulation(wrapped)
    source, sink = simulation.source(unit.i), simulation.sink(unit.o)
    others, top = [(0, 0)] * (config.probes - 1), config.places - 1

    async def feed(ctx, *beats):
        source.put(beats)
        await simulation.until(ctx, lambda: source.idle)
        await simulation.edge(ctx, 2)

    async def bench(ctx):
        # the last place, and slots without a weight behind it, are right
        await feed(ctx, slots((top, 1), *others), slots((1023, 0), *others),
                   slots((1023, 0), *others, end=1), slots((top, 2), *others, end=1))
        assert not ctx.get(unit.error)
        await feed(ctx, slots((top, 1), *others), slots((1023, 0), *others))
        assert not ctx.get(unit.error)
        await feed(ctx, slots((0, 3), *others, end=1))
        assert ctx.get(unit.error)
        assert not sink.values[-1]["entries"][0]["valid"]
        await feed(ctx, slots((0, 4), *others, end=1))
        assert ctx.get(unit.error)
        assert sink.values[-1]["entries"][0] == {"valid": 1, "place": 0, "weight": 4}
        ctx.set(reset, 1)
        await simulation.edge(ctx)
        ctx.set(reset, 0)
        assert not ctx.get(unit.error)
        await feed(ctx, slots((top + 1, 1), *others))
        assert ctx.get(unit.error)

    simulation.run(bench)


def test_reset_begins_a_column():
    config = CONFIGS["one_bank"]
    unit, reset = ListDecoder(config, 4), Signal()
    wrapped = Module()
    wrapped.submodules.unit = ResetInserter(reset)(unit)
    simulation = StreamSimulation(wrapped)
    source, sink = simulation.source(unit.i), simulation.sink(unit.o)

    async def bench(ctx):
        source.put([slots((9, 1))])
        await simulation.until(ctx, lambda: source.idle)
        ctx.set(reset, 1)
        await simulation.edge(ctx)
        ctx.set(reset, 0)
        sink.values.clear()
        source.put([slots((5, 1), end=1)])
        await simulation.until(ctx, lambda: sink.values)
        assert sink.values[0]["entries"] == [{"valid": 1, "place": 5, "weight": 1}]

    simulation.run(bench)


@pytest.mark.parametrize("delta_bits", [0, 17])
def test_impossible_deltas_are_refused(delta_bits):
    with pytest.raises(ConfigError, match=f"delta_bits must be an int in 1..16, not {delta_bits}"):
        delta_beat_layout(ArrayConfig(), delta_bits)
