# SPDX-License-Identifier: Apache-2.0
"""Plane adder: the results of lanes as they are, or as the bit planes of one integer."""

from amaranth import Const, Module, Mux, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from ..config import CrossbarConfig
from ..ftp.layouts import index_range
from .layouts import psum_layout, reading_layout

__all__ = ["PlaneAdder", "total_layout"]


def total_layout(config: CrossbarConfig) -> data.StructLayout:
    """Return the sum of the results of all macros for one output and one lane.

    Members
    -------
    value : signed(psum_bits)
        In units of ``2**-result_fraction_bits`` of a weight.
    output : index_range(outputs)
        Output that it belongs to.
    """
    return data.StructLayout({
        "value": signed(config.psum_bits),
        "output": index_range(config.outputs),
    })


class PlaneAdder(wiring.Component):
    """Pass the totals of each lane on, or with bit planes double and add, highest plane first.

    Latency: 1 cycle. Throughput: 1 total per cycle.
    Back-pressure: a psum that waits on ``o`` stops ``i`` in the same cycle.
    Reset: synchronous; begins with the first lane of a vector.

    Parameters
    ----------
    config : CrossbarConfig
    planes : bool
        Whether lanes may be bit planes; else ``reading.planes`` must be 0.

    Members
    -------
    reading : In(reading_layout(config))
        Static from the first to the last total of a vector.
    i : In(stream.Signature(total_layout(config)))
        Totals of all outputs, for one lane after the other.
    o : Out(stream.Signature(psum_layout(config)))
        Psums.
    busy : Out(1)
        High from the first to the last total of a vector.
    """

    reading: data.View
    i: stream.Interface
    o: stream.Interface
    busy: Signal

    def __init__(self, config: CrossbarConfig, planes: bool = True):
        self.config, self.planes = config, planes
        super().__init__({
            "reading": In(reading_layout(config)),
            "i": In(stream.Signature(total_layout(config))),
            "o": Out(stream.Signature(psum_layout(config))),
            "busy": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        held, lane = Signal.like(self.i.payload), Signal.like(self.reading.last_lane)
        valid, first, last, advance, column_end = (
            Signal(name=name) for name in ("valid", "first", "last", "advance", "column_end"))
        psum = Signal(signed(self.config.psum_bits))
        spread = self.reading.planes if self.planes else Const(0)
        m.d.comb += [
            advance.eq(~self.o.valid | self.o.ready), self.i.ready.eq(advance),
            first.eq(lane == 0), last.eq(lane == self.reading.last_lane),
            column_end.eq(held.output == self.config.outputs - 1),
            self.o.valid.eq(valid & (last | ~spread)),
            self.o.p.psum.eq(psum), self.o.p.output.eq(held.output),
            self.o.p.lane.eq(Mux(spread, 0, lane)), self.o.p.last.eq(last & column_end),
            self.busy.eq(valid | (lane != 0)),
        ]
        if self.planes:
            self._add(m, held, first, valid & advance, advance, psum)
        else:
            m.d.comb += psum.eq(held.value)
        with m.If(advance):
            m.d.sync += valid.eq(self.i.valid)
            with m.If(self.i.valid):
                m.d.sync += held.eq(self.i.payload)
            with m.If(valid & column_end):
                m.d.sync += lane.eq(Mux(last, 0, lane + 1))
        return m

    def _add(self, m: Module, held, first, store, advance, psum) -> None:
        """Add the planes so far, which wait in memory."""
        bits = self.config.psum_bits
        m.submodules.partial = partial = Memory(
            shape=signed(bits - 1),  # one more plane is to come: half of what a psum may be
            depth=max(self.config.outputs, 2), init=[])
        write = partial.write_port()
        read = partial.read_port(transparent_for=[write])
        term, spread = Signal(signed(bits)), self.reading.planes
        m.d.comb += [
            read.addr.eq(self.i.p.output), read.en.eq(advance),
            term.eq(Mux(spread & self.reading.signed_input & first, -held.value, held.value)),
            psum.eq(Mux(spread & ~first, (read.data << 1) + term, term)),
            write.addr.eq(held.output), write.data.eq(psum), write.en.eq(store),
        ]
