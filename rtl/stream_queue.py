# SPDX-License-Identifier: Apache-2.0
"""Stream queue: payloads that wait, in order."""

from typing import Any

from amaranth import Module, Shape, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out

__all__ = ["StreamQueue"]


class StreamQueue(wiring.Component):
    """Hold payloads between two streams.

    Latency: 2 cycles at most. Throughput: 1 payload per cycle, with a depth of 1 in 2 cycles.
    Back-pressure: with ``depth`` payloads held ``i`` stops.
    Reset: synchronous; drops all payloads.

    Parameters
    ----------
    shape : ShapeLike
        Of the payload.
    depth : int
        At least 3, so that the queue keeps its pace; or 1, a register.

    Members
    -------
    i : In(stream.Signature(shape))
        Payloads to hold.
    o : Out(stream.Signature(shape))
        The same, oldest first.
    busy : Out(1)
        High while a payload is held.
    """

    i: stream.Interface
    o: stream.Interface
    busy: Signal

    def __init__(self, shape, depth: int):
        if depth < 3 and depth != 1:
            raise ValueError(f"depth must be 1 or at least 3, not {depth}")
        self.shape, self.depth = shape, depth
        super().__init__({
            "i": In(stream.Signature(shape)),
            "o": Out(stream.Signature(shape)),
            "busy": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        if self.depth == 1:
            m.d.comb += [self.i.ready.eq(~self.o.valid), self.busy.eq(self.o.valid)]
            with m.If(self.o.ready):
                m.d.sync += self.o.valid.eq(0)
            with m.If(self.i.valid & self.i.ready):
                m.d.sync += [self.o.valid.eq(1), self.o.payload.eq(self.i.payload)]
            return m
        fifo: Any = SyncFIFOBuffered(
            width=Shape.cast(self.shape).width, depth=self.depth)
        m.submodules.fifo = fifo
        m.d.comb += [
            fifo.w_data.eq(self.i.payload), fifo.w_en.eq(self.i.valid),
            self.i.ready.eq(fifo.w_rdy),
            self.o.payload.eq(fifo.r_data), self.o.valid.eq(fifo.r_rdy),
            fifo.r_en.eq(self.o.ready),
            self.busy.eq(fifo.level != 0),
        ]
        return m
