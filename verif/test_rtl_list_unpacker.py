# SPDX-License-Identifier: Apache-2.0
"""The list unpacker in Amaranth's simulator against the golden packing."""

import dataclasses
import random

import pytest

from spikeloom.models.golden.list_words import list_words
from spikeloom.models.golden.weight_list import encode
from spikeloom.rtl.config import AcceleratorConfig
from spikeloom.rtl.soc.list_unpacker import ListUnpacker, beat_delta_bits, delta_choices
from spikeloom.verif.list_traffic import random_weights
from spikeloom.verif.stream_simulation import StreamSimulation

CONFIGS = {bits: AcceleratorConfig(
    pe="scan", chunk=32, beat_values=4, laggy_adders=8, max_fan_in=96, tppes=2, max_columns=32,
    memory_bits=bits, probes=probes, weight_bits=weight_bits)
    for bits, probes, weight_bits in ((32, 2, 5), (64, 4, 7), (128, 4, 8))}
DENSITIES = [0.0, 0.02, 0.5, 1.0, 0.1, 0.0, 0.3]


class Unpacking:
    """A unit, a layer of random lists, and what comes of it."""

    def __init__(self, config, delta_bits, *, columns=5, block_columns=2, rounds=1, seed=1,
                 **pauses):
        rng = random.Random(f"{delta_bits} {seed}")
        weights = random_weights(rng, config.max_fan_in, rng.choices(DENSITIES, k=columns),
                                 config.weight_bits)
        self.columns = encode(weights, config.probes, config.beat_values, delta_bits)
        blocks = [self.columns[first:first + block_columns]
                  for first in range(0, columns, block_columns)]
        self.words = [word for block in blocks for word in list_words(block, delta_bits, config)]
        self.block_ends = [sum(map(len, blocks[:count + 1])) for count in range(len(blocks))]
        self.fields = {"columns": columns, "block_columns": block_columns, "blocks": len(blocks),
                       "weight_words": len(self.words), "delta_bits": delta_bits}
        self.rounds = rounds
        self.unit = ListUnpacker(config)
        self.simulation = StreamSimulation(self.unit, seed, **pauses)
        self.source = self.simulation.source(self.unit.i)
        self.sink = self.simulation.sink(self.unit.o)

    @property
    def expected(self):
        """Beats of all rounds."""
        return self.rounds * [
            {"slots": [{"delta": delta, "weight": weight} for delta, weight in beat],
             "column_end": int(beat is column[-1]),
             "final": int(number in self.block_ends)}
            for number, column in enumerate(self.columns, 1) for beat in column]

    async def begin(self, ctx):
        for name, value in self.fields.items():
            ctx.set(self.unit.layer[name], value)
        self.source.put(self.rounds * self.words)
        ctx.set(self.unit.rounds, self.rounds)
        ctx.set(self.unit.start, 1)
        await self.simulation.edge(ctx)
        ctx.set(self.unit.start, 0)

    def run(self):
        """Unpack all rounds and compare each beat."""
        async def bench(ctx):
            await self.begin(ctx)
            assert ctx.get(self.unit.busy)
            await self.simulation.until(ctx, lambda: len(self.sink.values) >= len(self.expected))
            await self.simulation.edge(ctx, 3)
            assert not ctx.get(self.unit.busy) and not ctx.get(self.unit.error)

        self.simulation.run(bench)
        assert self.sink.values == self.expected
        assert self.source.idle


@pytest.mark.parametrize("bits", CONFIGS)
def test_a_word_has_room_for_a_beat(bits):
    config = CONFIGS[bits]
    for delta_bits in range(9):
        beat_bits = config.probes * (delta_bits + config.weight_bits) + 1
        assert (delta_bits in delta_choices(config)) == (beat_bits <= bits)
    assert 9 not in delta_choices(config)
    assert beat_delta_bits(config) == max(delta_choices(config))
    assert beat_delta_bits(dataclasses.replace(CONFIGS[32], weight_bits=8, probes=2)) == 7
    assert beat_delta_bits(AcceleratorConfig(pe="scan", probes=8, memory_bits=64,
                                             weight_bits=7)) == 1, "of a zero-width field"


@pytest.mark.parametrize("bits", CONFIGS)
def test_every_delta_is_unpacked(bits):
    for delta_bits in delta_choices(CONFIGS[bits]):
        gaps, stalls = (0.0, 0.5, 0.4)[delta_bits % 3], (0.5, 0.0, 0.4)[delta_bits % 3]
        Unpacking(CONFIGS[bits], delta_bits, rounds=1 + delta_bits % 2, gaps=gaps,
                  stalls=stalls).run()


@pytest.mark.parametrize("columns, block_columns", [(1, 1), (3, 5), (4, 4), (4, 1)])
def test_blocks_of_any_size(columns, block_columns):
    for delta_bits in (0, 2):
        Unpacking(CONFIGS[64], delta_bits, columns=columns, block_columns=block_columns,
                  rounds=3).run()


def test_a_beat_each_cycle():
    for delta_bits in (0, 3, 8):
        unpacking = Unpacking(CONFIGS[128], delta_bits, rounds=2)
        unpacking.run()
        cycles, first = unpacking.sink.cycles, unpacking.source.cycles[0]
        assert cycles == list(range(first + 1, first + 1 + len(cycles)))


@pytest.mark.parametrize("change", [
    {"weight_words": -1}, {"weight_words": 1}, {"blocks": -1}, {"blocks": 1}, {"columns": 1},
    {"columns": -1}])
def test_wrong_counts_are_errors(change):
    """They stop the unpacker for good; a reset makes it work again."""
    unpacking = Unpacking(CONFIGS[64], 3, columns=5, block_columns=2)
    unit, simulation, good = unpacking.unit, unpacking.simulation, dict(unpacking.fields)

    async def bench(ctx):
        (name, step), = change.items()
        unpacking.fields[name] += step
        await unpacking.begin(ctx)
        unpacking.source.put([0, 0])
        for _ in range(300):
            await simulation.edge(ctx)
        assert ctx.get(unit.error) and not ctx.get(unit.busy) and not ctx.get(unit.o.valid)
        await simulation.reset(ctx)
        assert not ctx.get(unit.error)
        unpacking.sink.values.clear()
        unpacking.fields = good
        await unpacking.begin(ctx)
        await simulation.until(ctx, lambda: not ctx.get(unit.busy))
        assert not ctx.get(unit.error)
        assert unpacking.sink.values == unpacking.expected

    simulation.run(bench)


def test_reset_stops():
    unpacking = Unpacking(CONFIGS[128], 2)
    unit, simulation = unpacking.unit, unpacking.simulation

    async def bench(ctx):
        await unpacking.begin(ctx)
        await simulation.edge(ctx, 5)
        await simulation.reset(ctx)
        assert not ctx.get(unit.busy) and not ctx.get(unit.o.valid)
        unpacking.sink.values.clear()
        await unpacking.begin(ctx)
        await simulation.until(ctx, lambda: not ctx.get(unit.busy))
        assert unpacking.sink.values == unpacking.expected

    simulation.run(bench)
