# SPDX-License-Identifier: Apache-2.0
"""The replay buffer in Amaranth's simulator against repetition in plain Python."""

import itertools
import random

import pytest
from amaranth import unsigned

from spikeloom.rtl.soc.replay_buffer import ReplayBuffer
from spikeloom.verif.stream_simulation import StreamSimulation

DEPTH = 8


def items(block):
    return [{"item": item, "final": int(place == len(block) - 1)}
            for place, item in enumerate(block)]


def traffic(rng, plays):
    """Return a random block for each of ``plays``; those that come again fit."""
    return [[rng.getrandbits(6) for _ in range(rng.randint(1, DEPTH if count > 1 else 3 * DEPTH))]
            for count in plays]


def simulate(blocks, plays, **pauses):
    """Play the blocks and return the simulation with source and sink."""
    unit = ReplayBuffer(unsigned(6), DEPTH - 1)
    simulation = StreamSimulation(unit, blocks, **pauses)
    source, commands = simulation.source(unit.i), simulation.source(unit.i_plays)
    sink = simulation.sink(unit.o)
    source.put(item for block in blocks for item in items(block))
    commands.put(plays)
    wanted = [item for block, count in zip(blocks, plays, strict=True)
              for _ in range(count) for item in items(block)]

    async def bench(ctx):
        await simulation.until(ctx, lambda: source.cycles)
        while len(sink.values) < len(wanted):
            assert ctx.get(unit.busy) and simulation.now < 5000, "a play is not over"
            await simulation.edge(ctx)
        await simulation.edge(ctx, 5)
        assert not ctx.get(unit.busy) and not ctx.get(unit.error)

    simulation.run(bench)
    assert sink.values == wanted
    return source, sink


@pytest.mark.parametrize("stalls", [0.0, 0.5])
@pytest.mark.parametrize("gaps", [0.0, 0.5])
def test_blocks_come_as_often_as_asked_for(gaps, stalls):
    rng = random.Random(f"{gaps} {stalls}")
    plays = [1, 1, 2, 3, 1, 2, 2, 1, 4, 1, 1, *(rng.randint(1, 4) for _ in range(20))]
    simulate(traffic(rng, plays), plays, gaps=gaps, stalls=stalls)


@pytest.mark.parametrize("length, plays", [(1, 1), (1, 3), (2, 2), (DEPTH, 4), (DEPTH // 2, 3),
                                           (5 * DEPTH, 1)])
def test_an_item_each_cycle(length, plays):
    blocks = [list(range(length))] * 6 if length <= DEPTH else [list(range(length))] * 2
    source, sink = simulate(blocks, [plays] * len(blocks))
    assert sink.cycles[0] - source.cycles[0] == 2
    steps = {later - now for now, later in itertools.pairwise(sink.cycles)}
    # a block as long as the buffer leaves no room for the next one until its last play
    assert steps == {1} if length < DEPTH or plays == 1 else steps <= {1, 2}


def test_the_next_block_comes_in_meanwhile():
    blocks = [list(range(DEPTH // 2))] * 2
    source, sink = simulate(blocks, [5, 1])
    assert source.cycles[-1] < sink.cycles[DEPTH]


@pytest.mark.parametrize("gaps", [0.0, 0.5])
def test_a_block_that_does_not_fit_is_an_error(gaps):
    unit = ReplayBuffer(unsigned(6), DEPTH)
    simulation = StreamSimulation(unit, gaps, gaps=gaps)
    source, commands = simulation.source(unit.i), simulation.source(unit.i_plays)
    sink = simulation.sink(unit.o)

    async def bench(ctx):
        source.put(items([7] * (DEPTH + 1)))
        commands.put([2])
        await simulation.until(ctx, lambda: ctx.get(unit.error))
        assert len(source.cycles) == DEPTH
        await simulation.edge(ctx, 20)
        assert ctx.get(unit.error) and len(sink.values) == DEPTH
        await simulation.reset(ctx)
        assert not ctx.get(unit.error) and not ctx.get(unit.busy)
        sink.values.clear()
        source.put(items([1, 2]))
        commands.put([2])
        await simulation.until(ctx, lambda: len(sink.values) == 4)
        assert [value["item"] for value in sink.values] == [1, 2, 1, 2]

    simulation.run(bench)


def test_a_block_that_just_fits_is_no_error():
    simulate([list(range(DEPTH))], [2])


def test_no_plays_are_skipped():
    unit = ReplayBuffer(unsigned(6), DEPTH)
    simulation = StreamSimulation(unit)
    source, commands = simulation.source(unit.i), simulation.source(unit.i_plays)
    sink = simulation.sink(unit.o)
    source.put(items([1, 2]))
    commands.put([0, 0, 2])

    async def bench(ctx):
        await simulation.until(ctx, lambda: len(sink.values) == 4)

    simulation.run(bench)
