# SPDX-License-Identifier: Apache-2.0
"""The linear reader against its golden twin, in Amaranth's simulator."""

import itertools
import random

import pytest

from spikeloom.models.golden.linear_reader import read_residuals
from spikeloom.rtl.config import AcceleratorConfig
from spikeloom.rtl.soc.linear_reader import LinearReader
from spikeloom.verif.stream_simulation import StreamSimulation

CONFIGS = {f"{timesteps}_{bits}": AcceleratorConfig(
    timesteps=timesteps, chunk=8, laggy_adders=8, beat_values=2, max_fan_in=8,
    memory_bits=bits, max_columns=8) for timesteps in (1, 4, 5, 16) for bits in (32, 64, 128)}


class Reader:
    """The unit with its memory."""

    def __init__(self, config, gaps=0.0, stalls=0.0):
        self.config, self.unit = config, LinearReader(config)
        self.simulation = StreamSimulation(self.unit, config.hash(), gaps, stalls)
        self.memory = self.simulation.read_port(self.unit.memory)
        self.sink = self.simulation.sink(self.unit.o)

    async def begin(self, ctx, words):
        address = random.Random(len(words)).getrandbits(31)
        self.memory.words = dict(enumerate(words, address))
        ctx.set(self.unit.address, address)
        ctx.set(self.unit.words, len(words))
        ctx.set(self.unit.start, 1)
        await self.simulation.edge(ctx)
        ctx.set(self.unit.start, 0)

    async def read(self, ctx, words):
        """Read all words and compare."""
        wanted, before = read_residuals(words, self.config), len(self.sink.values)
        await self.begin(ctx, words)
        await self.simulation.until(ctx, lambda: len(self.sink.values) - before >= len(wanted))
        await self.simulation.until(ctx, lambda: not ctx.get(self.unit.busy))
        await self.simulation.edge(ctx, 3)
        assert self.sink.values[before:] == wanted


def random_words(rng, config, count):
    return [rng.getrandbits(config.memory_bits) for _ in range(count)]


@pytest.mark.parametrize("gaps, stalls", [(0.0, 0.0), (0.5, 0.5)])
@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_reads_the_golden_residuals(config, gaps, stalls):
    rng, reader = random.Random(config.hash()), Reader(config, gaps, stalls)

    async def bench(ctx):
        for count in (1, 8, 3, 0, 24):
            await reader.read(ctx, random_words(rng, config, count))

    reader.simulation.run(bench)


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_latency_and_throughput(config):
    rng, reader = random.Random(1), Reader(config)

    async def bench(ctx):
        await reader.read(ctx, random_words(rng, config, 24))
        words, given = reader.memory.data.cycles, reader.sink.cycles
        share = max(1, config.residual_bits // config.memory_bits)
        assert given[0] - words[share - 1] == int(share == 1)
        assert {later - now for now, later in itertools.pairwise(given)} == {share}

    reader.simulation.run(bench)


@pytest.mark.parametrize("config", [CONFIGS["1_128"], CONFIGS["4_128"], CONFIGS["16_32"]])
@pytest.mark.parametrize("how", ["start", "reset"])
def test_start_and_reset_drop_what_is_left(config, how):
    rng, reader = random.Random(1), Reader(config)

    async def bench(ctx):
        simulation, unit = reader.simulation, reader.unit
        reader.sink.stopped = True
        # held back by the consumer: one word, or all but the last word of an item
        count = max(1, config.residual_bits // config.memory_bits - 1)
        await reader.begin(ctx, random_words(rng, config, count if how == "start" else 20))
        await simulation.edge(ctx, 40)
        assert ctx.get(unit.busy) == (how == "reset")
        reader.sink.drop()
        if how == "reset":
            await simulation.reset(ctx)
            assert not ctx.get(unit.busy)
        else:  # the items are dropped while nobody takes them
            ctx.set(unit.words, 0)
            ctx.set(unit.start, 1)
            await simulation.edge(ctx)
            reader.sink.drop()
            ctx.set(unit.start, 0)
        reader.sink.stopped = False
        await reader.read(ctx, random_words(rng, config, 8))

    reader.simulation.run(bench)
