# SPDX-License-Identifier: Apache-2.0
"""The memory behind a single unit: it answers one read client, or takes from one write client."""

import random
from collections import deque
from collections.abc import Callable, Iterator, Mapping

import cocotb
from amaranth import unsigned
from cocotb.triggers import RisingEdge

from ..rtl.soc.memory_port import request_layout
from .bench import Bench
from .payload import unpack
from .resettable_streams import ResettableSink, ResettableSource
from .streams import StreamSink, cycle, pauses
from .written_words import written_words

__all__ = ["ReadMemory", "WrittenMemory"]


class ReadMemory:
    """Answers the requests of a read client in order, with pauses; forgets them in reset.

    It fails the test when a request is withdrawn or changed before it is taken, is for no words,
    or is for a word that is not there.

    Parameters
    ----------
    bench : Bench
    name : str
        Port of the unit, a `ReadClient`.
    pause : float
        Share of cycles in which requests wait, and in which no further word is offered.
    latency : Callable[[], int]
        Cycles from a request to its first word, at least 1; asked anew for each request.

    Attributes
    ----------
    words : Mapping[int, int]
        What is where; another one may take its place at any time.
    requests : list[tuple[int, int]]
        Address and number of words of all requests so far.
    """

    def __init__(self, bench: Bench, name: str = "memory", pause: float = 0.0,
                 latency: Callable[[], int] = lambda: 1):
        self.words: Mapping[int, int] = {}
        self.requests: list[tuple[int, int]] = []
        self._name, self._latency = name, latency
        self._clock, self._reset = bench.dut.clk, bench.dut.rst
        self._due: deque[tuple[int, int]] = deque()  # cycle and word
        # In this order, so that a word may come in the cycle after its request.
        self._asked = ResettableSink(bench.dut, f"{name}__request", _pauses(bench, pause))
        cocotb.start_soon(self._run())
        self._given = ResettableSource(bench.dut, f"{name}__data", _pauses(bench, pause))

    @property
    def cycles(self) -> list[int]:
        """Number of the clock cycle of each word taken."""
        return self._given.cycles

    async def _run(self) -> None:
        while True:
            await RisingEdge(self._clock)
            if int(self._reset.value):
                self._due.clear()
                self._given.drop()
            for word in self._asked.words[len(self.requests):]:
                self._answer(**unpack(request_layout(), word))
            while self._due and self._due[0][0] <= cycle():
                self._given.put([self._due.popleft()[1]])

    def _answer(self, address: int, words: int) -> None:
        assert words, f"{self._name}: words must be at least 1, not 0"
        self.requests.append((address, words))
        due = cycle() + self._latency() - 1
        for place in range(address, address + words):
            assert place in self.words, f"{self._name}: word {place} must not be read"
            self._due.append((due, self.words[place]))


class WrittenMemory:
    """Takes what a write client writes, with pauses, and notes what is where.

    Parameters
    ----------
    bench : Bench
    name : str
        Port of the unit, a `WriteClient`.
    pause : float
        Share of cycles in which requests wait, and in which data does.
    """

    def __init__(self, bench: Bench, name: str = "memory", pause: float = 0.0):
        self._limit = bench.config.burst_words
        self.requests, self.data = (
            StreamSink(bench.dut, f"{name}__{port}", shape, _pauses(bench, pause))
            for port, shape in (("request", request_layout()),
                                ("data", unsigned(bench.config.memory_bits))))

    def words(self, steady: bool = False) -> dict[int, int]:
        """Return the words by their address, as `written_words` does."""
        return written_words(self.requests, self.data, self._limit, steady)


def _pauses(bench: Bench, share: float) -> Iterator[bool]:
    return pauses(random.Random(bench.rng.getrandbits(64)), share, 3.0)
