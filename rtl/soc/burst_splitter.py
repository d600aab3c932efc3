# SPDX-License-Identifier: Apache-2.0
"""Burst splitter: requests of any length to bursts, none outside the range allowed."""

from amaranth import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..config import AcceleratorConfig
from .memory_backend import burst_layout
from .memory_port import ADDRESS_BITS, request_layout

__all__ = ["BurstSplitter"]


class BurstSplitter(wiring.Component):
    """Split requests at the multiples of ``burst_words`` words; refuse what is out of range.

    A burst is 2 KiB at most and a power of two, so it never crosses a 4 KiB boundary either. A
    refused request stops the splitter until it is reset: what its client would send or expect
    next belongs to that request.

    Latency: 2 cycles from a request to its first burst.
    Throughput: 1 burst per cycle.
    Back-pressure: a burst that waits on ``o`` stops ``i`` once another request waits behind it.
    Reset: synchronous; drops all requests.

    Parameters
    ----------
    config : AcceleratorConfig

    Members
    -------
    i : In(stream.Signature(request_layout()))
        Requests.
    o : Out(stream.Signature(burst_layout(config)))
        Their bursts.
    start : In(32)
        First word that may be asked for.
    limit : In(32)
        First word behind those.
    stop : In(1)
        No further request is taken.
    busy : Out(1)
        A request is held.
    refused : Out(1)
        A request was of no words or out of range.
    """

    i: stream.Interface
    o: stream.Interface
    start: Signal
    limit: Signal
    stop: Signal
    busy: Signal
    refused: Signal

    def __init__(self, config: AcceleratorConfig):
        self.config = config
        super().__init__({
            "i": In(stream.Signature(request_layout())),
            "o": Out(stream.Signature(burst_layout(config))),
            "start": In(ADDRESS_BITS), "limit": In(ADDRESS_BITS), "stop": In(1),
            "busy": Out(1), "refused": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        address_bits = self.config.bounds.address_bits
        request = Signal(request_layout())       # to be checked
        end = Signal(address_bits + 1)           # behind its last word; one bit more: no overflow
        waiting, bad, advance = Signal(), Signal(), Signal()
        m.d.comb += [
            bad.eq((request.words == 0) | (end > self.limit)
                   | (request.address - self.start < 0)),  # one bit more here too
            self.i.ready.eq(~self.stop & (~waiting | advance)),
            self.busy.eq(waiting | self.o.valid),
        ]
        with m.If(waiting & bad):
            m.d.sync += self.refused.eq(1)
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [waiting.eq(1), request.eq(self.i.p),
                         end.eq(self.i.p.address + self.i.p.words)]
        with m.Elif(advance):
            m.d.sync += waiting.eq(0)

        burst_words = self.config.burst_words
        address, remaining = Signal(address_bits), Signal(address_bits)
        block_bits = burst_words.bit_length() - 1
        room, final = Signal(range(burst_words + 1)), Signal()
        m.d.comb += [
            room.eq(burst_words - address[:block_bits]),
            final.eq(remaining <= room),
            self.o.p.address.eq(address),
            self.o.p.words.eq(Mux(final, remaining, room)),
            advance.eq(waiting & ~bad & ~self.refused
                       & (~self.o.valid | (self.o.ready & final))),
        ]
        with m.If(advance):
            m.d.sync += [self.o.valid.eq(1), address.eq(request.address),
                         remaining.eq(request.words)]
        with m.Elif(self.o.valid & self.o.ready):
            m.d.sync += [self.o.valid.eq(~final), remaining.eq(remaining - room),
                         address.eq(((address >> block_bits) + 1) << block_bits)]
        return m
