# SPDX-License-Identifier: Apache-2.0
"""Bench of the ADCs: sums around every step and far beyond the ends, against the golden op."""

import itertools
from typing import Any

import cocotb
import torch

from ..models.golden.adc import adc
from .bench import Bench

__all__ = ["keeps_its_pace", "matches_golden", "restarts_after_reset", "walks_over_every_step"]


def _golden(bench: Bench, beats: list[list[int]]) -> list[list[int]]:
    return adc(torch.tensor(beats), bench.config.adc_bits, bench.config.adc_shift).tolist()


def _random(bench: Bench, count: int) -> list[list[int]]:
    """Return beats of sums of any magnitude, the extremes among them."""
    config, rng = bench.config, bench.rng
    largest = (1 << (config.sum_bits - 1)) - 1
    top = 1 << (config.adc_bits + config.adc_shift)

    def draw() -> int:
        return rng.choice((largest, -largest - 1, rng.randint(-largest, largest),
                           rng.randrange(min(top, largest)), rng.randint(-3, 3)))

    return [[draw() for _ in range(config.adcs)] for _ in range(count)]


async def _convert(bench: Bench, beats: list[list[int]], gaps: float, stalls: float) -> Any:
    source, sink = bench.source("i", gaps, burst=3), bench.sink("o", stalls, burst=3)
    await bench.edge(2)
    source.put(beats)
    found = await sink.take(len(beats))
    for beat, code, want in zip(beats, found, _golden(bench, beats), strict=True):
        assert code == want, f"codes of {beat} must be {want}, not {code}"
    await bench.edge(10)
    assert len(sink.values) == len(beats), "codes were repeated"
    return source, sink


@cocotb.test()
@cocotb.parametrize(gaps=[0.0, 0.5], stalls=[0.0, 0.5])
async def matches_golden(dut: Any, gaps: float, stalls: float) -> None:
    """Random sums give the golden codes; some clip at either end."""
    bench = await Bench.start(dut)
    _, sink = await _convert(bench, _random(bench, 100), gaps, stalls)
    codes = set(itertools.chain(*sink.values))
    assert {0, (1 << bench.config.adc_bits) - 1} < codes


@cocotb.test()
async def walks_over_every_step(dut: Any) -> None:
    """The sums just below, at and above the middle between two codes, for every code."""
    bench = await Bench.start(dut)
    config = bench.config
    step = 1 << config.adc_shift
    sums = [code * step + step // 2 + near for code in range(-1, (1 << config.adc_bits) + 1)
            for near in (-1, 0, 1)]
    beats = [[value] * config.adcs for value in sums if value < 1 << (config.sum_bits - 1)]
    await _convert(bench, beats, 0.0, 0.0)


@cocotb.test()
async def keeps_its_pace(dut: Any) -> None:
    """Latency 1 and a conversion per cycle, as the component's docstring says."""
    bench = await Bench.start(dut)
    source, sink = await _convert(bench, _random(bench, 50), 0.0, 0.0)
    assert {out - into for into, out in zip(source.cycles, sink.cycles, strict=True)} == {1}
    assert {later - now for now, later in itertools.pairwise(source.cycles)} == {1}


@cocotb.test()
async def restarts_after_reset(dut: Any) -> None:
    """A reset drops the codes that wait; those after them are right."""
    bench = await Bench.start(dut)
    await bench.source("i").send(_random(bench, 1))
    await bench.edge(3)
    assert int(dut.o__valid.value), "codes must wait"
    await bench.reset(1)
    await bench.edge()
    assert not int(dut.o__valid.value), "reset must drop the codes"
    await _convert(bench, _random(bench, 20), 0.0, 0.3)
