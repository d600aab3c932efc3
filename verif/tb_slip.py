# SPDX-License-Identifier: Apache-2.0
"""Bench of the SLIP units: random frames and lines, against the golden ones."""

import itertools
from typing import Any

import cocotb

from ..models.golden.slip import END_TOKEN, decode, encode
from .bench import Bench

__all__ = ["keeps_its_pace", "matches_golden", "restarts_after_reset"]

_SPECIAL = (0xC0, 0xDB, 0xDC, 0xDD)


def _bytes(bench: Bench, count: int) -> list[int]:
    return [bench.rng.choice([*_SPECIAL, *_SPECIAL, bench.rng.randrange(256)])
            for _ in range(count)]


def _tokens(bench: Bench, count: int) -> list[int | None]:
    return [END_TOKEN if bench.rng.random() < 0.1 else byte for byte in _bytes(bench, count)]


def _packed(token: int | None) -> dict[str, int]:
    return {"byte": token or 0, "end": int(token is END_TOKEN)}


async def _run(bench: Bench, gaps: float, stalls: float) -> tuple[list[int], list[int]]:
    """Send random values; return the cycles in which they went in and came out."""
    source, sink = bench.source("i", gaps, burst=3), bench.sink("o", stalls, burst=3)
    await bench.edge(2)
    count = bench.parameters.get("bytes", 2000)
    if bench.unit == "slip_decoder":
        line = [*_bytes(bench, count), 0x00]
        wanted = list(decode(line))
        await source.send(line)
        await bench.edge(50)
        found = [END_TOKEN if item["end"] else item["byte"] for item in sink.values]
    else:
        tokens = _tokens(bench, count)
        wanted = list(encode(tokens))
        await source.send([_packed(token) for token in tokens])
        await bench.edge(50)
        found = sink.values
    for number, (got, want) in enumerate(zip(found, wanted, strict=False)):
        assert got == want, f"output {number} must be {want}, not {got}"
    assert len(found) == len(wanted)
    return source.cycles, sink.cycles


@cocotb.test()
@cocotb.parametrize(gaps=[0.0, 0.5], stalls=[0.0, 0.5])
async def matches_golden(dut: Any, gaps: float, stalls: float) -> None:
    """Random values, most of them special, come out as of the golden functions."""
    await _run(await Bench.start(dut), gaps, stalls)


@cocotb.test()
async def keeps_its_pace(dut: Any) -> None:
    """A byte of the line goes in or out in each cycle, and no cycle lies between in and out."""
    bench = await Bench.start(dut)
    taken, given = await _run(bench, 0.0, 0.0)
    line, frames = (taken, given) if bench.unit == "slip_decoder" else (given, taken)
    assert {later - now for now, later in itertools.pairwise(line)} == {1}
    assert set(frames) <= set(line)


@cocotb.test()
async def restarts_after_reset(dut: Any) -> None:
    """A reset forgets the first half of an escape."""
    bench = await Bench.start(dut)
    dut.i__payload.value = 0xDB
    dut.i__valid.value = 1
    dut.o__ready.value = 1
    await bench.edge(2)
    dut.i__valid.value = 0
    await bench.reset(1)
    await _run(bench, 0.0, 0.3)
