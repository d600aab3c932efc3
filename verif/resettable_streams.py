# SPDX-License-Identifier: Apache-2.0
"""Streams of plain words that may be reset while something waits."""

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

import cocotb
from cocotb.triggers import RisingEdge

from .streams import cycle

__all__ = ["ResettableSink", "ResettableSource"]


class ResettableSource:
    """Drives an input stream of the unit, with gaps; `drop` withdraws what waits.

    Parameters
    ----------
    dut : cocotb handle
    name : str
        Stream.
    pauses : Iterator[bool]
        For each cycle in which another word could be offered, whether it is not.

    Attributes
    ----------
    cycles : list[int]
        Number of the clock cycle of each transfer.
    """

    def __init__(self, dut: Any, name: str, pauses: Iterator[bool]):
        self.pauses = pauses
        self.cycles: list[int] = []
        self._clock = dut.clk
        self._valid, self._ready, self._payload = (
            getattr(dut, f"{name}__{part}") for part in ("valid", "ready", "payload"))
        self._queue: deque[int] = deque()
        self._offered = False
        self._valid.value = 0
        cocotb.start_soon(self._run())

    @property
    def pending(self) -> int:
        """Words not yet taken."""
        return len(self._queue) + self._offered

    def put(self, words: Iterable[int]) -> None:
        """Queue words."""
        self._queue.extend(words)

    def drop(self) -> None:
        """Withdraw all words, as a reset of their sender does."""
        self._queue.clear()
        self._offered = False
        self._valid.value = 0

    async def _run(self) -> None:
        while True:
            await RisingEdge(self._clock)
            if self._offered:
                if not int(self._ready.value):
                    continue
                self.cycles.append(cycle())
            self._offered = bool(self._queue) and not next(self.pauses)
            self._valid.value = self._offered
            if self._offered:
                self._payload.value = self._queue.popleft()


class ResettableSink:
    """Takes from an output stream of the unit, with stalls; `drop` starts anew.

    It fails the test when a word is withdrawn or changed before it is taken, but by a reset.

    Parameters
    ----------
    dut : cocotb handle
    name : str
        Stream.
    pauses : Iterator[bool]
        For each cycle, whether ``ready`` stays low.
    resets : tuple of str
        Inputs of the unit; while one is high no word is taken, and what waits may go.

    Attributes
    ----------
    words : list[int]
        What came.
    cycles : list[int]
        Number of the clock cycle of each transfer.
    """

    def __init__(self, dut: Any, name: str, pauses: Iterator[bool],
                 resets: tuple[str, ...] = ("rst",)):
        self.name = name
        self.pauses = pauses
        self.words: list[int] = []
        self.cycles: list[int] = []
        self._clock = dut.clk
        self._valid, self._ready, self._payload = (
            getattr(dut, f"{name}__{part}") for part in ("valid", "ready", "payload"))
        self._waiting: int | None = None
        self._resets = [getattr(dut, reset) for reset in resets]
        cocotb.start_soon(self._run())

    def drop(self) -> None:
        """Forget what was taken, and what is offered."""
        self.words, self.cycles, self._waiting = [], [], None

    async def _run(self) -> None:
        while True:
            await RisingEdge(self._clock)
            word = int(self._payload.value) if int(self._valid.value) else None
            if any(int(signal.value) for signal in self._resets):
                self._waiting = None
                continue
            assert self._waiting in (None, word), f"{self.name}: valid withdrawn or word changed"
            self._waiting = word
            if word is not None and int(self._ready.value):
                self.words.append(word)
                self.cycles.append(cycle())
                self._waiting = None
            self._ready.value = not next(self.pauses)
