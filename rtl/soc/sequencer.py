# SPDX-License-Identifier: Apache-2.0
"""Sequencer: checks a program image, then runs its descriptors for image after image."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from amaranth import Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..config import AcceleratorConfig
from .descriptor import DESCRIPTOR_WORDS, Operation, descriptor_layout
from .field_limits import descriptor_number_bits, limited
from .image_check import ImageCheck
from .memory_port import ADDRESS_BITS, ReadClient
from .performance_counters import COUNTERS
from .program_rules import engines_layout, faults_layout, first_fault, illegal, state_layout
from .register_map import ErrorCode

__all__ = ["PROFILE_VALUES", "TIMEOUT_CYCLES", "Sequencer"]

PROFILE_VALUES = 16        # of 32 bits each, in the profile record of a descriptor
TIMEOUT_CYCLES = 1 << 14   # in which nothing moves; the longest wait of sound work is far shorter
_QUIET_CYCLES = 8          # a word may be on its way between two units, unseen, for a few cycles


class Sequencer(wiring.Component):
    """Run a program image.

    On ``start`` it reads the header, checks it against the configuration, and checks the CRC of
    the program; then, for each image, it fetches descriptor after descriptor and hands it to the
    engines. A descriptor is at its end when all engines have been quiet and all writes are
    acknowledged. Then its profile record is written. Any fault stops everything.

    Latency: about 50 cycles and two memory latencies a descriptor, beside its work.
    Throughput: one descriptor at a time.
    Back-pressure: waits for the memory and for the engines.
    Reset: synchronous; forgets the program.

    Parameters
    ----------
    config : AcceleratorConfig

    Members
    -------
    start : In(1)
        Begin with the header; for one cycle.
    stop : In(1)
        Stop before the next descriptor; for one cycle.
    images : In(32)
        How many to run.
    memory : Out(ReadClient(config))
        Where the program is.
    limit : Out(32)
        Words that may be read.
    writable_start : Out(32)
        First word that may be written.
    layer : Out(descriptor_layout())
        The descriptor at work.
    image_base : Out(32)
        ENCODE: first word of this image; READOUT: of its result record.
    begin : Out(1)
        The engines begin; for one cycle.
    finish : Out(1)
        The engines are quiet: write what is left in the linear writers; for one cycle.
    work : In(engines_layout())
        What the engines are up to.
    faults : In(faults_layout())
        What went wrong.
    counters : In(data.ArrayLayout(unsigned(32), 15))
        Counters of the layer.
    counting : Out(1)
        A descriptor is at work.
    profile_begin : Out(1)
        The profile record begins at ``profile_address``; for one cycle.
    profile_address : Out(32)
        Where it goes.
    o_profile : Out(stream.Signature(unsigned(32)))
        Its values.
    profile_end : Out(1)
        The record and with it the descriptor is complete; for one cycle.
    state : Out(state_layout())
        Where the sequencer is.
    halt : Out(1)
        After an error: the memory takes no more requests.
    """

    start: Signal
    stop: Signal
    images: Signal
    memory: Any
    limit: Signal
    writable_start: Signal
    layer: data.View
    image_base: Signal
    begin: Signal
    finish: Signal
    work: data.View
    faults: data.View
    counters: data.View
    counting: Signal
    profile_begin: Signal
    profile_address: Signal
    o_profile: stream.Interface
    profile_end: Signal
    state: data.View
    halt: Signal

    def __init__(self, config: AcceleratorConfig):
        self.config = config
        super().__init__({
            "start": In(1),
            "stop": In(1),
            "images": In(32),
            "memory": Out(ReadClient(config)),
            "limit": Out(ADDRESS_BITS),
            "writable_start": Out(ADDRESS_BITS),
            "layer": Out(descriptor_layout()),
            "image_base": Out(ADDRESS_BITS),
            "begin": Out(1),
            "finish": Out(1),
            "work": In(engines_layout()),
            "faults": In(faults_layout()),
            "counters": In(data.ArrayLayout(unsigned(32), len(COUNTERS))),
            "counting": Out(1),
            "profile_begin": Out(1),
            "profile_address": Out(ADDRESS_BITS),
            "o_profile": Out(stream.Signature(unsigned(32))),
            "profile_end": Out(1),
            "state": Out(state_layout()),
            "halt": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        bits = self.config.memory_bits
        descriptor_words = -(-32 * DESCRIPTOR_WORDS // bits)
        m.submodules.check = check = ImageCheck(self.config)

        header = check.header
        fields = Signal(descriptor_words * bits)
        layout = self.layer.shape()
        m.d.comb += self.layer.eq(limited(self.config, data.View(layout, fields[:layout.size])))
        address_bits, counters = self.config.bounds.address_bits, self.config.bounds.counters
        image, address, image_profile = (
            Signal(address_bits, name=name) for name in ("image", "address", "image_profile"))
        index = Signal(descriptor_number_bits(self.config))
        count = Signal(range(64))   # words read, profile values sent, steps of a product
        quiet = Signal(range(_QUIET_CYCLES + 1))
        still = Signal(range(TIMEOUT_CYCLES + 1))
        stopping, multiplicand, code = Signal(), Signal(address_bits), Signal(8)
        request, word = self.memory.request, self.memory.data

        m.d.comb += [
            self.state.descriptor.eq(index),
            self.state.image.eq(image),
            self.state.code.eq(code),
            check.start.eq(self.start & (self.images != 0)),
            check.memory.data.payload.eq(word.payload),
            self.limit.eq(check.limit),
            self.writable_start.eq(check.writable_start),
            self.profile_address.eq(image_profile + index * (32 * PROFILE_VALUES // bits)),
        ]
        m.d.sync += stopping.eq(stopping | self.stop)
        with m.If(word.valid & word.ready):
            m.d.sync += count.eq(count + 1)
        m.d.sync += [
            quiet.eq(Mux(self.work.busy | self.begin | self.finish, 0,
                         quiet + (quiet != _QUIET_CYCLES))),
            still.eq(Mux(self.work.moving | self.begin | self.start, 0,
                         still + (still != TIMEOUT_CYCLES))),
        ]
        fault, fault_code = first_fault(
            m, self.faults, still == TIMEOUT_CYCLES, self.config.has_checks)

        @contextmanager
        def state(name: str) -> Iterator[None]:
            """A state that a fault ends, whatever it wants itself."""
            with m.State(name):
                yield
                with m.If(fault):
                    m.d.comb += [self.state.error.eq(1), self.state.done.eq(0),
                                 self.state.stopped.eq(0), self.begin.eq(0), code.eq(fault_code)]
                    m.next = "ERROR"

        def fail(reason: ErrorCode | Signal) -> None:
            m.d.comb += [self.state.error.eq(1), code.eq(reason)]
            m.next = "ERROR"

        def collect(words: int) -> Signal:
            """Read words into the fields; return whether the last one comes in this cycle."""
            m.d.comb += word.ready.eq(1)
            with m.If(word.valid), m.Switch(count):
                for place in range(words):
                    with m.Case(place):
                        m.d.sync += fields[place * bits:(place + 1) * bits].eq(word.payload)
            return word.valid & (count == words - 1)

        def ask(first, words, following: str) -> None:
            m.d.comb += [request.valid.eq(1), request.p.address.eq(first),
                         request.p.words.eq(words)]
            with m.If(request.ready):
                m.d.sync += count.eq(0)
                m.next = following

        with m.FSM() as fsm:
            with m.State("IDLE"):
                with m.If(self.start):
                    m.d.sync += [image.eq(0), index.eq(0), stopping.eq(0)]
                    with m.If(self.images == 0):
                        fail(ErrorCode.NO_IMAGES)
                    with m.Else():
                        m.next = "CHECK"
            with state("CHECK"):
                m.d.comb += [
                    request.valid.eq(check.memory.request.valid),
                    request.payload.eq(check.memory.request.payload),
                    check.memory.request.ready.eq(request.ready),
                    check.memory.data.valid.eq(word.valid),
                    word.ready.eq(check.memory.data.ready),
                ]
                with m.If(check.bad):
                    fail(check.code)
                with m.If(check.good):
                    m.d.sync += [address.eq(header.descriptor_address),
                                 image_profile.eq(header.profile_address)]
                    m.next = "DESCRIPTOR_REQUEST"
            with state("DESCRIPTOR_REQUEST"):
                with m.If(stopping):
                    m.d.comb += self.state.stopped.eq(1)
                    m.next = "IDLE"
                with m.Else():
                    ask(address, descriptor_words, "DESCRIPTOR")
            with state("DESCRIPTOR"), m.If(collect(descriptor_words)):
                m.next = "DESCRIPTOR_CHECK"
            with state("DESCRIPTOR_CHECK"):
                encode = self.layer.operation == Operation.ENCODE
                m.d.sync += [
                    count.eq(0), multiplicand.eq(self.layer.image_pitch),
                    self.image_base.eq(Mux(encode, self.layer.weight_address,
                                           self.layer.out_address)),
                    address.eq(address + descriptor_words),
                ]
                m.next = "IMAGE_BASE"
                with m.If(illegal(self.layer) & self.config.has_checks):
                    fail(ErrorCode.BAD_DESCRIPTOR)
                with m.Elif(self.work.unsupported):
                    fail(ErrorCode.UNSUPPORTED)
            with state("IMAGE_BASE"):  # image number times pitch, bit by bit
                m.d.sync += [count.eq(count + 1), multiplicand.eq(multiplicand << 1)]
                with m.If(image.bit_select(count[:(address_bits - 1).bit_length()], 1)):
                    m.d.sync += self.image_base.eq(self.image_base + multiplicand)
                with m.If(count == address_bits - 1):
                    m.next = "BEGIN"
            with state("BEGIN"):
                m.d.comb += [self.begin.eq(1), self.counting.eq(1)]
                m.d.sync += quiet.eq(0)
                m.next = "RUN"
            with state("RUN"):
                m.d.comb += [self.counting.eq(1), self.finish.eq(quiet == _QUIET_CYCLES)]
                with m.If(self.finish):
                    m.next = "FINISH"
            with state("FINISH"):
                m.d.comb += self.counting.eq(1)
                with m.If((quiet == _QUIET_CYCLES) & ~self.work.held):
                    with m.If(self.work.leftover):
                        fail(ErrorCode.BAD_DESCRIPTOR)
                    with m.Else():
                        m.d.comb += self.profile_begin.eq(counters)
                        m.d.sync += count.eq(0)
                        m.next = "PROFILE_VALUES" if counters else "PROFILE_END"
            with state("PROFILE_VALUES"):
                m.d.comb += self.o_profile.valid.eq(1)
                with m.Switch(count):
                    for place in range(len(COUNTERS)):
                        with m.Case(place):
                            m.d.comb += self.o_profile.payload.eq(self.counters[place])
                with m.If(self.o_profile.ready):
                    m.d.sync += count.eq(count + 1)
                    with m.If(count == PROFILE_VALUES - 1):
                        m.d.comb += self.finish.eq(1)
                        m.next = "PROFILE_END"
            with state("PROFILE_END"), m.If((quiet == _QUIET_CYCLES) & ~self.work.held):
                m.d.comb += self.profile_end.eq(1)
                m.d.sync += index.eq(index + 1)
                m.next = "DESCRIPTOR_REQUEST"
                with m.If(index + 1 == header.descriptors):
                    m.d.sync += [
                        index.eq(0), image.eq(image + 1), address.eq(header.descriptor_address),
                        image_profile.eq(image_profile + header.profile_image_pitch),
                    ]
                    with m.If(image + 1 == self.images):
                        m.d.comb += self.state.done.eq(1)
                        m.next = "IDLE"
            with m.State("ERROR"):
                pass
        m.d.comb += self.halt.eq((self.state.running & fault) | fsm.ongoing("ERROR"))
        m.d.comb += self.state.running.eq(~fsm.ongoing("IDLE") & ~fsm.ongoing("ERROR"))
        return m
