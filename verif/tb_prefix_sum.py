# SPDX-License-Identifier: Apache-2.0
"""Bench of both prefix sums: random masks under random stalls, against the golden op."""

import random
from typing import Any

import cocotb
import torch

from ..models.golden.prefix_sum import prefix_sum
from .bench import Bench

__all__ = ["matches_golden", "keeps_its_pace"]


def _masks(rng: random.Random, chunk: int, count: int) -> list[int]:
    """Return masks of all densities, among them the empty and the full one."""
    masks = [0, (1 << chunk) - 1, 1, 1 << (chunk - 1)]
    while len(masks) < count:
        density = rng.random()
        masks.append(sum((rng.random() < density) << place for place in range(chunk)))
    return rng.sample(masks, len(masks))


def _golden(masks: list[int], chunk: int) -> list[dict[str, Any]]:
    bits = torch.tensor([[mask >> place & 1 for place in range(chunk)] for mask in masks])
    offsets, counts = prefix_sum(bits)
    return [{"offsets": offset, "count": count}
            for offset, count in zip(offsets.tolist(), counts.tolist(), strict=True)]


@cocotb.test()
@cocotb.parametrize(gaps=[0.0, 0.5], stalls=[0.0, 0.5])
async def matches_golden(dut: Any, gaps: float, stalls: float) -> None:
    """Every mask gives the golden offsets and count, whatever the stalls."""
    bench = await Bench.start(dut)
    masks = _masks(bench.rng, bench.config.chunk, bench.parameters.get("masks", 100))
    source = bench.source("i", gaps, burst=3)
    sink = bench.sink("o", stalls, burst=3)
    source.put(masks)
    assert await sink.take(len(masks)) == _golden(masks, bench.config.chunk)
    await bench.edge(2 * bench.config.chunk)
    assert len(sink.values) == len(masks), "a result was repeated"


@cocotb.test()
async def keeps_its_pace(dut: Any) -> None:
    """Latency and throughput without stalls are what the component's docstring says."""
    bench = await Bench.start(dut)
    source, sink = bench.source("i"), bench.sink("o")
    await bench.edge(2)
    source.put(_masks(bench.rng, bench.config.chunk, 20))
    await sink.take(20)
    steps = bench.config.chunk // bench.config.laggy_adders if "laggy" in bench.unit else 1
    assert [out - into for into, out in zip(source.cycles, sink.cycles, strict=True)] == [
        bench.parameters["latency"]] * 20
    assert {later - now for now, later in zip(source.cycles, source.cycles[1:], strict=False)
            } == {steps}
