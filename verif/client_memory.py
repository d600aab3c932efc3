# SPDX-License-Identifier: Apache-2.0
"""The memory's side of read and write clients, for the benches of single units."""

import random
from collections import deque
from collections.abc import Mapping
from typing import Any

import cocotb
from amaranth import unsigned
from cocotb.triggers import RisingEdge

from ..rtl.soc.memory_port import request_layout
from .bench import Bench
from .streams import StreamSink, cycle, pauses

__all__ = ["ReadMemory", "WrittenMemory"]


class ReadMemory:
    """Serves a read client: the words of all requests, in order, with pauses.

    Parameters
    ----------
    bench : Bench
    name : str
        Port of the unit.
    pause : float
        Share of cycles in which requests wait, and in which no word is offered.

    Attributes
    ----------
    words : Mapping[int, int]
        What is where; another one may take its place at any time.
    cycles : list[int]
        Number of the clock cycle of each word taken.
    """

    def __init__(self, bench: Bench, name: str = "memory", pause: float = 0.0):
        self.words: Mapping[int, int] = {}
        self.cycles: list[int] = []
        self._requests = _sink(bench, f"{name}__request", request_layout(), pause)
        self._pauses = pauses(random.Random(bench.rng.getrandbits(64)), pause, 3.0)
        self._dut, self._name = bench.dut, f"{name}__data"
        self._queue: deque[int] = deque()
        self._seen = 0
        self._port("valid").value = 0
        cocotb.start_soon(self._run())

    @property
    def requests(self) -> list[tuple[int, int]]:
        """Address and words of each request."""
        return [(request["address"], request["words"]) for request in self._requests.values]

    def drop(self) -> None:
        """Forget what was asked for."""
        self._queue.clear()
        self._seen = len(self._requests.cycles)
        self._port("valid").value = 0

    def _port(self, field: str) -> Any:
        return getattr(self._dut, f"{self._name}__{field}")

    async def _run(self) -> None:
        while True:
            await RisingEdge(self._dut.clk)
            offered = int(self._port("valid").value)
            taken = offered and int(self._port("ready").value)
            if taken and self._queue:
                self._queue.popleft()
                self.cycles.append(cycle())
            if len(self._requests.cycles) > self._seen:
                for address, count in self.requests[self._seen:]:
                    self._queue.extend(self.words[address + index] for index in range(count))
                self._seen = len(self._requests.cycles)
            pause = next(self._pauses)
            held = offered and not taken
            self._port("valid").value = int(bool(self._queue) and (held or not pause))
            if self._queue:
                self._port("payload").value = self._queue[0]


class WrittenMemory:
    """Serves a write client, with pauses, and notes what was written where.

    Parameters
    ----------
    bench : Bench
    name : str
        Port of the unit.
    pause : float
        Share of cycles in which requests wait, and in which data does.
    """

    def __init__(self, bench: Bench, name: str = "memory", pause: float = 0.0):
        self._limit = bench.config.burst_words
        self.requests = _sink(bench, f"{name}__request", request_layout(), pause)
        self.data = _sink(bench, f"{name}__data", unsigned(bench.config.memory_bits), pause)

    def words(self, steady: bool = False) -> dict[int, int]:
        """Return the words by their address.

        Parameters
        ----------
        steady : bool
            The memory took data in each cycle: that of a request must not wait for anything.

        Raises
        ------
        AssertionError
            A request is too long, data does not follow its request, or a word is written twice.
        """
        found: dict[int, int] = {}
        first, begins = 0, [*self.requests.cycles, None]
        for number, request in enumerate(self.requests.values):
            address, count = request["address"], request["words"]
            assert 1 <= count <= self._limit, (
                f"request {number} must be of 1..{self._limit} words, not {count}")
            cycles = self.data.cycles[first:first + count]
            assert len(cycles) == count, (
                f"request {number} must get {count} words, not {len(cycles)}")
            begin, end = begins[number:number + 2]
            assert begin < cycles[0] and (end is None or cycles[-1] < end), (
                f"data of request {number} must follow it and end before the next request")
            assert not steady or cycles[-1] - cycles[0] == count - 1, (
                f"request {number} must be made when all its data is there")
            for index, word in enumerate(self.data.values[first:first + count]):
                assert address + index not in found, f"word {address + index} is written twice"
                found[address + index] = word
            first += count
        assert first == len(self.data.values), "all data must belong to a request"
        return found


def _sink(bench: Bench, name: str, shape: Any, pause: float) -> StreamSink:
    return StreamSink(bench.dut, name, shape,
                      pauses(random.Random(bench.rng.getrandbits(64)), pause, 3.0))
