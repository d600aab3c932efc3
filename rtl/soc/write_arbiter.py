# SPDX-License-Identifier: Apache-2.0
"""Write arbiter: many writers, one memory, and bursts that nothing can break."""

from typing import Any

from amaranth import Cat, Module, Mux, ResetInserter, Signal
from amaranth.lib import data, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out, connect, flipped

from ..config import AcceleratorConfig
from ..round_robin import RoundRobin
from .burst_splitter import BurstSplitter
from .memory_backend import WriteBackend, burst_layout, write_word_layout
from .memory_port import ADDRESS_BITS, WriteClient

__all__ = ["WRITES_IN_FLIGHT", "WriteArbiter"]

WRITES_IN_FLIGHT = 8  # bursts given to the memory and not yet acknowledged


class WriteArbiter(wiring.Component):
    """Share a memory among writers, burst by burst, round robin.

    The words of a burst are copied first; only when all are here the memory sees the burst. So
    a writer may be reset at any time: a burst that it left behind is dropped by ``clear``. A
    request out of range is not carried out, and its writer waits until ``clear``.

    Latency: ``words + 3`` cycles from a request to its burst.
    Throughput: 1 word per cycle; a burst of one word every 2 cycles.
    Back-pressure: a memory that does not take words stops all writers.
    Reset: synchronous; forgets all requests, bursts, data and errors.

    Parameters
    ----------
    config : AcceleratorConfig
    clients : int
        How many writers.

    Members
    -------
    clients : In(WriteClient(config)).array(count)
        The writers.
    backend : Out(WriteBackend(config))
        The memory.
    start : In(32)
        First word that may be written.
    limit : In(32)
        First word behind those.
    stop : In(1)
        No new burst is started, no request and no data taken.
    clear : In(1)
        Like a reset; only with ``stop`` and ``idle``.
    idle : Out(1)
        All bursts are acknowledged, and none will come: nothing is requested, or ``stop`` is
        set.
    error_range : Out(1)
        A request was of no words or out of range. Stays set.
    error_response : Out(1)
        The memory could not write a burst. Stays set.
    written : Out(1)
        A word goes to the memory in this cycle.
    """

    clients: Any
    backend: Any
    start: Signal
    limit: Signal
    stop: Signal
    clear: Signal
    idle: Signal
    error_range: Signal
    error_response: Signal
    written: Signal

    def __init__(self, config: AcceleratorConfig, clients: int):
        self.config = config
        self.count = clients
        super().__init__({
            "clients": In(WriteClient(config)).array(clients),
            "backend": Out(WriteBackend(config)),
            "start": In(ADDRESS_BITS), "limit": In(ADDRESS_BITS), "stop": In(1), "clear": In(1),
            "idle": Out(1), "error_range": Out(1), "error_response": Out(1), "written": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        splitters = [BurstSplitter(self.config) for _ in range(self.count)]
        for k, (splitter, client) in enumerate(zip(splitters, self.clients, strict=True)):
            m.submodules[f"splitter_{k}"] = splitter
            connect(m, flipped(client.request), splitter.i)
            m.d.comb += [splitter.start.eq(self.start), splitter.limit.eq(self.limit),
                         splitter.stop.eq(self.stop)]
        owner = Signal(self.count)  # whose burst is copied: a bit, or none
        burst = Signal(burst_layout(self.config))
        copied = Signal()           # its last word is copied now
        in_flight = Signal(range(WRITES_IN_FLIGHT + 1))
        self._grant(m, splitters, owner, burst, copied)
        self._copy(m, owner, burst, copied, in_flight)
        requested = Cat(owner, *(client.request.valid | splitter.busy for client, splitter
                                 in zip(self.clients, splitters, strict=True)))
        m.d.comb += [
            self.idle.eq((in_flight == 0) & (self.stop | (requested == 0))),
            self.error_range.eq(Cat(splitter.refused for splitter in splitters) != 0),
        ]
        return ResetInserter(self.clear)(m)

    def _grant(self, m: Module, splitters: list[BurstSplitter], owner: Signal,
               burst: data.View, copied: Signal) -> None:
        """Choose whose burst is copied next, in the cycle in which the one before ends."""
        m.submodules.round_robin = round_robin = RoundRobin(self.count)
        free = Signal()
        m.d.comb += [
            free.eq((owner == 0) | copied),
            round_robin.requests.eq(Cat(splitter.o.valid for splitter in splitters)),
            round_robin.take.eq(free & (round_robin.requests != 0)),
        ]
        with m.If(free):
            m.d.sync += owner.eq(round_robin.chosen)
        for k, splitter in enumerate(splitters):
            m.d.comb += splitter.o.ready.eq(free & round_robin.chosen[k])
            with m.If(splitter.o.valid & splitter.o.ready):
                m.d.sync += burst.eq(splitter.o.p)

    def _copy(self, m: Module, owner: Signal, burst: data.View, copied: Signal,
              in_flight: Signal) -> None:
        """Copy the owner's words; offer the burst to the memory when they are complete."""
        m.submodules.words = words = SyncFIFOBuffered(  # one more: a power of two inside
            width=write_word_layout(self.config).size, depth=2 * self.config.burst_words + 1)
        word = Signal(write_word_layout(self.config))
        done = Signal.like(burst.words)  # words copied
        may_copy, copies = Signal(), Signal()
        offered = self.backend.burst
        m.d.comb += [
            word.last.eq(done + 1 == burst.words),
            may_copy.eq(~self.stop & words.w_rdy & ~(word.last & (
                offered.valid | (in_flight == WRITES_IN_FLIGHT)))),
            copied.eq(copies & word.last),
            words.w_data.eq(word), words.w_en.eq(copies),
        ]
        for k, client in enumerate(self.clients):
            m.d.comb += client.data.ready.eq(may_copy & owner[k])
            with m.If(owner[k]):
                m.d.comb += [word.data.eq(client.data.payload),
                             copies.eq(may_copy & client.data.valid)]
        with m.If(copies):
            m.d.sync += done.eq(Mux(word.last, 0, done + 1))
        with m.If(offered.ready):
            m.d.sync += offered.valid.eq(0)
        with m.If(copied):
            m.d.sync += [offered.valid.eq(1), offered.p.eq(burst)]
        self._send(m, words, copied, in_flight)

    def _send(self, m: Module, words: SyncFIFOBuffered, copied: Signal,
              in_flight: Signal) -> None:
        """Give the memory the words of complete bursts; count what it acknowledges."""
        sent = self.backend.data
        acknowledgement = self.backend.acknowledgement
        complete = Signal.like(in_flight)  # bursts copied, not yet sent to the end
        m.d.comb += [
            sent.valid.eq(words.r_rdy & (complete != 0)),
            sent.p.eq(words.r_data),
            words.r_en.eq(sent.ready & (complete != 0)),
            self.written.eq(sent.valid & sent.ready),
            acknowledgement.ready.eq(1),
        ]
        m.d.sync += [
            complete.eq(complete + copied - (self.written & sent.p.last)),
            in_flight.eq(in_flight + copied - acknowledgement.valid),
        ]
        with m.If(acknowledgement.valid & acknowledgement.p.error):
            m.d.sync += self.error_response.eq(1)
