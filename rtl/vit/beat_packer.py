# SPDX-License-Identifier: Apache-2.0
"""Values of a row, one by one, to the beats of a crossbar engine."""

from amaranth import Module, Signal, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..config import CrossbarConfig
from ..ftp.layouts import index_range
from ..imc.layouts import lane_beat_layout

__all__ = ["BeatPacker", "packed_layout"]


def packed_layout() -> data.StructLayout:
    """Return one value of a row.

    Members
    -------
    value : signed(8)
        The value.
    last : unsigned(1)
        Last one of its row.
    """
    return data.StructLayout({"value": signed(8), "last": unsigned(1)})


class BeatPacker(wiring.Component):
    """Put silent beats before each row, and its values behind one another into others.

    Latency: ``skip + V + 1`` cycles from the first value to its beat.
    Throughput: 1 value per cycle, with a cycle for each beat besides.
    Back-pressure: a beat that waits on ``o`` stops ``i``.
    Reset: synchronous; drops the row at work.

    Parameters
    ----------
    config : CrossbarConfig

    Members
    -------
    skip : In(unsigned(13))
        Silent beats, static while rows are at work.
    i : In(stream.Signature(packed_layout()))
        Values.
    o : Out(stream.Signature(lane_beat_layout(config)))
        Beats.
    """

    skip: Signal
    i: stream.Interface
    o: stream.Interface

    def __init__(self, config: CrossbarConfig):
        self.config = config
        super().__init__({
            "skip": In(unsigned(13)),
            "i": In(stream.Signature(packed_layout())),
            "o": Out(stream.Signature(lane_beat_layout(config))),
        })

    def elaborate(self, platform):
        m = Module()
        size = self.config.beat_values
        place, left = Signal(index_range(size)), Signal(13)
        with m.FSM():
            with m.State("start"):
                m.d.sync += [self.o.p.eq(0), place.eq(0), left.eq(self.skip)]
                with m.If(self.i.valid):
                    m.next = "skip"
            with m.State("skip"):
                m.d.comb += self.o.valid.eq(left != 0)
                with m.If(left == 0):
                    m.next = "pack"
                with m.Elif(self.o.ready):
                    m.d.sync += left.eq(left - 1)
            with m.State("pack"):
                m.d.comb += self.i.ready.eq(1)
                with m.If(self.i.valid):
                    m.d.sync += [self.o.p.words[place].eq(self.i.p.value), place.eq(place + 1),
                                 self.o.p.last.eq(self.i.p.last)]
                    with m.If(self.i.p.last | (place == size - 1)):
                        m.next = "give"
            with m.State("give"):
                m.d.comb += self.o.valid.eq(1)
                with m.If(self.o.ready):
                    m.d.sync += [self.o.p.eq(0), place.eq(0)]
                    m.next = "pack"
                    with m.If(self.o.p.last):
                        m.next = "start"
        return m
