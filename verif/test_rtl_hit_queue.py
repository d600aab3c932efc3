# SPDX-License-Identifier: Apache-2.0
"""The hit queue in Amaranth's simulator: all hits of a column, then those of the next."""

import random

import pytest
from amaranth.sim import Simulator

from spikeloom.rtl.config import ArrayConfig
from spikeloom.rtl.pe.hit_queue import HitQueue
from spikeloom.verif.payload import unpack


def config_of(probes, depth):
    return ArrayConfig(probes=probes, hit_fifo_depth=depth, rows_per_pe=2, timesteps=2, chunk=32,
                       beat_values=4, max_fan_in=32, weight_bits=8, tppes=1, output_lanes=1)


def random_columns(rng, config, count, density):
    """Return columns of beats; hits are told apart by their weights and words."""
    columns = []
    for number in range(count):
        beats = [{"found": [{"weight": rng.randint(-128, 127),
                             "words": [rng.randint(0, 3), rng.randint(0, 3)]}
                            for _ in range(config.probes)],
                  "hits": sum((rng.random() < density) << bank for bank in range(config.probes)),
                  "column_end": 0, "final": rng.getrandbits(1)}
                 for _ in range(rng.choice((1, 1, 2, 9)))]
        beats[-1] |= {"column_end": 1, "final": int(number % 3 == 2)}
        columns.append(beats)
    return columns


def simulate(config, columns, gaps=0.0, stalls=0.0):
    """Pass the columns; return hits and ``final`` of each, and the cycles of hits and beats."""
    unit, rng = HitQueue(config), random.Random(f"{gaps} {stalls}")
    beats = [beat for column in columns for beat in column]
    found, hit_cycles, pushes = [([], None)], [], []

    async def testbench(ctx):
        under_way, now, waiting = [None, None], 0, None
        while len(found) <= len(columns):
            room = ctx.get(unit.room)
            under_way.append(beats.pop(0) if room and beats and rng.random() >= gaps else None)
            beat = under_way.pop(0)
            ctx.set(unit.push, int(beat is not None))
            if beat:
                ctx.set(unit.i, beat)
                pushes.append(now)
            take = rng.random() >= stalls
            ctx.set(unit.o.ready, int(take))
            valid, ended = ctx.get(unit.o.valid), ctx.get(unit.ended)
            payload = ctx.get(unit.o.payload.as_value())
            assert waiting in (None, payload if valid else -1), "a hit that waits must stay"
            waiting = payload if valid and not take else None
            turn = ended and (take or not valid) and rng.random() >= stalls
            final = ctx.get(unit.final)
            ctx.set(unit.turn, int(turn))
            if valid and take:
                found[-1][0].append(unpack(unit.o.payload.shape(), payload))
                hit_cycles.append(now)
            if turn:
                found[-1] = (found[-1][0], final)
                found.append(([], None))
            await ctx.tick()
            now += 1
            assert now < 20_000

    simulator = Simulator(unit)
    simulator.add_clock(1e-6)
    simulator.add_testbench(testbench)
    simulator.run()
    return found[:-1], hit_cycles, pushes


def wanted(columns, config):
    return [(sorted(str(beat["found"][bank]) for beat in column for bank in range(config.probes)
                    if beat["hits"] >> bank & 1), column[-1]["final"]) for column in columns]


@pytest.mark.parametrize("gaps, stalls", [(0.0, 0.0), (0.5, 0.0), (0.0, 0.6), (0.3, 0.3)])
@pytest.mark.parametrize("probes, depth", [(1, 4), (4, 4), (4, 16), (2, 5)])
def test_columns_stay_apart(probes, depth, gaps, stalls):
    config, rng = config_of(probes, depth), random.Random(f"{probes} {depth} {gaps}")
    columns = [column for density in (0.0, 0.1, 0.5, 1.0, 0.5)
               for column in random_columns(rng, config, 15, density)]
    found, _, _ = simulate(config, columns, gaps, stalls)
    assert [(sorted(map(str, hits)), final) for hits, final in found] == wanted(columns, config)


@pytest.mark.parametrize("probes", [1, 2, 4])
def test_a_hit_each_cycle(probes):
    config, rng = config_of(probes, 8), random.Random(probes)
    columns = random_columns(rng, config, 40, 1.0)
    found, hits, pushes = simulate(config, columns)
    assert len(hits) == sum(len(column) for column, _ in found)
    assert hits[0] - pushes[0] == 2
    assert hits == list(range(hits[0], hits[0] + len(hits)))


@pytest.mark.parametrize("probes", [1, 2, 4])
def test_a_beat_each_cycle(probes):
    config, rng = config_of(probes, 8), random.Random(probes)
    columns = random_columns(rng, config, 40, 0.0)
    for column in columns:
        column[0]["hits"] = 1
    _, _, pushes = simulate(config, columns)
    assert pushes == list(range(pushes[0], pushes[0] + len(pushes)))
