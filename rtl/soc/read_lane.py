# SPDX-License-Identifier: Apache-2.0
"""Read lane: what the read arbiter holds for one client."""

from typing import Any

from amaranth import Module, Mux, Signal, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out, connect, flipped

from ..config import AcceleratorConfig
from .burst_splitter import BurstSplitter
from .memory_backend import burst_layout
from .memory_port import ADDRESS_BITS, ReadClient

__all__ = ["ReadLane", "response_depth"]

_LEAST_DEPTH = 16  # words: short bursts too keep the full rate over the way there and back


def response_depth(config: AcceleratorConfig) -> int:
    """Return the words that a lane may have asked for and not yet given to its client."""
    return max(2 * config.burst_words, _LEAST_DEPTH)


class ReadLane(wiring.Component):
    """Offer a client's bursts, each only when there is room for all of it; hold the data.

    Latency: 2 cycles from a request to its first burst, 2 cycles from a response to the client.
    Throughput: 1 burst and 1 word per cycle.
    Back-pressure: data that waits stops the bursts, never ``response``.
    Reset: synchronous; drops all requests and data.

    Parameters
    ----------
    config : AcceleratorConfig

    Members
    -------
    client : In(ReadClient(config))
        The client.
    burst : Out(stream.Signature(burst_layout(config)))
        Bursts to read.
    response : In(stream.Signature(unsigned(config.memory_bits), always_ready=True))
        Their words.
    limit : In(32)
        First word behind those that may be read.
    stop : In(1)
        No further request is taken.
    busy : Out(1)
        A request is held.
    refused : Out(1)
        A request was of no words or out of range.
    """

    client: Any
    burst: stream.Interface
    response: stream.Interface
    limit: Signal
    stop: Signal
    busy: Signal
    refused: Signal

    def __init__(self, config: AcceleratorConfig):
        self.config = config
        super().__init__({
            "client": In(ReadClient(config)),
            "burst": Out(stream.Signature(burst_layout(config))),
            "response": In(stream.Signature(unsigned(config.memory_bits), always_ready=True)),
            "limit": In(ADDRESS_BITS), "stop": In(1), "busy": Out(1), "refused": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.splitter = splitter = BurstSplitter(self.config)
        connect(m, flipped(self.client.request), splitter.i)
        m.d.comb += [
            splitter.limit.eq(self.limit), splitter.stop.eq(self.stop),
            self.busy.eq(splitter.busy), self.refused.eq(splitter.refused),
        ]

        depth = response_depth(self.config)
        m.submodules.words = words = SyncFIFOBuffered(  # one more: a power of two inside
            width=self.config.memory_bits, depth=depth + 1)
        m.d.comb += [
            words.w_data.eq(self.response.payload), words.w_en.eq(self.response.valid),
            self.client.data.payload.eq(words.r_data), self.client.data.valid.eq(words.r_rdy),
            words.r_en.eq(self.client.data.ready),
        ]

        room = Signal(range(depth + 1), init=depth)  # words that may still be asked for
        fits, granted, given = Signal(), Signal(), Signal()
        m.d.comb += [
            fits.eq(room >= splitter.o.p.words),
            self.burst.p.eq(splitter.o.p),
            self.burst.valid.eq(splitter.o.valid & fits),
            splitter.o.ready.eq(self.burst.ready & fits),
            granted.eq(self.burst.valid & self.burst.ready),
            given.eq(self.client.data.valid & self.client.data.ready),
        ]
        m.d.sync += room.eq(room - Mux(granted, self.burst.p.words, 0) + given)
        return m
