# SPDX-License-Identifier: Apache-2.0
"""Ready/valid streams in cocotb: drive them, take from them, watch their rules.

All work on rising clock edges: what is read there is what the flip-flops sample, what is
written there takes effect after the edge.
"""

import itertools
import random
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

import cocotb
from cocotb.simtime import get_sim_time
from cocotb.triggers import RisingEdge

from .payload import pack, unpack

__all__ = ["PERIOD_NS", "StreamMonitor", "StreamSink", "StreamSource", "cycle", "pauses"]

PERIOD_NS = 10


def cycle() -> int:
    """Return the number of the present clock cycle."""
    return int(get_sim_time("ns")) // PERIOD_NS


def pauses(rng: random.Random, probability: float, burst: float = 1.0) -> Iterator[bool]:
    """Yield for each cycle whether a stream pauses.

    Parameters
    ----------
    probability : float
        Share of cycles that pause; 0 never, 1 always.
    burst : float
        Mean length of a pause in cycles, at least 1.

    Raises
    ------
    ValueError
        A parameter is out of its range.
    """
    if not 0 <= probability <= 1 or burst < 1:
        raise ValueError(f"pauses need a probability in 0..1 and a burst of at least 1, "
                         f"not {probability} and {burst}")
    if probability in (0, 1):
        yield from itertools.repeat(probability == 1)
    leave = 1 / burst
    enter = leave * probability / (1 - probability)
    if enter > 1:  # pauses must be longer to come that often
        enter, leave = 1.0, (1 - probability) / probability
    paused = rng.random() < probability
    while True:
        yield paused
        paused = rng.random() >= leave if paused else rng.random() < enter


async def _grow(clock: Any, name: str, items: list, goal: int, timeout: int) -> None:
    """Wait until ``items`` has ``goal`` entries; give up after ``timeout`` cycles without one."""
    waited, seen = 0, len(items)
    while seen < goal:
        await RisingEdge(clock)
        waited = waited + 1 if seen == len(items) else 0
        seen = len(items)
        if waited > timeout:
            raise TimeoutError(f"{name}: {seen} of {goal} transfers, none in {timeout} cycles")


class StreamMonitor:
    """Watches one stream and notes each transfer.

    It fails the test when a valid payload is withdrawn or changed before it is taken.

    Parameters
    ----------
    dut : cocotb handle
    name : str
        Stream: the ports are ``NAME__valid``, ``NAME__ready``, ``NAME__payload``.
    shape : ShapeLike
        Of the payload; None if it carries none.

    Attributes
    ----------
    cycles : list[int]
        Number of the clock cycle of each transfer.
    """

    def __init__(self, dut: Any, name: str, shape: Any):
        self.name = name
        self.shape = shape
        self.cycles: list[int] = []
        self._words: list[int] = []
        self._clock = dut.clk
        self._valid = getattr(dut, f"{name}__valid")
        self._ready = getattr(dut, f"{name}__ready")
        self._payload = getattr(dut, f"{name}__payload", None)
        cocotb.start_soon(self._run())

    @property
    def values(self) -> list[Any]:
        """All payloads that were transferred, oldest first."""
        return [unpack(self.shape, word) for word in self._words]

    async def take(self, count: int, timeout: int = 100_000) -> list[Any]:
        """Wait until ``count`` payloads in all were transferred, and return those.

        Raises
        ------
        TimeoutError
            ``timeout`` cycles passed without one.
        """
        await _grow(self._clock, self.name, self._words, count, timeout)
        return self.values[:count]

    async def _run(self) -> None:
        waiting: int | None = None
        while True:
            await RisingEdge(self._clock)
            valid = int(self._valid.value)
            if waiting is not None and not valid:
                raise AssertionError(f"{self.name}: valid withdrawn in cycle {cycle()}")
            if valid:
                word = 0 if self._payload is None else int(self._payload.value)
                if waiting is not None and word != waiting:
                    raise AssertionError(f"{self.name}: payload changed in cycle {cycle()} from "
                                         f"{waiting:#x} to {word:#x} before it was taken")
                waiting = word
                if int(self._ready.value):
                    waiting = None
                    self._words.append(word)
                    self.cycles.append(cycle())


class StreamSink(StreamMonitor):
    """Takes from an output stream of the unit, with pauses.

    Parameters
    ----------
    pauses : Iterator[bool]
        For each cycle, whether ``ready`` stays low.
    """

    def __init__(self, dut: Any, name: str, shape: Any, pauses: Iterator[bool]):
        super().__init__(dut, name, shape)
        self.pauses = pauses
        self._ready.value = 0
        cocotb.start_soon(self._drive())

    async def _drive(self) -> None:
        ready = 0
        while True:
            await RisingEdge(self._clock)
            wanted = int(not next(self.pauses))
            if wanted != ready:
                ready = self._ready.value = wanted


class StreamSource:
    """Drives an input stream of the unit, with gaps.

    Parameters
    ----------
    pauses : Iterator[bool]
        For each cycle without a waiting payload, whether none is offered either.

    Attributes
    ----------
    cycles : list[int]
        Number of the clock cycle of each transfer.
    """

    def __init__(self, dut: Any, name: str, shape: Any, pauses: Iterator[bool]):
        self.name = name
        self.shape = shape
        self.pauses = pauses
        self.cycles: list[int] = []
        self._clock = dut.clk
        self._valid = getattr(dut, f"{name}__valid")
        self._ready = getattr(dut, f"{name}__ready")
        self._payload = getattr(dut, f"{name}__payload", None)
        self._queue: deque[int] = deque()
        self._offered = 0  # payloads queued since the start
        self._valid.value = 0
        cocotb.start_soon(self._run())

    def put(self, values: Iterable[Any]) -> None:
        """Queue ``values``; they are offered in order, as the pauses allow."""
        words = [pack(self.shape, value, self.name) for value in values]
        self._queue.extend(words)
        self._offered += len(words)

    async def send(self, values: Iterable[Any], timeout: int = 100_000) -> None:
        """Queue ``values`` and wait until all are taken.

        Raises
        ------
        TimeoutError
            ``timeout`` cycles passed without a transfer.
        """
        self.put(values)
        await _grow(self._clock, self.name, self.cycles, self._offered, timeout)

    async def _run(self) -> None:
        offered = False
        while True:
            await RisingEdge(self._clock)
            if offered:
                if not int(self._ready.value):
                    continue
                self.cycles.append(cycle())
            pause = next(self.pauses)
            if self._queue and not pause:
                word = self._queue.popleft()
                if self._payload is not None:
                    self._payload.value = word
                self._valid.value = 1
                offered = True
            elif offered:
                self._valid.value = 0
                offered = False
