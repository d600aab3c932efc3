# SPDX-License-Identifier: Apache-2.0
"""The weights of a cluster in Amaranth's simulator: copies, sums of gradients, overflow."""

import random

from amaranth.sim import Simulator

from spikeloom.rtl.config import TrainConfig
from spikeloom.rtl.train.weight_store import WeightStore

CONFIG = TrainConfig(lanes=2, max_inputs=4, max_outputs=4, max_rank=2)
DEPTH = 5


def simulate(bench):
    dut = WeightStore(CONFIG, DEPTH)
    simulator = Simulator(dut)
    simulator.add_clock(1e-6)

    async def testbench(ctx):
        await bench(ctx, dut)

    simulator.add_testbench(testbench)
    simulator.run()


async def add(ctx, dut, place, values):
    """Add to a word; return whether it overflows."""
    ctx.set(dut.add, 1)
    ctx.set(dut.place, place)
    await ctx.tick()
    ctx.set(dut.add, 0)
    ctx.set(dut.gradients, values)
    over = ctx.get(dut.overflow)
    await ctx.tick()
    return over


async def look(ctx, dut, address):
    """Return sums and masters of a word."""
    ctx.set(dut.update.read, 1)
    ctx.set(dut.update.address, address)
    await ctx.tick()
    ctx.set(dut.update.read, 0)
    return [list(ctx.get(view)) for view in (dut.update.gradients, dut.update.masters)]


def test_copies_are_rounded_masters():
    async def bench(ctx, dut):
        for values in ([127 << 8, -127 << 8], [128, 127], [-128, -129], [0, -1]):
            ctx.set(dut.update.write, 1)
            ctx.set(dut.update.target, 3)
            ctx.set(dut.update.moved, values)
            await ctx.tick()
            ctx.set(dut.update.write, 0)
            ctx.set(dut.read, 1)
            ctx.set(dut.address, 3)
            await ctx.tick()
            assert list(ctx.get(dut.copies)) == [(value + 128) >> 8 for value in values]
            assert (await look(ctx, dut, 3))[1] == values

    simulate(bench)


def test_gradients_add_up_until_they_are_cleared():
    rng = random.Random(1)

    async def bench(ctx, dut):
        sums = [[0, 0] for _ in range(DEPTH)]
        for _ in range(40):
            place, values = rng.randrange(DEPTH), [rng.randint(-9999, 9999) for _ in range(2)]
            assert not await add(ctx, dut, place, values)
            sums[place] = [old + new for old, new in zip(sums[place], values, strict=True)]
        for place in range(DEPTH):
            assert (await look(ctx, dut, place))[0] == sums[place]
        ctx.set(dut.update.clear, 1)
        ctx.set(dut.update.target, 2)
        await ctx.tick()
        ctx.set(dut.update.clear, 0)
        assert (await look(ctx, dut, 2))[0] == [0, 0] != sums[2]
        assert (await look(ctx, dut, 1))[0] == sums[1]

    simulate(bench)


def test_sums_beyond_32_bits_are_noticed():
    async def bench(ctx, dut):
        limit = (1 << 31) - 1
        assert not await add(ctx, dut, 0, [limit, -limit])
        assert not await add(ctx, dut, 0, [0, -1])
        assert await add(ctx, dut, 0, [1, 0])
        assert not await add(ctx, dut, 1, [-limit, 5])
        assert await add(ctx, dut, 1, [-2, 0])

    simulate(bench)
