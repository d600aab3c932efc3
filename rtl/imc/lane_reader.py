# SPDX-License-Identifier: Apache-2.0
"""Lane reader: lane words of a row vector in, the wordline pulses of its lanes out."""

from amaranth import Cat, Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from ..config import CrossbarConfig
from .layouts import lane_beat_layout, reading_layout

__all__ = ["LaneReader"]


class LaneReader(wiring.Component):
    """Hold a row vector and turn it round: from words of all lanes to all positions of a lane.

    Timesteps come lowest first, bit planes highest first. Positions behind the end of a vector
    are silent; beats behind the K-th position are dropped.

    Latency: 2 cycles more than the vector has beats, from the last of them to the first pulse.
    Throughput: 1 beat per cycle; 1 lane in 2 cycles more than there are beats. Loading and
    reading take turns.
    Back-pressure: a pulse that waits on ``o`` stops the next lane; ``i`` waits for the last one.
    Reset: synchronous; drops the vector and clears the error.

    Parameters
    ----------
    config : CrossbarConfig

    Members
    -------
    reading : In(reading_layout(config))
        Static while a vector is held.
    i : In(stream.Signature(lane_beat_layout(config)))
        Row vectors.
    o : Out(stream.Signature(unsigned(inputs)))
        Active positions of one lane.
    busy : Out(1)
        High while a part of a vector is held.
    overflow : Out(1)
        Set for good when a vector is too long.
    """

    reading: data.View
    i: stream.Interface
    o: stream.Interface
    busy: Signal
    overflow: Signal

    def __init__(self, config: CrossbarConfig):
        self.config = config
        super().__init__({
            "reading": In(reading_layout(config)),
            "i": In(stream.Signature(lane_beat_layout(config))),
            "o": Out(stream.Signature(unsigned(config.inputs))),
            "busy": Out(1),
            "overflow": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        beats = self.config.inputs // self.config.beat_values
        words = self.i.p.words.shape()
        m.submodules.words = memory = Memory(shape=words, depth=max(beats, 2), init=[])
        read, write = memory.read_port(), memory.write_port()
        count, length = Signal(range(beats + 1)), Signal(range(beats + 1))
        place = Signal.like(count)  # of the beat that arrives
        lane, first, last = (Signal.like(self.reading.last_lane, name=name)
                             for name in ("lane", "first_lane", "end_lane"))
        reading, arriving = Signal(), Signal()
        m.d.comb += [
            write.addr.eq(count), write.data.eq(self.i.p.words), read.addr.eq(count),
            first.eq(Mux(self.reading.planes, self.reading.last_lane, 0)),
            last.eq(Mux(self.reading.planes, 0, self.reading.last_lane)),
            self.busy.eq((count != 0) | reading),
        ]
        with m.FSM():
            with m.State("load"):
                m.d.comb += [self.i.ready.eq(1), write.en.eq(self.i.valid & (count != beats))]
                with m.If(self.i.valid):
                    with m.If(count != beats):
                        m.d.sync += count.eq(count + 1)
                    with m.Else():
                        m.d.sync += self.overflow.eq(1)
                    with m.If(self.i.p.last):
                        m.d.sync += [length.eq(count + (count != beats)), count.eq(0),
                                     lane.eq(first), self.o.payload.eq(0)]
                        m.next = "fetch"
            with m.State("fetch"):
                m.d.comb += reading.eq(1)
                m.d.sync += [arriving.eq(count != length), place.eq(count)]
                with m.If(count != length):
                    m.d.sync += count.eq(count + 1)
                with m.Else():
                    m.d.sync += count.eq(0)
                    m.next = "pulse"
            with m.State("pulse"):
                m.d.comb += [reading.eq(1), self.o.valid.eq(1)]
                with m.If(self.o.ready):
                    m.d.sync += lane.eq(Mux(self.reading.planes, lane - 1, lane + 1))
                    m.next = "fetch"
                    with m.If(lane == last):
                        m.next = "load"
        lanes = Cat(word.bit_select(lane, 1) for word in read.data)
        size = self.config.beat_values
        for beat in range(beats):
            with m.If(arriving & (place == beat)):
                m.d.sync += self.o.payload[beat * size:(beat + 1) * size].eq(lanes)
        return m
