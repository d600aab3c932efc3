# SPDX-License-Identifier: Apache-2.0
"""Bench of the rescaler: sums of all magnitudes and shifts, against the golden op."""

from functools import reduce
from operator import or_
from typing import Any

import cocotb
import torch

from ..models.golden.tt_ops import next_shift, rescale
from .bench import Bench

__all__ = ["matches_golden"]


@cocotb.test()
@cocotb.parametrize(pauses=[0.0, 0.2])
async def matches_golden(dut: Any, pauses: float) -> None:
    """Results come a cycle later, with the place of the sums; magnitudes give the next shift."""
    bench = await Bench.start(dut)
    for wide in (0, 1):
        bench.write("wide", wide)
        await _rescale(bench, pauses, 32767 if wide else 127)


async def _rescale(bench: Bench, pauses: float, limit: int) -> None:
    """Rescale sums of all magnitudes by all shifts."""
    rng, ends = bench.rng, set()
    seen, magnitudes = 0, 0
    for number in range(200):
        shift, valid = rng.randrange(32), int(rng.random() >= pauses)
        largest = 1 << rng.randrange(32)
        values = [rng.choice((rng.randint(-largest, largest - 1), -largest, largest - 1,
                              rng.randint(-2, 2))) for _ in range(bench.config.lanes)]
        place = {"core": rng.randrange(5), "back": rng.randrange(2), "bypass": rng.randrange(2),
                 "pixel": rng.randrange(bench.config.max_pixels), "step": 0, "group": 0}
        bench.write("shift", shift)
        bench.write("i", place | {"valid": valid, "values": values})
        await bench.edge()
        if valid:
            seen = max(seen, *map(abs, values))
            magnitudes |= bench.read("found")
            assert bench.read("found") == reduce(or_, map(abs, values))
        else:
            assert not bench.read("found"), "there are no magnitudes without sums"
        bench.write("i", {**place, "valid": 0, "values": [0] * bench.config.lanes})
        await bench.edge()
        found = bench.read("o")
        wanted = rescale(torch.tensor(values), shift, limit).tolist()
        assert found["values"] == wanted, (
            f"sums {values} at shift {shift} must give {wanted}, not {found['values']}")
        assert found["valid"] == valid and all(
            found[name] == value for name, value in place.items()), f"place in step {number}"
        ends.update(wanted)
    assert {limit, -limit, 0} <= ends, "both limits must have been met"
    assert max(0, magnitudes.bit_length() - 7) == next_shift(torch.tensor([seen]))
