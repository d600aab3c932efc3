# SPDX-License-Identifier: Apache-2.0
"""The burst splitter in Amaranth's simulator against plain arithmetic."""

import itertools
import random
from collections import deque

import pytest
from amaranth import Module, ResetInserter, Signal
from amaranth.sim import Simulator

from spikeloom.rtl.config import AcceleratorConfig
from spikeloom.rtl.soc.burst_splitter import BurstSplitter

TOP = 0xFFFF_FFFF
QUIET = 20  # cycles without a transfer that no random stall lasts


def bursts(requests, burst_words):
    """Return what must come of requests that are all in range."""
    found = []
    for address, words in requests:
        for block, group in itertools.groupby(range(address, address + words),
                                              lambda word: word // burst_words):
            inside = list(group)
            assert inside[0] // burst_words == block
            found.append((inside[0], len(inside)))
    return found


def simulate(config, requests, *, start=0, limit=TOP, gaps=0.0, stalls=0.0, reset_at=None,
             stopped=range(0), later=None):
    """Drive requests; return the bursts with their cycles, the requests taken, busy, refused."""
    dut, reset, rng = BurstSplitter(config), Signal(), random.Random(1)
    m = Module()
    m.submodules.dut = ResetInserter(reset)(dut)
    found, taken, flags = [], [], []

    async def bench(ctx):
        ctx.set(dut.start, start)
        ctx.set(dut.limit, limit)
        waiting, offered, quiet, held = deque(requests), False, 0, None
        for now in itertools.count():
            if quiet > QUIET:
                return
            ctx.set(reset, now == reset_at)
            ctx.set(dut.stop, now in stopped)
            if later and now == later[0]:
                ctx.set(dut.limit, later[1])
            if not offered and waiting and rng.random() >= gaps:
                address, words = waiting.popleft()
                ctx.set(dut.i.payload, {"address": address, "words": words})
                offered = True
            ctx.set(dut.i.valid, offered)
            ctx.set(dut.o.ready, rng.random() >= stalls)
            _, _, i_ready, valid, ready, payload, *state = await ctx.tick().sample(
                dut.i.ready, dut.o.valid, dut.o.ready, dut.o.payload, dut.busy, dut.refused)
            burst = (int(payload.address), int(payload.words)) if valid else None
            assert held in (None, burst), "a burst must stay"
            held = None if ready or now == reset_at else burst
            if burst and ready:
                found.append((burst, now))
            if offered and i_ready:
                taken.append(now)
                offered = False
                quiet = 0
            quiet = 0 if burst and ready else quiet + 1
            flags.append(tuple(map(int, state)))

    simulator = Simulator(m)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return found, taken, *flags[-1]


@pytest.mark.parametrize("burst_words", [2, 16, 128])
@pytest.mark.parametrize("gaps, stalls", [(0.0, 0.0), (0.5, 0.0), (0.0, 0.5), (0.5, 0.5)])
def test_splits_at_the_multiples(burst_words, gaps, stalls):
    config, rng = AcceleratorConfig(burst_words=burst_words), random.Random(burst_words)
    requests = [(rng.randrange(4 * burst_words), rng.choice((
        1, 2, burst_words - 1, burst_words, burst_words + 1, rng.randint(1, 5 * burst_words))))
        for _ in range(60)]
    requests += [(TOP - 5, 5), (TOP - 1, 1), (TOP - 3 * burst_words, 3 * burst_words)]
    requests = [(address, max(words, 1)) for address, words in requests]
    found, taken, busy, refused = simulate(config, requests, gaps=gaps, stalls=stalls)
    assert [burst for burst, _ in found] == bursts(requests, burst_words)
    assert len(taken) == len(requests)
    assert (busy, refused) == (0, 0)


def test_latency_and_throughput():
    config = AcceleratorConfig(burst_words=4)
    requests = [(3, 9), (0, 1), (1, 1), (8, 4), (7, 2)]
    found, taken, _, _ = simulate(config, requests)
    assert found[0][1] - taken[0] == 2
    cycles = [cycle for _, cycle in found]
    assert cycles == list(range(cycles[0], cycles[0] + len(bursts(requests, 4))))


REFUSED = [(0, 0), (100, 0), (99, 1), (98, 2), (99, 2), (200, 2), (201, 1), (199, 3), (100, 102),
           (0, TOP), (TOP, 1), (TOP, TOP), (TOP, 2), (150, TOP), (150, TOP - 149),
           (TOP - 15, 16 + 120)]


@pytest.mark.parametrize("request_", REFUSED)
def test_refuses_and_waits(request_):
    allowed = [(100, 1), (200, 1), (199, 2), (100, 101)]
    found, taken, busy, refused = simulate(AcceleratorConfig(), [*allowed, request_, (120, 1)],
                                           start=100, limit=201)
    assert [burst for burst, _ in found] == bursts(allowed, 16)
    assert (busy, refused) == (1, 1)
    assert len(taken) == len(allowed) + 1, "the refused request waits inside, the next one outside"


def test_refused_stays_refused():
    found, _, busy, refused = simulate(AcceleratorConfig(), [(0, 3), (9, 2)], limit=10,
                                       later=(10, 100))
    assert [burst for burst, _ in found] == [(0, 3)]
    assert (busy, refused) == (1, 1)


def test_reset_drops_the_request():
    config = AcceleratorConfig(burst_words=4)
    found, _, busy, refused = simulate(config, [(0, 400)], reset_at=10)
    assert [burst for burst, _ in found] == bursts([(0, 36)], 4)
    assert (busy, refused) == (0, 0)


def test_takes_nothing_while_stopped():
    config = AcceleratorConfig(burst_words=4)
    requests = [(4 * k, 8) for k in range(12)]
    found, taken, busy, refused = simulate(config, requests, stopped=range(9, 20))
    assert [burst for burst, _ in found] == bursts(requests, 4)
    assert not set(taken) & set(range(9, 20))
    assert min(taken) < 9 and max(taken) >= 20
    assert (busy, refused) == (0, 0)
