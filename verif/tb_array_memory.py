# SPDX-License-Identifier: Apache-2.0
"""cocotb: the memory behind an array against a Python model, bit by bit of its bandwidth."""

import random
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge

from .streams import PERIOD_NS

__all__ = ["READS", "a_lone_read_has_all_the_bandwidth", "shares_the_bandwidth"]

READS = 2


class _Model:
    """Bits that are where, counted as ``array_memory.sv`` says."""

    def __init__(self, total: list[int], room: list[int]):
        self.total, self.room = total, room
        self.used, self.fetched = [0] * READS, [0] * READS
        self.produced = self.written = self.first = 0

    def step(self, bandwidth: int) -> None:
        """Move the bits of a cycle."""
        left = bandwidth
        for turn in range(READS + 1):
            who = (self.first + turn) % (READS + 1)
            if who == READS:
                share = min(left, self.produced - self.written)
                self.written += share
            else:
                ahead = self.room[who] - (self.fetched[who] - self.used[who])
                share = min(left, self.total[who] - self.fetched[who], ahead)
                self.fetched[who] += share
            left -= share
        self.first = (self.first + 1) % (READS + 1)


def _packed(values: list[int]) -> int:
    return sum(value << 32 * index for index, value in enumerate(values))


async def _reset(dut: Any, model: _Model, bandwidth: int) -> None:
    dut.bandwidth.value = bandwidth
    dut.total.value, dut.room.value = _packed(model.total), _packed(model.room)
    dut.used.value, dut.produced.value = 0, 0
    dut.rst.value = 1
    Clock(dut.clk, PERIOD_NS, "ns").start()
    for _ in range(3):
        await FallingEdge(dut.clk)
    dut.rst.value = 0


@cocotb.test()
@cocotb.parametrize(bandwidth=[1, 8, 100, 1280])
async def shares_the_bandwidth(dut: Any, bandwidth: int) -> None:
    """Each cycle reads and write move as many bits as the model moves, and all at last."""
    rng = random.Random(cocotb.RANDOM_SEED + bandwidth)
    total = [rng.randint(1, 400 * bandwidth) for _ in range(READS)]
    model = _Model(total, [total[0], rng.randint(1, 8 * bandwidth)])
    outputs = 100 * bandwidth
    await _reset(dut, model, bandwidth)
    cycles = 0
    while model.fetched != total or model.written != outputs:
        for who in range(READS):
            if rng.random() < 0.5:
                model.used[who] = rng.randint(model.used[who], model.fetched[who])
        if rng.random() < 0.1 or model.fetched == total:
            model.used = list(model.fetched)
            model.produced = min(outputs, model.produced + rng.randint(0, 30 * bandwidth))
        dut.used.value, dut.produced.value = _packed(model.used), model.produced
        await FallingEdge(dut.clk)
        before = sum(model.fetched) + model.written
        model.step(bandwidth)
        cycles += 1
        got = [int(dut.fetched.value) >> 32 * who & 0xFFFFFFFF for who in range(READS)]
        assert got == model.fetched and int(dut.written.value) == model.written, cycles
        assert sum(model.fetched) + model.written - before <= bandwidth
    assert cycles * bandwidth >= sum(total) + outputs


@cocotb.test()
async def a_lone_read_has_all_the_bandwidth(dut: Any) -> None:
    """No cycle is lost while there is room, and none is used while there is not."""
    model = _Model([1000, 0], [300, 0])
    await _reset(dut, model, 7)
    for cycle in range(1, 60):
        await FallingEdge(dut.clk)
        assert int(dut.fetched.value) == min(7 * cycle, 300)
        assert int(dut.moves.value) == (int(dut.fetched.value) < 300)
