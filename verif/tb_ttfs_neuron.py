# SPDX-License-Identifier: Apache-2.0
"""Bench of the time-to-first-spike lanes: lives of neurons against the golden op."""

from dataclasses import dataclass
from typing import Any

import cocotb
import torch
from cocotb.triggers import RisingEdge

from ..models.golden.ttfs_neuron import Kernel, TTFSState
from ..rtl.config import TTFSConfig
from .bench import Bench
from .payload import pack, unpack

__all__ = ["covers_extremes", "keeps_spikes_that_wait", "matches_golden", "restarts_after_reset"]

_HIGH = 31  # a threshold that nothing reaches


@dataclass(kw_only=True)
class Life:
    """Parameters of a group of neurons."""

    kernel: Kernel
    tau_shift: int
    threshold: int  # exponent, in units of the potential
    window: int


def _kernels(config: TTFSConfig) -> list[Kernel]:
    kernels: list[Kernel] = ["linear", "exponential"]
    return [kernel for kernel in kernels if config.kernel in ("both", kernel)]


class _Group:
    """The lanes under test with their state outside, and their golden twin."""

    def __init__(self, bench: Bench, life: Life):
        self.bench, self.life, config = bench, life, bench.config
        self._input = bench.component.i.p.shape()
        self._output = bench.component.lanes.shape()
        self.lanes = [{"time": config.silent, "charge": 0, "potential": 0}
                      for _ in range(config.lanes)]
        unit = config.guard_bits if life.kernel == "exponential" else life.tau_shift
        self.golden = TTFSState(torch.Size([config.lanes]), life.kernel, life.tau_shift, 0,
                                config.guard_bits, config.silent)
        self.golden.threshold = 1 << life.threshold
        assert life.threshold >= unit, "the threshold is at least one unit"
        self.waits = 0  # cycles in which an operation was not taken

    async def step(self, t: int, events: list[list[int]]) -> None:
        """Do a step on both, and compare."""
        for weights in events:
            await self._operate(t, weights, update=False)
        ahead = await self._operate(t, [0] * len(self.lanes), update=True)
        total = torch.tensor(events).sum(0) if events else None
        before = self.golden.times == self.golden.silent
        if t < self.life.window:
            self.golden.step(t, total)
            self._compare(t, before, ahead)

    async def _operate(self, t: int, weights: list[int], *, update: bool) -> tuple[int, int]:
        """Do one operation; return whether lanes move on, and whether they rise."""
        bench, life = self.bench, self.life
        value = {"lanes": self.lanes, "weights": weights, "update": int(update),
                 "exponential": int(life.kernel == "exponential"), "tau_shift": life.tau_shift,
                 "threshold": life.threshold, "time": t + 1, "window": life.window}
        bench.dut.i__payload.value = pack(self._input, value)
        bench.dut.i__valid.value = 1
        while True:
            await RisingEdge(bench.dut.clk)
            if int(bench.dut.i__ready.value):
                break
            self.waits += 1
        self.lanes = unpack(self._output, int(bench.dut.lanes.value))
        ahead = int(bench.dut.moving.value), int(bench.dut.rising.value)
        bench.dut.i__valid.value = 0
        return ahead

    def _compare(self, t: int, before: torch.Tensor, ahead: tuple[int, int]) -> None:
        golden = self.golden
        found = [lane["time"] for lane in self.lanes]
        times = golden.times.tolist()
        assert found == times, f"step {t}: times must be {times}, not {found}"
        for index in before.nonzero().flatten().tolist():
            for field in ("charge", "potential"):
                wanted, got = int(getattr(golden, field)[index]), self.lanes[index][field]
                assert got == wanted, (
                    f"step {t}: {field} of lane {index} must be {wanted}, not {got}")
        exponential = self.life.kernel == "exponential"
        later = golden.charge >> (self.life.tau_shift if exponential else 0)
        fresh = golden.times == golden.silent
        enough = golden.charge + golden.potential >= golden.threshold
        rises = fresh & (later > 0) & (enough | (not exponential))
        wanted = bool((fresh & (later != 0)).any()), bool(rises.any()) and t + 1 < self.life.window
        assert ahead == wanted, f"step {t}: moving and rising must be {wanted}, not {ahead}"


def _random_life(bench: Bench) -> Life:
    """Return parameters with which neurons fire early, late, and never."""
    rng, config = bench.rng, bench.config
    kernel = rng.choice(_kernels(config))
    tau_shift = rng.randint(1, config.max_tau_shift)
    unit = config.guard_bits if kernel == "exponential" else tau_shift
    return Life(kernel=kernel, tau_shift=tau_shift,
                threshold=unit + rng.randint(0, config.charge_bits),
                window=rng.randint(1, rng.choice([8, config.silent - 1])))


