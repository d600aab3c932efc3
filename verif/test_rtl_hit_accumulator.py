# SPDX-License-Identifier: Apache-2.0
"""The accumulator of an element in Amaranth's simulator against sums in plain Python."""

import random

import pytest
from amaranth.sim import Simulator

from spikeloom.rtl.config import ArrayConfig
from spikeloom.rtl.pe.hit_accumulator import HitAccumulator
from spikeloom.verif.payload import unpack


def config_of(pe, rows):
    return ArrayConfig(pe=pe, rows_per_pe=rows, timesteps=3, chunk=8, beat_values=2, max_fan_in=8,
                       weight_bits=4, laggy_adders=8, probes=1, tppes=1, output_lanes=1)


def wrapped(value, bits):
    return (value + (1 << bits - 1)) % (1 << bits) - (1 << bits - 1)


def random_column(rng, config, longest):
    """Return weights with the words that they meet; each meets a spike."""
    full = (1 << config.timesteps) - 1
    column = []
    for _ in range(rng.randint(0, longest)):
        words = [rng.choice((0, full, rng.randint(0, full))) for _ in range(config.rows_per_pe)]
        words[rng.randrange(len(words))] = rng.randint(1, full)
        column.append({"weight": rng.choice((-8, 7, rng.randint(-8, 7))), "words": words})
    return column


def results(column, used, final, config):
    rows = [row for row in range(config.rows_per_pe) if used >> row & 1]
    return [{"row": row, "column_end": int(row == rows[-1]), "final": final, "psums": [
        wrapped(sum(hit["weight"] for hit in column if hit["words"][row] >> t & 1),
                config.psum_bits) for t in range(config.timesteps)]} for row in rows]


def simulate(config, columns, seed, gaps, stalls):
    """Add up ``columns``, of hits, used rows and ``final``; return results, cycles, additions."""
    unit, rng = HitAccumulator(config), random.Random(seed)
    found, turns, adds = [], [], []

    async def testbench(ctx):
        waiting = None
        queue = [list(column) for column, _, _ in columns]
        offered, now = None, 0
        while len(found) < sum(used.bit_count() for _, used, _ in columns) or queue:
            if offered is None and queue and queue[0] and rng.random() >= gaps:
                offered = queue[0].pop(0)
            if offered:
                ctx.set(unit.i.payload, offered)
            ctx.set(unit.i.valid, int(offered is not None))
            number = len(columns) - len(queue)
            ctx.set(unit.ended, int(bool(queue) and not queue[0]))
            if queue:
                ctx.set(unit.used, columns[number][1])
                ctx.set(unit.final, columns[number][2])
            ctx.set(unit.o.ready, int(rng.random() >= stalls))
            valid, ready = ctx.get(unit.o.valid), ctx.get(unit.o.ready)
            payload = ctx.get(unit.o.payload.as_value())
            assert waiting in (None, payload if valid else -1), "a result that waits must stay"
            waiting = payload if valid and not ready else None
            if valid and ready:
                found.append(unpack(unit.o.payload.shape(), payload))
            if ctx.get(unit.turn):
                turns.append(now)
                queue.pop(0)
            if offered is not None:
                adds.append(now)
            if ctx.get(unit.i.ready):
                offered = None
            await ctx.tick()
            now += 1
            assert now < 20_000

    simulator = Simulator(unit)
    simulator.add_clock(1e-6)
    simulator.add_testbench(testbench)
    simulator.run()
    return found, turns, adds


@pytest.mark.parametrize("gaps, stalls", [(0.0, 0.0), (0.5, 0.0), (0.0, 0.7), (0.4, 0.4)])
@pytest.mark.parametrize("rows", [1, 2, 4])
@pytest.mark.parametrize("pe", ["scan", "bcast"])
def test_sums_are_right(pe, rows, gaps, stalls):
    config, rng = config_of(pe, rows), random.Random(f"{pe} {rows} {gaps}")
    columns = [(random_column(rng, config, rng.choice((0, 2, 40))), rng.getrandbits(rows),
                rng.getrandbits(1)) for _ in range(30)]
    for weight in (-8, 7):  # these sums wrap around
        columns.append(([{"weight": weight, "words": [7] * rows}] * 30, (1 << rows) - 1, 1))
        assert abs(30 * weight) >= 1 << (config.psum_bits - 1)
    found, _, _ = simulate(config, columns, 1, gaps, stalls)
    wanted = [result for column in columns for result in results(*column, config)]
    assert found == wanted


@pytest.mark.parametrize("rows", [1, 2, 4])
@pytest.mark.parametrize("pe", ["scan", "bcast"])
def test_no_cycle_is_lost(pe, rows):
    config, rng = config_of(pe, rows), random.Random(rows)
    columns = [([hit for _ in range(rows) for hit in random_column(rng, config, 6)] + [
        {"weight": 1, "words": [7] * rows}] * rows, (1 << rows) - 1, 0) for _ in range(30)]
    found, turns, adds = simulate(config, columns, 1, 0.0, 0.0)
    assert found == [result for column in columns for result in results(*column, config)]
    hits = [hit for column, _, _ in columns for hit in column]
    if pe == "scan":
        hits = [word for hit in hits for word in hit["words"] if word]
    assert adds == list(range(len(hits)))
    assert turns[-1] == len(hits) - 1
