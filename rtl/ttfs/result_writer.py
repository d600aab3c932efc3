# SPDX-License-Identifier: Apache-2.0
"""Result writer: what an image gave, as a frame on an AXI4-Stream."""

from amaranth import Cat, Const, Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..config import TTFSConfig
from ..ftp.layouts import index_range
from .frame_reader import TTFSError, axis_word_layout
from .neuron_array import neuron_read_layout

__all__ = ["RESULT_WORDS", "ResultWriter", "result_layout"]

RESULT_WORDS = 8  # before the spike times, if they are sent


def result_layout(config: TTFSConfig) -> data.StructLayout:
    """Return what goes in front of a result frame, in words of 32 bits.

    Members
    -------
    error : TTFSError
        Why the core has stopped; then this is all that is sent, and the rest is zero.
    undecided : unsigned(1)
        No class spiked; the class is 0.
    dump : unsigned(1)
        All spike times follow.
    early_exit : unsigned(1)
        The run ended with the first spike of a class.
    reserved : unsigned(5)
        Zero.
    predicted : unsigned(16)
        The class.
    decision : unsigned(32)
        Time of its spike; all ones of a time word if undecided.
    cycles : unsigned(32)
        From the last pixel to the decision, all included.
    first_cycles : unsigned(32)
        Of these, until the first layer was computed.
    steps : unsigned(32)
        Time steps that were begun.
    spikes : unsigned(32)
        Spikes that were looked at.
    events : unsigned(32)
        Groups of neurons that an event was added to.
    updates : unsigned(32)
        Groups of neurons that were updated.
    """
    names = ("decision", "cycles", "first_cycles", "steps", "spikes", "events", "updates")
    return data.StructLayout({
        "error": TTFSError, "undecided": 1, "dump": 1, "early_exit": 1, "reserved": 5,
        "predicted": 16, **{name: unsigned(32) for name in names}})


class ResultWriter(wiring.Component):
    """Send the result of an image, then, if asked to, the times of all groups in use.

    A group's times come as its lanes, ``config.dump_bits`` each, the lowest first, in whole words:
    first the groups of neurons, then the others. After an error a frame of one word comes.

    Latency: 1 cycle. Throughput: 1 word per cycle; 2 cycles more for each group.
    Back-pressure: a word waits on ``o`` until it is taken.
    Reset: synchronous; drops the frame at work.

    Parameters
    ----------
    config : TTFSConfig

    Members
    -------
    result : In(result_layout(config))
        What to send; held while ``busy``.
    start : In(1)
        Begin.
    neuron_groups : In(range(config.neuron_groups + 1))
        Groups of neurons to send.
    time_groups : In(range(config.time_groups + 1))
        Other groups to send.
    neuron_address : Out(index_range(config.neuron_groups))
        Group of neurons to read.
    neuron_times : In(neuron_read_layout(config))
        Its times, one cycle later.
    time_address : Out(index_range(config.time_groups))
        Other group to read.
    times : In(neuron_read_layout(config))
        Its times, one cycle later.
    o : Out(stream.Signature(axis_word_layout()))
        Frames.
    done : Out(1)
        High for one cycle when the last word is taken.
    """

    result: data.View
    start: Signal
    neuron_groups: Signal
    time_groups: Signal
    neuron_address: Signal
    neuron_times: data.View
    time_address: Signal
    times: data.View
    o: stream.Interface
    done: Signal

    def __init__(self, config: TTFSConfig):
        self.config = config
        super().__init__({
            "result": In(result_layout(config)),
            "start": In(1),
            "neuron_groups": In(range(config.neuron_groups + 1)),
            "time_groups": In(range(config.time_groups + 1)),
            "neuron_address": Out(index_range(config.neuron_groups)),
            "neuron_times": In(neuron_read_layout(config)),
            "time_address": Out(index_range(config.time_groups)),
            "times": In(neuron_read_layout(config)),
            "o": Out(stream.Signature(axis_word_layout())),
            "done": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        config = self.config
        per_group = -(-config.lanes * config.dump_bits // 32)
        index = Signal(index_range(max(per_group, RESULT_WORDS)))
        group = Signal(range(config.groups + 1))
        held = Signal(32 * per_group)
        ordinary, end = Signal(), Signal()
        padding = Const(0, config.dump_bits - config.time_bits)
        taken = self.o.valid & self.o.ready
        chosen = Mux(ordinary, self.neuron_times, self.times)
        view = data.View(neuron_read_layout(config), chosen)
        m.d.comb += [
            ordinary.eq(group < self.neuron_groups),
            self.neuron_address.eq(group), self.time_address.eq(group - self.neuron_groups),
            end.eq(group == self.neuron_groups + self.time_groups),
            self.done.eq(taken & self.o.p.last),
        ]
        with m.FSM():
            with m.State("IDLE"):
                m.d.sync += [index.eq(0), group.eq(0)]
                with m.If(self.start):
                    m.next = "HEAD"
            with m.State("HEAD"):
                only = self.result.error != TTFSError.NONE
                m.d.comb += [
                    self.o.valid.eq(1),
                    self.o.p.word.eq(Mux(only, self.result.error.as_value(),
                                         self.result.as_value().word_select(index, 32))),
                    self.o.p.last.eq(only | ((index == RESULT_WORDS - 1)
                                             & (~self.result.dump | end)))]
                with m.If(self.o.ready):
                    m.d.sync += index.eq(index + 1)
                    with m.If(only):
                        m.next = "IDLE"
                    with m.Elif(index == RESULT_WORDS - 1):
                        m.next = "READ"
                        with m.If(self.o.p.last):
                            m.next = "IDLE"
            with m.State("READ"):
                m.next = "HOLD"
            with m.State("HOLD"):
                m.d.sync += [held.eq(Cat(Cat(time, padding) for time in view)),
                             group.eq(group + 1), index.eq(0)]
                m.next = "TIMES"
            with m.State("TIMES"):
                m.d.comb += [self.o.valid.eq(1), self.o.p.word.eq(held[:32]),
                             self.o.p.last.eq((index == per_group - 1) & end)]
                with m.If(self.o.ready):
                    m.d.sync += [index.eq(index + 1), held.eq(held >> 32)]
                    with m.If(index == per_group - 1):
                        m.next = "READ"
                        with m.If(end):
                            m.next = "IDLE"
        return m
