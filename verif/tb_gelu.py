# SPDX-License-Identifier: Apache-2.0
"""Bench of GELU: tables of the function and random ones, against the golden op."""

import itertools
from typing import Any

import cocotb
import torch

from ..models.golden.gelu import gelu, gelu_table
from .bench import Bench

__all__ = ["keeps_its_pace", "matches_golden", "restarts_after_reset"]


async def _write(bench: Bench, table: list[int]) -> None:
    half = len(table) // 2
    for value in range(-half, half):
        bench.write("entry", {"value": value, "result": table[value]})
        bench.dut.entry_en.value = 1
        await bench.edge()
    bench.dut.entry_en.value = 0


async def _run(bench: Bench, values: list[int], table: list[int], gaps: float,
               stalls: float) -> tuple[Any, Any]:
    source, sink = bench.source("i", gaps, burst=3), bench.sink("o", stalls, burst=3)
    await bench.edge(2)
    source.put(values)
    found = await sink.take(len(values))
    want = gelu(torch.tensor(values), torch.tensor(table), bench.config.value_bits).tolist()
    for value, got, wanted in zip(values, found, want, strict=True):
        assert got == wanted, f"{value} must become {wanted}, not {got}"
    await bench.edge(5)
    assert len(sink.values) == len(values), "results were repeated"
    return source, sink


def _values(bench: Bench) -> list[int]:
    """Return every value, in random order."""
    half = 1 << (bench.config.value_bits - 1)
    return bench.rng.sample(range(-half, half), 2 * half)


@cocotb.test()
@cocotb.parametrize(gaps=[0.0, 0.5], stalls=[0.0, 0.5])
async def matches_golden(dut: Any, gaps: float, stalls: float) -> None:
    """Every value gives the golden result, also behind another table."""
    bench = await Bench.start(dut)
    bits = bench.config.value_bits
    for table in (gelu_table(4, 5, bits).tolist(), _values(bench)):
        await _write(bench, table)
        await _run(bench, _values(bench), table, gaps, stalls)


@cocotb.test()
async def keeps_its_pace(dut: Any) -> None:
    """Latency 1 and a value per cycle, as the component's docstring says."""
    bench = await Bench.start(dut)
    table = _values(bench)
    await _write(bench, table)
    source, sink = await _run(bench, _values(bench), table, 0.0, 0.0)
    assert {out - into for into, out in zip(source.cycles, sink.cycles, strict=True)} == {1}
    assert {later - now for now, later in itertools.pairwise(source.cycles)} == {1}


@cocotb.test()
async def restarts_after_reset(dut: Any) -> None:
    """A reset drops the result that waits and keeps the table."""
    bench = await Bench.start(dut)
    table = _values(bench)
    await _write(bench, table)
    await bench.source("i").send([1])
    await bench.edge(3)
    assert int(dut.o__valid.value), "a result must wait"
    await bench.reset(1)
    await bench.edge()
    assert not int(dut.o__valid.value), "reset must drop the result"
    await _run(bench, _values(bench), table, 0.0, 0.3)
