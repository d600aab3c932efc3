# SPDX-License-Identifier: Apache-2.0
"""Bench of the softmax: rows of every length and spread, against the golden op."""

from typing import Any

import cocotb
import torch

from ..models.golden.softmax import softmax
from .bench import Bench

__all__ = ["covers_corners", "keeps_its_pace", "matches_golden", "restarts_after_reset"]


def _golden(bench: Bench, row: list[int], gain: int, shift: int) -> list[int]:
    config = bench.config
    return softmax(
        torch.tensor(row), gain, shift, score_bits=config.score_bits,
        index_bits=config.index_bits, power_bits=config.power_bits,
        reciprocal_bits=config.reciprocal_bits,
        probability_bits=config.probability_bits).tolist()


def _row(bench: Bench) -> list[int]:
    config, rng = bench.config, bench.rng
    limit = 1 << (config.score_bits - 1)
    centre, reach = rng.randrange(-limit, limit), 1 << rng.randint(0, config.score_bits - 1)
    length = rng.choice((config.max_tokens, rng.randint(1, config.max_tokens)))
    return [min(max(centre + rng.randint(-reach, reach), -limit), limit - 1)
            for _ in range(length)]


async def _run(bench: Bench, rows: list[list[int]], gain: int, shift: int, gaps: float,
               stalls: float) -> tuple[Any, Any]:
    bench.write("scale", {"gain": gain, "shift": shift})
    source, sink = bench.source("i", gaps, burst=3), bench.sink("o", stalls, burst=3)
    await bench.edge(2)
    source.put([{"value": value, "last": int(index == len(row) - 1)}
                for row in rows for index, value in enumerate(row)])
    found = await sink.take(sum(map(len, rows)))
    start = 0
    for row in rows:
        values, want = found[start:start + len(row)], _golden(bench, row, gain, shift)
        assert values == want, (
            f"row {row} with gain {gain} and shift {shift} must give {want}, not {values}")
        start += len(row)
    await bench.edge(10)
    assert len(sink.values) == start, "probabilities were repeated"
    return source, sink


@cocotb.test()
@cocotb.parametrize(gaps=[0.0, 0.5], stalls=[0.0, 0.5])
async def matches_golden(dut: Any, gaps: float, stalls: float) -> None:
    """Random rows give the golden probabilities, not all alike."""
    bench = await Bench.start(dut)
    found = set()
    for gain, shift in ((185, 7), (1, 0), (255, 31), (77, 12)):
        shift = min(shift, bench.config.score_bits)
        _, sink = await _run(bench, [_row(bench) for _ in range(6)], gain, shift, gaps, stalls)
        found |= set(sink.values)
    assert len(found) > 3 and {0, (1 << bench.config.probability_bits) - 1} <= found


@cocotb.test()
async def covers_corners(dut: Any) -> None:
    """Equal scores, single scores, the widest distance, every step of the table."""
    bench = await Bench.start(dut)
    config = bench.config
    low, high = -(1 << (config.score_bits - 1)), (1 << (config.score_bits - 1)) - 1
    most = config.max_tokens
    rows = [[low] * most, [high] * most, [0], [low], [high, low], [low, high],
            [high] + [low] * (most - 1), [low] * (most - 1) + [high], [high, high - 1]]
    for gain, shift in ((1, 0), (255, 0), (255, 31), (128, 7)):
        await _run(bench, rows, gain, shift, 0.0, 0.0)
    steps = min((config.power_bits + 2) << config.index_bits, high)
    await _run(bench, [[steps, steps - step] for step in range(0, steps, 1 + steps // 200)], 1, 0,
               0.0, 0.0)


@cocotb.test()
async def keeps_its_pace(dut: Any) -> None:
    """Latency and pace, as the component's docstring says."""
    bench = await Bench.start(dut)
    config = bench.config
    rows = [_row(bench) for _ in range(3)] + [[0]]
    source, sink = await _run(bench, rows, 3, 0, 0.0, 0.0)
    start = spare = 0
    for row in rows:
        into, out = (stream.cycles[start:start + len(row)] for stream in (source, sink))
        assert into == list(range(into[0], into[0] + len(row)))
        assert out == list(range(out[0], out[0] + len(row)))
        spare = out[0] - into[-1] - len(row) - config.powers_bits - config.reciprocal_bits
        assert spare <= 12
        start += len(row)
    assert spare > -config.powers_bits, "the bound must be near"


@cocotb.test()
async def restarts_after_reset(dut: Any) -> None:
    """A reset drops the row at work; those after it are right."""
    bench = await Bench.start(dut)
    await bench.source("i").send([{"value": 5, "last": 0}, {"value": -3, "last": 0}])
    await bench.reset(1)
    await _run(bench, [_row(bench) for _ in range(3)], 9, 2, 0.0, 0.3)
