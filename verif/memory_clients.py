# SPDX-License-Identifier: Apache-2.0
"""Streams of readers and writers that may be reset while the memory works for them."""

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

import cocotb
from cocotb.triggers import RisingEdge

from .streams import cycle

__all__ = ["Offer", "Request", "Take", "bursts_of"]

Request = tuple[int, int]  # address and words


def bursts_of(request: Request, burst_words: int) -> list[Request]:
    """Return the bursts that a request is carried out in."""
    address, words = request
    bounds = [address, *(word for word in range(address + 1, address + words)
                         if word % burst_words == 0), address + words]
    return [(first, end - first) for first, end in zip(bounds, bounds[1:], strict=False)]


class Offer:
    """Drives a stream of the unit; `drop` withdraws everything, as a reset of the client does."""

    def __init__(self, dut: Any, name: str, pauses: Iterator[bool]):
        self.pauses = pauses
        self.cycles: list[int] = []  # of the transfers
        self._clock = dut.clk
        self._valid, self._ready, self._payload = (
            getattr(dut, f"{name}__{part}") for part in ("valid", "ready", "payload"))
        self._queue: deque[int] = deque()
        self._offered = False
        cocotb.start_soon(self._run())

    @property
    def pending(self) -> int:
        """Payloads not yet taken."""
        return len(self._queue) + self._offered

    def put(self, words: Iterable[int]) -> None:
        """Queue payloads."""
        self._queue.extend(words)

    def drop(self) -> None:
        """Withdraw all payloads."""
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


class Take:
    """Takes a stream of the unit and checks that what it offers stays; `drop` starts anew."""

    def __init__(self, dut: Any, name: str, pauses: Iterator[bool]):
        self.name = name
        self.pauses = pauses
        self.words: list[int] = []
        self.cycles: list[int] = []  # of the transfers
        self._clock = dut.clk
        self._valid, self._ready, self._payload = (
            getattr(dut, f"{name}__{part}") for part in ("valid", "ready", "payload"))
        self._waiting: int | None = None
        self._drops = (dut.rst, dut.clear)
        cocotb.start_soon(self._run())

    def drop(self) -> None:
        """Forget what was taken, and what is offered."""
        self.words, self.cycles, self._waiting = [], [], None

    async def _run(self) -> None:
        while True:
            await RisingEdge(self._clock)
            word = int(self._payload.value) if int(self._valid.value) else None
            if any(int(signal.value) for signal in self._drops):
                self._waiting = None
                continue
            assert self._waiting in (None, word), f"{self.name}: offered data changed"
            self._waiting = word
            if word is not None and int(self._ready.value):
                self.words.append(word)
                self.cycles.append(cycle())
                self._waiting = None
            self._ready.value = not next(self.pauses)
