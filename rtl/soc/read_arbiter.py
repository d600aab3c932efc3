# SPDX-License-Identifier: Apache-2.0
"""Read arbiter: many readers, one memory, nobody blocked by another's waiting data."""

from typing import Any

from amaranth import Cat, Module, ResetInserter, Signal
from amaranth.lib import wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out, connect, flipped

from ..config import AcceleratorConfig
from ..ftp.layouts import index_range
from ..round_robin import RoundRobin
from .memory_backend import ReadBackend
from .memory_port import ADDRESS_BITS, ReadClient
from .read_lane import ReadLane

__all__ = ["READS_IN_FLIGHT", "ReadArbiter"]

READS_IN_FLIGHT = 16  # bursts asked of the memory and not yet answered


class ReadArbiter(wiring.Component):
    """Share a memory among readers, burst by burst, round robin.

    A burst is asked for only when its reader has room for all of it (see `ReadLane`), so that
    the memory's answers never wait. A request out of range is not carried out, and its reader
    waits until ``clear``; the others go on.

    Latency: 3 cycles from a request to its first burst, 2 cycles from a response to the client.
    Throughput: 1 word per cycle, also for one reader alone if the memory answers within
    ``response_depth - burst_words`` cycles less those above.
    Back-pressure: a reader that lets its data wait stops its own bursts only.
    Reset: synchronous; forgets all requests, bursts, data and errors.

    Parameters
    ----------
    config : AcceleratorConfig
    clients : int
        How many readers.

    Members
    -------
    clients : In(ReadClient(config)).array(count)
        The readers.
    backend : Out(ReadBackend(config))
        The memory.
    limit : In(32)
        First word behind those that may be read.
    stop : In(1)
        No new burst is asked for and no new request taken.
    clear : In(1)
        Like a reset; only with ``stop`` and ``idle``.
    idle : Out(1)
        No burst is in flight, and none will come: nothing is requested, or ``stop`` is set.
    error_range : Out(1)
        A request was of no words or out of range. Stays set.
    error_response : Out(1)
        The memory could not read a word. Stays set.
    taken : Out(count)
        A word goes to its reader in this cycle, a bit for each reader.
    """

    clients: Any
    backend: Any
    limit: Signal
    stop: Signal
    clear: Signal
    idle: Signal
    error_range: Signal
    error_response: Signal
    taken: Signal

    def __init__(self, config: AcceleratorConfig, clients: int):
        self.config = config
        self.count = clients
        super().__init__({
            "clients": In(ReadClient(config)).array(clients),
            "backend": Out(ReadBackend(config)),
            "limit": In(ADDRESS_BITS), "stop": In(1), "clear": In(1),
            "idle": Out(1), "error_range": Out(1), "error_response": Out(1),
            "taken": Out(clients),
        })

    def elaborate(self, platform):
        m = Module()
        lanes = [ReadLane(self.config) for _ in range(self.count)]
        for k, (lane, client) in enumerate(zip(lanes, self.clients, strict=True)):
            m.submodules[f"lane_{k}"] = lane
            connect(m, flipped(client), lane.client)
            m.d.comb += [lane.limit.eq(self.limit), lane.stop.eq(self.stop),
                         self.taken[k].eq(client.data.valid & client.data.ready)]
        m.submodules.owners = owners = SyncFIFOBuffered(
            width=len(Signal(index_range(self.count))), depth=READS_IN_FLIGHT)
        self._ask(m, lanes, owners)
        self._answer(m, lanes, owners)
        requested = Cat(client.request.valid | lane.busy
                        for client, lane in zip(self.clients, lanes, strict=True))
        m.d.comb += [
            self.idle.eq((owners.r_level == 0) & (self.stop | (requested == 0))),
            self.error_range.eq(Cat(lane.refused for lane in lanes) != 0),
        ]
        return ResetInserter(self.clear)(m)

    def _ask(self, m: Module, lanes: list[ReadLane], owners: SyncFIFOBuffered) -> None:
        """Grant the memory's next burst to a lane; remember to which one."""
        m.submodules.round_robin = round_robin = RoundRobin(self.count)
        burst = self.backend.burst
        free = Signal()
        m.d.comb += [
            free.eq((~burst.valid | burst.ready) & owners.w_rdy & ~self.stop),
            round_robin.requests.eq(Cat(lane.burst.valid for lane in lanes)),
            round_robin.take.eq(free & (round_robin.requests != 0)),
            owners.w_en.eq(round_robin.take),
        ]
        with m.If(burst.ready):
            m.d.sync += burst.valid.eq(0)
        with m.If(round_robin.take):
            m.d.sync += burst.valid.eq(1)
        for k, lane in enumerate(lanes):
            m.d.comb += lane.burst.ready.eq(free & round_robin.chosen[k])
            with m.If(lane.burst.valid & lane.burst.ready):
                m.d.comb += owners.w_data.eq(k)
                m.d.sync += burst.p.eq(lane.burst.p)

    def _answer(self, m: Module, lanes: list[ReadLane], owners: SyncFIFOBuffered) -> None:
        """Give the memory's words to the lane that they belong to."""
        response = self.backend.response
        m.d.comb += [
            response.ready.eq(owners.r_rdy),
            owners.r_en.eq(response.valid & response.p.last),
        ]
        for k, lane in enumerate(lanes):
            m.d.comb += [
                lane.response.payload.eq(response.p.data),
                lane.response.valid.eq(response.valid & owners.r_rdy & (owners.r_data == k)),
            ]
        with m.If(response.valid & response.ready & response.p.error):
            m.d.sync += self.error_response.eq(1)
