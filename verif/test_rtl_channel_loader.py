# SPDX-License-Identifier: Apache-2.0
"""The channel loader against its golden twin, in Amaranth's simulator."""

import dataclasses
import itertools
import random

import pytest

from spikeloom.models.golden.channel_loader import loaded_channels
from spikeloom.models.golden.errors import GoldenError
from spikeloom.rtl.config import AcceleratorConfig
from spikeloom.rtl.soc.channel_loader import ChannelLoader
from spikeloom.verif.stream_simulation import StreamSimulation

CONFIGS = {bits: AcceleratorConfig(
    timesteps=1, chunk=8, laggy_adders=8, beat_values=4, max_fan_in=512, memory_bits=bits,
    max_columns=16) for bits in (32, 64, 128)}
LATENCY = 2


def layer_of(rng, columns, block_columns, tiles):
    return {"columns": columns, "block_columns": block_columns, "tiles": tiles,
            "blocks": -(-columns // block_columns), "channel_address": rng.getrandbits(31)}


def records(rng, config, columns):
    """Return the words of random records, with the extremes of each field."""
    limit = 1 << (config.psum_bits - 1)
    image = b""
    for _ in range(columns):
        bias, threshold = (rng.choice([-limit, limit - 1, rng.randrange(-limit, limit)])
                           for _ in range(2))
        for value, size in ((bias, 4), (threshold, 4), (rng.choice([0, 65535, 4711]), 2),
                            (rng.randrange(32), 1), (0, 5)):
            image += value.to_bytes(size, "little", signed=value < 0)
    step = config.memory_bits // 8
    return [int.from_bytes(image[at:at + step], "little") for at in range(0, len(image), step)]


class Loader:
    """The unit with its memory."""

    def __init__(self, config, gaps=0.0, stalls=0.0):
        self.config, self.unit = config, ChannelLoader(config)
        self.simulation = StreamSimulation(self.unit, config.memory_bits, gaps, stalls)
        self.memory = self.simulation.read_port(self.unit.memory)
        self.sink = self.simulation.sink(self.unit.o)

    async def begin(self, ctx, layer, words):
        for name, value in layer.items():
            ctx.set(self.unit.layer[name], value)
        self.memory.words = dict(enumerate(words, layer["channel_address"]))
        ctx.set(self.unit.start, 1)
        await self.simulation.edge(ctx)
        ctx.set(self.unit.start, 0)

    async def load(self, ctx, layer, words):
        """Load a layer and compare; return the cycles of words and records."""
        names = ("columns", "block_columns", "tiles")
        wanted = [dataclasses.asdict(record) for record in loaded_channels(
            words, self.config.memory_bits, **{name: layer[name] for name in names})]
        taken, before = len(self.memory.data.cycles), len(self.sink.values)
        await self.begin(ctx, layer, words)
        await self.simulation.until(ctx, lambda: not ctx.get(self.unit.busy))
        assert self.sink.values[before:] == wanted
        assert not ctx.get(self.unit.error)
        assert self.memory.requests.values[-1] == {"address": layer["channel_address"],
                                                   "words": len(words)}
        return self.memory.data.cycles[taken:], self.sink.cycles[before:]


@pytest.mark.parametrize("gaps, stalls", [(0.0, 0.0), (0.5, 0.0), (0.0, 0.5), (0.5, 0.5)])
@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_each_tile_gets_the_records_of_its_block(config, gaps, stalls):
    rng = random.Random(f"{config.memory_bits} {gaps} {stalls}")
    loader = Loader(config, gaps, stalls)

    async def bench(ctx):
        for shape in ((1, 1, 1), (3, 8, 2), (20, 8, 3), (16, 16, 3), (40, 40, 1), (17, 16, 2)):
            layer = layer_of(rng, *shape)
            await loader.load(ctx, layer, records(rng, config, layer["columns"]))

    loader.simulation.run(bench)


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_latency_and_throughput(config):
    rng, loader = random.Random(1), Loader(config)

    async def bench(ctx):
        words, given = await loader.load(ctx, layer_of(rng, 12, 12, 3), records(rng, config, 12))
        share = 128 // config.memory_bits
        assert given[0] - words[share - 1] == LATENCY
        assert {later - now for now, later in itertools.pairwise(words)} == {1}
        assert {later - now for now, later in itertools.pairwise(given[11:])} == {1}

    loader.simulation.run(bench)


def test_errors_last_until_reset():
    config, rng = CONFIGS[64], random.Random(1)
    loader = Loader(config)
    good = layer_of(rng, 3, 2, 2)
    words = records(rng, config, 3)
    wrong = [good | {name: 0} for name in ("columns", "block_columns", "blocks", "tiles")]
    wrong.append(layer_of(rng, 17, 17, 2))

    async def bench(ctx):
        for layer in wrong:
            await loader.begin(ctx, layer, words)
            await loader.simulation.edge(ctx, 10)
            assert ctx.get(loader.unit.error) and not ctx.get(loader.unit.busy)
            await loader.simulation.reset(ctx)
            await loader.load(ctx, good, words)

    loader.simulation.run(bench)


@pytest.mark.parametrize("after", [0, 1, 2, 5, 9])
def test_reset_drops_what_is_at_work(after):
    config, rng = CONFIGS[32], random.Random(1)
    loader = Loader(config)

    async def bench(ctx):
        await loader.begin(ctx, layer_of(rng, 5, 2, 2), records(rng, config, 5))
        await loader.simulation.edge(ctx, after)
        assert ctx.get(loader.unit.busy)
        await loader.simulation.reset(ctx)
        assert not ctx.get(loader.unit.busy)
        await loader.load(ctx, layer_of(rng, 4, 2, 2), records(rng, config, 4))

    loader.simulation.run(bench)


def test_golden_wants_all_words():
    with pytest.raises(GoldenError, match="words must be 4, not 3"):
        loaded_channels([0] * 3, 64, 2, 2, 1)
