# SPDX-License-Identifier: Apache-2.0
"""Addresses of the values that an instruction reads."""

from amaranth import Module, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..config import VitCoreConfig
from .instructions import COUNT_BITS, Opcode, instruction_layout

__all__ = ["AddressWalker", "pair_layout"]


def pair_layout() -> data.StructLayout:
    """Return two addresses.

    Members
    -------
    a : unsigned(16)
        Of the value.
    b : unsigned(16)
        Of the other value.
    first : unsigned(1)
        First ones of their row and column.
    last : unsigned(1)
        Last ones of their row and column.
    end : unsigned(1)
        Last column of its row.
    """
    return data.StructLayout({"a": unsigned(16), "b": unsigned(16), "first": unsigned(1),
                              "last": unsigned(1), "end": unsigned(1)})


class AddressWalker(wiring.Component):
    """Walk over all rows, columns and values of an instruction.

    Latency: 1 cycle from ``start``. Throughput: 1 pair of addresses per cycle.
    Back-pressure: a pair that waits stays.
    Reset: synchronous; drops the instruction at work.

    Parameters
    ----------
    config : VitCoreConfig

    Members
    -------
    start : In(1)
        Begin.
    instruction : In(instruction_layout(config))
        What is walked over; static.
    o : Out(stream.Signature(pair_layout()))
        Addresses, values of a column first, then its columns, then its rows.
    """

    start: Signal
    instruction: data.View
    o: stream.Interface

    def __init__(self, config: VitCoreConfig):
        self.config = config
        super().__init__({
            "start": In(1),
            "instruction": In(instruction_layout(config)),
            "o": Out(stream.Signature(pair_layout())),
        })

    def elaborate(self, platform):
        m = Module()
        now = self.instruction
        row, column, place = (Signal(COUNT_BITS, name=name)
                              for name in ("row", "column", "place"))
        row_start, column_start = Signal(16), Signal(16)  # addresses of their first values
        m.d.comb += [
            self.o.p.first.eq(place == 0),
            self.o.p.last.eq(place == now.length - 1),
            self.o.p.end.eq((now.op != Opcode.MULTIPLY) | (column == now.columns - 1)),
        ]
        with m.If(self.start):
            m.d.sync += [
                self.o.valid.eq(1), row.eq(0), column.eq(0), place.eq(0),
                self.o.p.a.eq(now.a), row_start.eq(now.a),
                self.o.p.b.eq(now.b), column_start.eq(now.b),
            ]
        with m.Elif(self.o.valid & self.o.ready):
            m.d.sync += [place.eq(place + 1), self.o.p.a.eq(self.o.p.a + now.a_step),
                         self.o.p.b.eq(self.o.p.b + now.b_step)]
            with m.If(self.o.p.last):
                m.d.sync += [
                    place.eq(0), column.eq(column + 1), self.o.p.a.eq(row_start),
                    self.o.p.b.eq(column_start + now.b_column),
                    column_start.eq(column_start + now.b_column),
                ]
                with m.If(self.o.p.end):
                    m.d.sync += [
                        column.eq(0), row.eq(row + 1), row_start.eq(row_start + now.a_row),
                        self.o.p.a.eq(row_start + now.a_row),
                        self.o.p.b.eq(now.b), column_start.eq(now.b),
                    ]
                    with m.If(row == now.rows - 1):
                        m.d.sync += self.o.valid.eq(0)
        return m
