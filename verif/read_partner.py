# SPDX-License-Identifier: Apache-2.0
"""A memory in Python that answers one reader of the unit."""

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import cocotb
from cocotb.triggers import RisingEdge

from ..rtl.soc.memory_port import request_layout
from .payload import unpack
from .streams import cycle

__all__ = ["ReadPartner"]


class ReadPartner:
    """Answers the requests of a reader in order, each after a latency; forgets them in reset.

    Parameters
    ----------
    dut : cocotb handle
    name : str
        Reader: a port of the unit that is a `ReadClient`.
    memory : Mapping[int, int]
        Words by address; to read any other one fails the test.
    latency : Callable[[], int]
        Cycles from a request to its first word, at least 1; a new one for each request.
    pauses : Iterator[bool]
        For each cycle, whether no request is taken; and whether no further word is offered.

    Attributes
    ----------
    requests : list[tuple[int, int]]
        Address and number of words of all requests so far.
    """

    def __init__(self, dut: Any, name: str, memory: Mapping[int, int],
                 latency: Callable[[], int], pauses: Iterator[bool]):
        self.name = name
        self.requests: list[tuple[int, int]] = []
        self.memory, self._latency, self._pauses = memory, latency, pauses
        self._clock, self._reset = dut.clk, dut.rst
        self._request, self._data = (
            [getattr(dut, f"{name}__{port}__{part}") for part in ("valid", "ready", "payload")]
            for port in ("request", "data"))
        self._due: deque[tuple[int, int]] = deque()  # cycle and word
        cocotb.start_soon(self._take())
        cocotb.start_soon(self._give())

    async def _take(self) -> None:
        valid, ready, payload = self._request
        waiting = None
        while True:
            await RisingEdge(self._clock)
            if int(self._reset.value):
                self._due.clear()
                waiting = None
                continue
            offered = int(payload.value) if int(valid.value) else None
            assert waiting in (None, offered), f"{self.name}: request withdrawn or changed"
            waiting = offered
            if offered is not None and int(ready.value):
                waiting = None
                request = unpack(request_layout(), offered)
                address, words = request["address"], request["words"]
                assert words, f"{self.name}: words must be at least 1, not 0"
                self.requests.append((address, words))
                due = cycle() + self._latency() - 1
                for place in range(address, address + words):
                    assert place in self.memory, f"{self.name}: word {place} must not be read"
                    self._due.append((due, self.memory[place]))
            ready.value = not next(self._pauses)

    async def _give(self) -> None:
        valid, ready, payload = self._data
        offered = False
        while True:
            await RisingEdge(self._clock)
            if offered and not int(ready.value) and not int(self._reset.value):
                continue
            offered = bool(self._due) and self._due[0][0] <= cycle() and not next(self._pauses)
            valid.value = offered
            if offered:
                payload.value = self._due.popleft()[1]
