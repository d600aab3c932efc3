# SPDX-License-Identifier: Apache-2.0
"""Streams and memory clients of small units in Amaranth's simulator, with random pauses."""

import random
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from amaranth import ResetInserter, Signal, Value
from amaranth.lib import wiring
from amaranth.sim import Simulator

from .payload import pack, unpack
from .written_words import written_words

__all__ = ["ReadPort", "Sink", "Source", "StreamSimulation", "WritePort"]


class Source:
    """Offers values on an input stream.

    Attributes
    ----------
    cycles : list[int]
        Number of the clock cycle of each transfer.
    """

    def __init__(self, stream: Any):
        self.cycles: list[int] = []
        self._stream = stream
        self._queue: deque[int] = deque()
        self._offered = False

    @property
    def idle(self) -> bool:
        """Whether all values are taken."""
        return not self._queue

    def put(self, values: Iterable[Any]) -> None:
        """Queue ``values``."""
        shape = self._stream.signature.members["payload"].shape
        self._queue.extend(pack(shape, value) for value in values)

    def drop(self) -> None:
        """Forget the values that are not taken."""
        self._queue.clear()
        self._offered = False

    def offer(self, ctx: Any, pause: bool) -> None:
        """Set the ports for the coming clock edge."""
        if self._queue and not self._offered and not pause:
            ctx.set(Value.cast(self._stream.payload), self._queue[0])
            self._offered = True
        ctx.set(self._stream.valid, self._offered)

    def note(self, now: int, ready: int) -> None:
        """Note what happened at the clock edge."""
        if self._offered and ready:
            self._queue.popleft()
            self.cycles.append(now)
            self._offered = False


class Sink:
    """Takes the values of an output stream, and checks that one that waits is held.

    Attributes
    ----------
    cycles : list[int]
        Number of the clock cycle of each transfer.
    values : list
        What came.
    stopped : bool
        Set it to take nothing.
    """

    def __init__(self, stream: Any):
        self.cycles: list[int] = []
        self.values: list[Any] = []
        self.stopped = False
        self._shape = stream.signature.members["payload"].shape
        self._waiting: int | None = None

    def drop(self) -> None:
        """Expect nothing of a value that waits."""
        self._waiting = None

    def note(self, now: int, valid: int, ready: int, payload: int) -> None:
        """Note what happened at the clock edge."""
        held = valid and payload == self._waiting
        assert self._waiting is None or held, f"payload not held in cycle {now}"
        self._waiting = payload if valid and not ready else None
        if valid and ready:
            self.cycles.append(now)
            self.values.append(unpack(self._shape, payload))


class ReadPort:
    """The memory's side of a read client.

    Attributes
    ----------
    words : Mapping[int, int]
        What is where.
    requests : Sink
    data : Source
    """

    def __init__(self, requests: Sink, data: Source):
        self.words: Mapping[int, int] = {}
        self.requests, self.data = requests, data
        self._seen = 0

    def serve(self) -> None:
        """Queue the words of what was asked for."""
        for request in self.requests.values[self._seen:]:
            first = request["address"]
            self.data.put(self.words[first + index] for index in range(request["words"]))
        self._seen = len(self.requests.values)

    def drop(self) -> None:
        """Forget what was asked for."""
        self._seen = len(self.requests.values)
        self.data.drop()
        self.requests.drop()


class WritePort:
    """The memory's side of a write client.

    Attributes
    ----------
    requests, data : Sink
    """

    def __init__(self, requests: Sink, data: Sink):
        self.requests, self.data = requests, data

    def words(self, limit: int) -> dict[int, int]:
        """Return what was written, by address; no request may be longer than ``limit``."""
        return written_words(self.requests, self.data, limit)


class StreamSimulation:
    """A unit with its streams.

    Parameters
    ----------
    unit : wiring.Component
    seed : object
        Of the pauses.
    gaps : float
        Share of cycles in which an input stream pauses.
    stalls : float
        Share of cycles in which an output stream does.
    """

    def __init__(self, unit: wiring.Component, seed: object = 0, gaps: float = 0.0,
                 stalls: float = 0.0):
        self.unit, self.gaps, self.stalls = unit, gaps, stalls
        self.now = 0
        self._reset = Signal()
        self._rng = random.Random(str(seed))
        self._sources: list[tuple[Any, Source]] = []
        self._sinks: list[tuple[Any, Sink]] = []
        self._reads: list[ReadPort] = []

    def source(self, stream: Any) -> Source:
        """Return a driver of an input stream."""
        self._sources.append((stream, Source(stream)))
        return self._sources[-1][1]

    def sink(self, stream: Any) -> Sink:
        """Return a taker of an output stream."""
        self._sinks.append((stream, Sink(stream)))
        return self._sinks[-1][1]

    def read_port(self, client: Any) -> ReadPort:
        """Return the memory of a read client."""
        self._reads.append(ReadPort(self.sink(client.request), self.source(client.data)))
        return self._reads[-1]

    def write_port(self, client: Any) -> WritePort:
        """Return the memory of a write client."""
        return WritePort(self.sink(client.request), self.sink(client.data))

    async def edge(self, ctx: Any, count: int = 1) -> None:
        """Pass so many clock edges."""
        for _ in range(count):
            for port in self._reads:
                port.serve()
            for _, source in self._sources:
                source.offer(ctx, self._rng.random() < self.gaps)
            for stream, sink in self._sinks:
                ctx.set(stream.ready, self._rng.random() >= self.stalls and not sink.stopped)
            sampled = [stream.ready for stream, _ in self._sources]
            for stream, _ in self._sinks:
                sampled += [stream.valid, stream.ready, Value.cast(stream.payload)]
            _, _, *seen = await ctx.tick().sample(*sampled)
            for (_, source), ready in zip(self._sources, seen, strict=False):
                source.note(self.now, ready)
            rest = iter(seen[len(self._sources):])
            for (_, sink), *values in zip(self._sinks, rest, rest, rest, strict=True):
                sink.note(self.now, *values)
            self.now += 1

    async def reset(self, ctx: Any) -> None:
        """Reset the unit; memories, sources and sinks forget what is under way."""
        ctx.set(self._reset, 1)
        await self.edge(ctx)
        ctx.set(self._reset, 0)
        for _, partner in (*self._sources, *self._sinks):
            partner.drop()
        for port in self._reads:
            port.drop()

    async def until(self, ctx: Any, done: Callable[[], Any], limit: int = 5000) -> None:
        """Pass clock edges until ``done()``; at most ``limit``."""
        for _ in range(limit):
            if done():
                return
            await self.edge(ctx)
        raise TimeoutError(f"not done in {limit} cycles")

    def run(self, bench: Callable[[Any], Any]) -> None:
        """Run ``bench(ctx)`` from reset to its end."""
        simulator = Simulator(ResetInserter(self._reset)(self.unit))
        simulator.add_clock(1e-6)
        simulator.add_testbench(bench)
        simulator.run()