async def _live(bench: Bench, life: Life, events: float) -> tuple[_Group, list[dict[str, int]]]:
    """Run a group for some steps; return it, and the spikes that must have come out."""
    rng, config = bench.rng, bench.config
    group = _Group(bench, life)
    limit = (1 << (config.weight_bits - 1)) - 1
    left = [(1 << (config.charge_bits - 1)) - 1] * config.lanes
    spikes = []
    for t in range(min(life.window + 2, 40, config.silent - 1)):
        added = []
        while rng.random() < events and len(added) < 8:
            weights = [rng.randint(-min(limit // 2, room), min(limit, room)) for room in left]
            left = [room - abs(weight) for room, weight in zip(left, weights, strict=True)]
            added.append(weights)
        old = [lane["time"] for lane in group.lanes]
        await group.step(t, added)
        mask = sum(1 << index for index, (lane, time) in enumerate(
            zip(group.lanes, old, strict=True)) if lane["time"] != time)
        if mask:
            spikes.append({"mask": mask, "time": t + 1})
    return group, spikes


@cocotb.test()
@cocotb.parametrize(events=[0.1, 0.5, 0.9], stalls=[0.0, 0.5])
async def matches_golden(dut: Any, events: float, stalls: float) -> None:
    """Every step of random lives leaves the golden state; every spike comes out once."""
    bench = await Bench.start(dut)
    sink = bench.sink("o", stalls, burst=3)
    expected, times = [], set()
    for _ in range(24):
        group, spikes = await _live(bench, _random_life(bench), events)
        expected += spikes
        times |= {lane["time"] for lane in group.lanes}
    found = await sink.take(len(expected))
    await bench.edge(10)
    assert sink.values == found == expected
    assert bench.config.silent in times and len(times) > 3, "neurons must fire, and not"


@cocotb.test()
@cocotb.parametrize(sign=[1, -1])
async def covers_extremes(dut: Any, sign: int) -> None:
    """The largest charge that a configuration allows, kept for the whole window, fits."""
    bench = await Bench.start(dut)
    config = bench.config
    dut.o__ready.value = 1
    for kernel in _kernels(config):
        life = Life(kernel=kernel, tau_shift=1, threshold=_HIGH, window=config.silent - 1)
        group = _Group(bench, life)
        limit = (1 << (config.weight_bits - 1)) - 1
        weights, most = [], (1 << (config.charge_bits - 1)) - 1
        while most:
            weights.append([sign * min(limit, most)] * config.lanes)
            most -= min(limit, most)
        await group.step(0, weights[:2000])
        for t in range(1, config.silent - 1):
            await group.step(t, [])
        assert {lane["time"] for lane in group.lanes} == {config.silent}


@cocotb.test()
async def keeps_spikes_that_wait(dut: Any) -> None:
    """An update that fires waits while spikes wait; one that does not goes on."""
    bench = await Bench.start(dut)
    config = bench.config
    life = Life(kernel=_kernels(config)[0], tau_shift=1, window=9,
                threshold=config.guard_bits if config.kernel == "exponential" else 1)
    one = _Group(bench, life)
    strong = [(1 << (config.weight_bits - 1)) - 1] * config.lanes
    await one.step(0, [strong, strong, strong])
    assert {lane["time"] for lane in one.lanes} == {1}
    await bench.edge()
    assert int(dut.o__valid.value), "spikes must wait"
    quiet = _Group(bench, life)
    await quiet.step(0, [[0] * config.lanes])
    assert not quiet.waits
    other = _Group(bench, life)
    task = cocotb.start_soon(other.step(0, [strong, strong, strong]))
    await bench.edge(20)
    assert not task.done(), "an update that fires must wait"
    sink = bench.sink("o")
    await task
    await sink.take(2)


@cocotb.test()
async def restarts_after_reset(dut: Any) -> None:
    """A reset drops the spikes that wait."""
    bench = await Bench.start(dut)
    config = bench.config
    life = Life(kernel=_kernels(config)[0], tau_shift=1, window=9,
                threshold=config.guard_bits if config.kernel == "exponential" else 1)
    strong = [(1 << (config.weight_bits - 1)) - 1] * config.lanes
    await _Group(bench, life).step(0, [strong, strong, strong])
    await bench.edge()
    assert int(dut.o__valid.value)
    await bench.reset(1)
    await bench.edge()
    assert not int(dut.o__valid.value)
