# SPDX-License-Identifier: Apache-2.0
"""The linear writer against its golden twin, in Amaranth's simulator."""

import random

import pytest

from spikeloom.models.golden.linear_writer import packed_words
from spikeloom.rtl.config import AcceleratorConfig
from spikeloom.rtl.soc.linear_writer import LinearWriter
from spikeloom.verif.stream_simulation import StreamSimulation

CONFIGS = {f"{bits}_{burst}": AcceleratorConfig(memory_bits=bits, burst_words=burst,
                                                beat_values=4)
           for bits, burst in ((32, 2), (64, 4), (128, 16))}
ITEM_BITS = (16, 32, 64, 128, 256)
LATENCY = 1


class Writer:
    """The unit with its memory."""

    def __init__(self, config, item_bits, gaps=0.0, stalls=0.0):
        self.config, self.item_bits = config, item_bits
        self.unit = LinearWriter(config, item_bits)
        self.simulation = StreamSimulation(self.unit, config.hash(), gaps, stalls)
        self.memory = self.simulation.write_port(self.unit.memory)
        self.source = self.simulation.source(self.unit.i)
        self.wanted = {}

    async def pulse(self, ctx, port):
        ctx.set(getattr(self.unit, port), 1)
        await self.simulation.edge(ctx)
        ctx.set(getattr(self.unit, port), 0)

    async def write(self, ctx, address, batches):
        """Write batches of items with a flush after each, and compare the memory."""
        ctx.set(self.unit.address, address)
        await self.pulse(ctx, "start")
        for items in batches:
            self.source.put(items)
            await self.simulation.until(ctx, lambda: self.source.idle)
            await self.pulse(ctx, "flush")
            await self.simulation.until(ctx, lambda: not ctx.get(self.unit.busy))
            words = packed_words(items, self.item_bits, self.config.memory_bits)
            self.wanted |= dict(enumerate(words, address))
            address += len(words)
        assert self.memory.words(self.config.burst_words) == self.wanted


def batches(rng, writer):
    """Return batches of items that end everywhere in words and bursts."""
    per_word = max(1, writer.config.memory_bits // writer.item_bits)
    burst = per_word * writer.config.burst_words
    return [[rng.getrandbits(writer.item_bits) for _ in range(count)]
            for count in (1, 0, burst, burst + 1, per_word, 3 * burst - 1)]


@pytest.mark.parametrize("gaps, stalls", [(0.0, 0.0), (0.5, 0.0), (0.0, 0.5), (0.4, 0.6)])
@pytest.mark.parametrize("item_bits", ITEM_BITS)
@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_writes_the_golden_words(config, item_bits, gaps, stalls):
    rng, writer = random.Random(str(stalls)), Writer(config, item_bits, gaps, stalls)

    async def bench(ctx):
        for address in (0x100, 0x7FFF0000):
            await writer.write(ctx, address, batches(rng, writer))

    writer.simulation.run(bench)


@pytest.mark.parametrize("item_bits", ITEM_BITS)
@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_throughput(config, item_bits):
    writer, bursts = Writer(config, item_bits), 8
    per_word, parts = (max(1, one // other) for one, other in (
        (config.memory_bits, item_bits), (item_bits, config.memory_bits)))
    count = bursts * config.burst_words * per_word // parts

    async def bench(ctx):
        await writer.write(ctx, 0, [[index % 7 for index in range(count)]])
        cycles, requests = writer.source.cycles, writer.memory.requests.cycles
        if parts <= config.burst_words:
            assert requests[0] - cycles[config.burst_words * per_word // parts - 1] == LATENCY
        assert len(requests) == bursts
        if per_word == 1:  # words come as fast as they go, but for the requests
            longest = (bursts - 1) * (config.burst_words + 1)
            assert requests[-1] - requests[0] <= longest
        else:
            assert cycles[-1] - cycles[0] == count - 1
        for begin, last in zip(requests, writer.memory.data.cycles[config.burst_words - 1::
                                                                   config.burst_words],
                               strict=True):
            assert last - begin == config.burst_words, "all data must be there"

    writer.simulation.run(bench)


@pytest.mark.parametrize("item_bits", [16, 32, 128])
def test_reset_drops_what_is_held(item_bits):
    config, rng = CONFIGS["32_2"], random.Random(1)
    writer = Writer(config, item_bits)

    async def bench(ctx):
        writer.memory.requests.stopped = True
        writer.source.put([rng.getrandbits(item_bits) for _ in range(3)])
        await writer.simulation.edge(ctx, 10)
        assert ctx.get(writer.unit.busy)
        await writer.simulation.reset(ctx)
        assert not ctx.get(writer.unit.busy)
        writer.memory.requests.stopped = False
        await writer.write(ctx, 64, batches(rng, writer))

    writer.simulation.run(bench)
