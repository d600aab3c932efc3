# SPDX-License-Identifier: Apache-2.0
"""Bench of the UART: a line with noise and a clock of its own, against the golden one."""

import itertools
import random
from typing import Any

import cocotb
from cocotb.triggers import RisingEdge

from ..models.golden.uart import received, sent
from .bench import Bench
from .streams import cycle

__all__ = ["drops_what_nobody_takes", "keeps_its_pace", "matches_golden", "restarts_after_reset"]

_LATENCY = 3


def _line(rng: random.Random, divisor: int, count: int) -> list[int]:
    """Return the levels of a line with ``count`` bytes, and noise between them."""
    levels = [1] * divisor
    for _ in range(count):
        byte = sent(rng.randrange(256), divisor)
        kind = rng.randrange(8)
        if kind == 0:  # a host with another clock
            del byte[rng.randrange(len(byte))]
        elif kind == 1:
            byte.insert(rng.randrange(len(byte)), rng.randrange(2))
        elif kind == 2:  # noise of a cycle
            byte[rng.randrange(len(byte))] ^= 1
        elif kind == 3:  # a line that is pulled down
            byte += [0] * rng.randrange(2 * divisor)
        levels += byte + [1] * rng.choice([0, 0, 1, rng.randrange(3 * divisor)])
        if rng.random() < 0.2:  # a start bit that is none
            levels += [0] * rng.randint(1, divisor // 2) + [1] * rng.randrange(2 * divisor)
    return levels + [1] * 20 * divisor


async def _drive(dut: Any, levels: list[int]) -> None:
    for level in levels:
        dut.rx.value = level
        await RisingEdge(dut.clk)


async def _watch(dut: Any, levels: dict[int, int]) -> None:
    while True:
        await RisingEdge(dut.clk)
        levels[cycle()] = int(dut.tx.value)


async def _started(dut: Any) -> Bench:
    bench = await Bench.start(dut)
    dut.rx.value = 1
    await bench.reset()
    await bench.edge(4)
    return bench


@cocotb.test()
@cocotb.parametrize(gaps=[0.0, 0.5], stalls=[0.0, 0.5])
async def matches_golden(dut: Any, gaps: float, stalls: float) -> None:
    """Both directions at once: all bytes of a noisy line, all levels of the other one."""
    bench = await _started(dut)
    divisor = bench.config.divisor
    count = bench.parameters.get("bytes", 60)
    source, sink = bench.source("i", gaps, burst=5 * divisor), bench.sink("o", stalls, burst=3)
    outgoing: dict[int, int] = {}
    watcher = cocotb.start_soon(_watch(dut, outgoing))
    data = [bench.rng.randrange(256) for _ in range(count)]
    sending = cocotb.start_soon(source.send(data))
    levels = _line(bench.rng, divisor, count)
    await bench.edge()
    began = cycle()
    await _drive(dut, levels)
    wanted = received(levels, divisor)
    assert sink.values == [byte for _, byte in wanted]
    assert len(wanted) > count // 2
    if not stalls:
        found = [now - began for now in sink.cycles]
        assert found == [stop + 1 + _LATENCY for stop, _ in wanted]
    await sending
    await bench.edge(11 * divisor)
    watcher.cancel()
    expected = dict.fromkeys(outgoing, 1)
    for begin, byte in zip(source.cycles, data, strict=True):
        expected |= {begin + 1 + later: level for later, level in enumerate(sent(byte, divisor))}
    assert outgoing == expected


@cocotb.test()
async def keeps_its_pace(dut: Any) -> None:
    """Bytes follow each other without a gap."""
    bench = await _started(dut)
    source = bench.source("i")
    await source.send([0x55, 0xC0, 0x00, 0xFF])
    assert {later - now for now, later in itertools.pairwise(source.cycles)} == {
        10 * bench.config.divisor}


@cocotb.test()
async def drops_what_nobody_takes(dut: Any) -> None:
    """A byte that waits stays; those behind it are lost, until it is taken."""
    bench = await _started(dut)
    divisor = bench.config.divisor
    dut.o__ready.value = 0
    for byte in (0x11, 0x22, 0x33):
        await _drive(dut, sent(byte, divisor))
    await bench.edge(2 * divisor)
    sink = bench.sink("o")
    await bench.edge(2)
    await _drive(dut, sent(0x44, divisor))
    await bench.edge(2 * divisor)
    assert sink.values == [0x11, 0x44]


@cocotb.test()
async def restarts_after_reset(dut: Any) -> None:
    """A reset drops the bytes at work in both directions."""
    bench = await _started(dut)
    divisor = bench.config.divisor
    dut.o__ready.value = 0
    await _drive(dut, sent(0x5A, divisor) + [1] * divisor + sent(0xA5, divisor)[:4 * divisor])
    source = bench.source("i")
    source.put([0x00])
    await bench.edge(3 * divisor)
    assert not int(dut.tx.value) and int(dut.o__valid.value)
    dut.rx.value = 1
    await bench.reset(4)
    await bench.edge()
    assert int(dut.tx.value) and not int(dut.o__valid.value)
    sink = bench.sink("o")
    await bench.edge(11 * divisor)
    assert sink.values == []
    await _drive(dut, [*sent(0x77, divisor), *[1] * 2 * divisor])
    assert sink.values == [0x77]
