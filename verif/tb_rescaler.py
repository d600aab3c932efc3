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
@cocotb.parametrize(wide=[0, 1])
async def matches_golden(dut: Any, wide: int) -> None:
    """Results come a cycle later, with the place of the sums; magnitudes give the next shift."""
    bench = await Bench.start(dut)
    rng, lanes = bench.rng, bench.config.lanes
    ends = set()
    place = {name: 0 for name in ("core", "back", "bypass", "pixel", "step", "group")}
    seen, magnitudes = 0, 0
    bench.write("wide", wide)
    for number in range(400):
        shift, valid = rng.randrange(32), int(rng.random() < 0.8)
        largest = 1 << rng.randrange(32)
        values = [rng.choice((rng.randint(-largest, largest - 1), -largest, largest - 1,
                              rng.randint(-2, 2))) for _ in range(lanes)]
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
        bench.write("i", {**place, "valid": 0, "values": [0] * lanes})
        await bench.edge()
        found = bench.read("o")
        wanted = rescale(torch.tensor(values), shift, 32767 if wide else 127).tolist()
        assert found["values"] == wanted, (
            f"sums {values} at shift {shift} must give {wanted}, not {found['values']}")
        assert found["valid"] == valid and all(
            found[name] == value for name, value in place.items()), f"place in step {number}"
        ends.update(wanted)
    limit = 32767 if wide else 127
    assert {limit, -limit, 0} <= ends, "both limits must have been met"
    assert max(0, magnitudes.bit_length() - 7) == next_shift(torch.tensor([seen]))
