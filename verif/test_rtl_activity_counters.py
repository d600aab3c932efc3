# SPDX-License-Identifier: Apache-2.0
"""The activity counters in Amaranth's simulator against counting in plain Python."""

import random
from collections import Counter

import pytest
from amaranth import Module, ResetInserter, Signal
from amaranth.sim import Simulator

from spikeloom.rtl.config import FTPConfig
from spikeloom.rtl.ftp.activity_counters import ActivityCounters
from spikeloom.rtl.ftp.tppe import Activity

NAMES = {activity: activity.name.lower() for activity in Activity}


def simulate(config, stimulus):
    """Compare the counters in every cycle; each cycle is (busy, activities, clear, reset).

    What is done in a cycle counts 2 cycles later; what is cleared is zero in the next.
    """
    dut, reset = ActivityCounters(config), Signal()
    m = Module()
    m.submodules.dut = ResetInserter(reset)(dut)
    wrap = 1 << config.counter_bits
    totals = Counter()

    async def bench(ctx):
        counts, coming = Counter(), []
        for number, (busy, activities, clear, resetting) in enumerate(stimulus):
            ctx.set(dut.busy, busy)
            ctx.set(dut.activities, activities)
            ctx.set(dut.clear, clear)
            ctx.set(reset, resetting)
            _, _, shown = await ctx.tick().sample(dut.counts)
            for name in ("cycles", *NAMES.values()):
                assert shown[name] == counts[name] % wrap, f"{name} in cycle {number}"
            counts.update(coming)
            totals.update(coming)
            coming = ["cycles", *(NAMES[activity] for activity in activities)] if busy else []
            if clear or resetting:
                counts.clear()
                coming = []

    simulator = Simulator(m)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return totals


@pytest.mark.parametrize("tppes", [1, 3, 16])
def test_counts_what_each_tppe_does(tppes):
    config, rng = FTPConfig(tppes=tppes, counter_bits=16), random.Random(tppes)
    stimulus = [(int(rng.random() < 0.8), rng.choices(list(Activity), k=tppes),
                 int(rng.random() < 0.01), int(rng.random() < 0.005)) for _ in range(1000)]
    totals = simulate(config, stimulus)
    assert all(totals[name] for name in NAMES.values())
    assert sum(totals[name] for name in NAMES.values()) == tppes * totals["cycles"]


@pytest.mark.parametrize("activity", Activity)
def test_counts_all_tppes_at_once(activity):
    simulate(FTPConfig(tppes=5), [(1, [activity] * 5, 0, 0)] * 20)


def test_wraps_around():
    config = FTPConfig(tppes=64, counter_bits=16)
    totals = simulate(config, [(1, [Activity.MATCH] * 64, 0, 0)] * 1030)
    assert totals["match"] >= 1 << config.counter_bits
