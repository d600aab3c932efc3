# SPDX-License-Identifier: Apache-2.0
"""Sequencer: checks a program image, then runs its descriptors for image after image."""

from collections.abc import Iterator
from contextlib import contextmanager

from amaranth import Cat, Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..config import AcceleratorConfig
from .descriptor import DESCRIPTOR_WORDS, Mode, Operation, descriptor_layout
from .header import FORMAT_VERSION, HEADER_WORDS, MAGIC, header_layout
from .image_check import ImageCheck
from .memory_port import ADDRESS_BITS, ReadClient
from .performance_counters import COUNTERS
from .register_map import ErrorCode

__all__ = ["PROFILE_VALUES", "TIMEOUT_CYCLES", "Sequencer", "faults_layout", "state_layout"]

PROFILE_VALUES = 16        # of 32 bits each, in the profile record of a descriptor
TIMEOUT_CYCLES = 1 << 14   # in which nothing moves; the longest wait of sound work is far shorter
_QUIET_CYCLES = 8          # a word may be on its way between two units, unseen, for a few cycles


def faults_layout() -> data.StructLayout:
    """Return what may go wrong outside of the sequencer, most telling cause first.

    Members
    -------
    read_response : unsigned(1)
        The bus answered a read with an error.
    write_response : unsigned(1)
        The bus answered a write with an error.
    read_range : unsigned(1)
        A read outside of the image.
    write_range : unsigned(1)
        A write outside of the writable regions.
    bad_descriptor : unsigned(1)
        A descriptor contradicts itself.
    weight_buffer_overflow : unsigned(1)
        A weight block does not fit its buffer.
    row_overflow : unsigned(1)
        A spike fiber or one of its chunks is too long.
    column_overflow : unsigned(1)
        A chunk of a weight fiber has too many beats.
    length_mismatch : unsigned(1)
        A weight fiber has not as many chunks as the spike fiber it meets.
    tile_rows : unsigned(1)
        The rows of a tile are not in 1..P.
    row_index : unsigned(1)
        A spike fiber is for a TPPE that does not exist.
    """
    return data.StructLayout({name: 1 for name in (
        "read_response", "write_response", "read_range", "write_range", "bad_descriptor",
        "weight_buffer_overflow", "row_overflow", "column_overflow", "length_mismatch",
        "tile_rows", "row_index")})


def state_layout() -> data.StructLayout:
    """Return where the sequencer is.

    Members
    -------
    running : unsigned(1)
        From the start to the end, a stop or an error.
    done : unsigned(1)
        For one cycle: all images have been run.
    stopped : unsigned(1)
        For one cycle: stopped between two descriptors, as asked.
    error : unsigned(1)
        For one cycle: an error; nothing goes on until a reset.
    code : unsigned(8)
        The error, see ``ErrorCode``; with ``error``.
    descriptor : unsigned(32)
        The descriptor at work.
    image : unsigned(32)
        Images that are complete.
    """
    return data.StructLayout({
        "running": 1, "done": 1, "stopped": 1, "error": 1, "code": 8, "descriptor": 32,
        "image": 32,
    })


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
    busy : In(1)
        An engine works, or a write is under way.
    held : In(1)
        A linear writer holds what only ``finish`` makes it write.
    moving : In(1)
        Something moved in this cycle.
    leftover : In(1)
        Data that nobody asked for waits somewhere.
    unsupported : In(1)
        The layer asks for what is not built.
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
    memory: wiring.PureInterface
    limit: Signal
    writable_start: Signal
    layer: data.View
    image_base: Signal
    begin: Signal
    finish: Signal
    busy: Signal
    held: Signal
    moving: Signal
    leftover: Signal
    unsupported: Signal
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
            "busy": In(1),
            "held": In(1),
            "moving": In(1),
            "leftover": In(1),
            "unsupported": In(1),
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
        header_words = 32 * HEADER_WORDS // bits
        descriptor_words = -(-32 * DESCRIPTOR_WORDS // bits)
        m.submodules.check = check = ImageCheck(self.config)

        # The header and the descriptors are read into one register.
        fields = Signal(descriptor_words * bits)
        header = data.View(header_layout(), fields[:header_layout().size])
        m.d.comb += self.layer.eq(fields[:descriptor_layout().size])
        program_words, descriptors = Signal(32), Signal(32)
        descriptor_address, profile_address = Signal(32), Signal(32)
        profile_image_pitch = Signal(32)
        index, image, address, image_profile = Signal(32), Signal(32), Signal(32), Signal(32)
        count = Signal(32)          # words read, profile values sent, steps of a product
        quiet = Signal(range(_QUIET_CYCLES + 1))
        still = Signal(range(TIMEOUT_CYCLES + 1))
        stopping, illegal = Signal(), Signal()
        product, multiplicand = Signal(32), Signal(32)
        code = Signal(ErrorCode)
        request, word = self.memory.request, self.memory.data

        m.d.comb += [
            self.state.descriptor.eq(index),
            self.state.image.eq(image),
            self.state.code.eq(code),
            check.i.payload.eq(word.payload),
            check.i.valid.eq(word.valid & word.ready),
            illegal.eq(self._is_illegal()),
        ]
        with m.If(self.stop):
            m.d.sync += stopping.eq(1)
        with m.If(word.valid & word.ready):
            m.d.sync += count.eq(count + 1)
        m.d.sync += quiet.eq(Mux(self.busy | self.begin | self.finish, 0,
                                 quiet + (quiet != _QUIET_CYCLES)))
        m.d.sync += still.eq(Mux(self.moving | self.begin, 0, still + (still != TIMEOUT_CYCLES)))

        fault, fault_code = self._fault(m, still)

        @contextmanager
        def state(name: str) -> Iterator[None]:
            """A state that a fault ends, whatever it wants itself."""
            with m.State(name):
                yield
                with m.If(fault):
                    m.d.comb += [self.state.error.eq(1), self.state.done.eq(0),
                                 self.state.stopped.eq(0), self.begin.eq(0),
                                 code.eq(fault_code)]
                    m.next = "ERROR"

        def fail(reason: ErrorCode) -> None:
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
                    m.d.sync += [image.eq(0), index.eq(0), stopping.eq(0),
                                 self.limit.eq(header_words), self.writable_start.eq(header_words)]
                    with m.If(self.images == 0):
                        fail(ErrorCode.NO_IMAGES)
                    with m.Else():
                        m.next = "HEADER_REQUEST"
            with state("HEADER_REQUEST"):
                ask(0, header_words, "HEADER")
            with state("HEADER"), m.If(collect(header_words)):
                m.next = "HEADER_CHECK"
            with state("HEADER_CHECK"):
                m.d.sync += [
                    program_words.eq(header.program_words), descriptors.eq(header.descriptors),
                    descriptor_address.eq(header.descriptor_address),
                    profile_address.eq(header.profile_address),
                    profile_image_pitch.eq(header.profile_image_pitch),
                ]
                with m.If(header.magic != MAGIC):
                    fail(ErrorCode.BAD_MAGIC)
                with m.Elif(header.version != FORMAT_VERSION):
                    fail(ErrorCode.BAD_VERSION)
                with m.Elif(header.config_hash != int(self.config.hash(), 16)):
                    fail(ErrorCode.WRONG_CONFIGURATION)
                with m.Elif(self._has_bad_length(header, header_words)):
                    fail(ErrorCode.BAD_LENGTH)
                with m.Else():
                    m.d.sync += [self.limit.eq(header.memory_words),
                                 self.writable_start.eq(header.writable_start)]
                    m.next = "CRC_REQUEST"
            with state("CRC_REQUEST"):
                m.d.comb += check.start.eq(1)
                ask(0, program_words, "CRC")
            with state("CRC"):
                m.d.comb += word.ready.eq(1)
                with m.If(count == program_words):
                    with m.If(check.good):
                        m.d.sync += [address.eq(descriptor_address),
                                     image_profile.eq(profile_address)]
                        m.next = "DESCRIPTOR_REQUEST"
                    with m.Else():
                        fail(ErrorCode.BAD_CRC)
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
                    count.eq(0), product.eq(0), multiplicand.eq(
                        Mux(encode, self.layer.input_image_pitch, self.layer.out_image_pitch)),
                    self.image_base.eq(
                        Mux(encode, self.layer.input_address, self.layer.out_address)),
                    address.eq(address + descriptor_words),
                ]
                with m.If(illegal):
                    fail(ErrorCode.BAD_DESCRIPTOR)
                with m.Elif(self.unsupported):
                    fail(ErrorCode.UNSUPPORTED)
                with m.Else():
                    m.next = "IMAGE_BASE"
            with state("IMAGE_BASE"):  # image number times pitch, bit by bit
                m.d.sync += [count.eq(count + 1), multiplicand.eq(multiplicand << 1)]
                with m.If(image.bit_select(count[:5], 1)):
                    m.d.sync += self.image_base.eq(self.image_base + multiplicand)
                with m.If(count == 31):
                    m.next = "BEGIN"
            with state("BEGIN"):
                m.d.comb += [self.begin.eq(1), self.counting.eq(1)]
                m.d.sync += quiet.eq(0)
                m.next = "RUN"
            with state("RUN"):
                m.d.comb += self.counting.eq(1)
                with m.If(quiet == _QUIET_CYCLES):
                    m.d.comb += self.finish.eq(1)
                    m.next = "FINISH"
            with state("FINISH"):
                m.d.comb += self.counting.eq(1)
                with m.If((quiet == _QUIET_CYCLES) & ~self.held):
                    with m.If(self.leftover):
                        fail(ErrorCode.BAD_DESCRIPTOR)
                    with m.Else():
                        m.d.sync += count.eq(0)
                        m.next = "PROFILE"
            with state("PROFILE"):
                profile = image_profile + index * (32 * PROFILE_VALUES // bits)
                m.d.comb += [self.profile_begin.eq(1), self.profile_address.eq(profile)]
                m.next = "PROFILE_VALUES"
            with state("PROFILE_VALUES"):
                m.d.comb += self.o_profile.valid.eq(1)
                with m.Switch(count):
                    for place in range(len(COUNTERS)):
                        with m.Case(place):
                            m.d.comb += self.o_profile.payload.eq(self.counters[place])
                with m.If(self.o_profile.ready):
                    m.d.sync += count.eq(count + 1)
                    with m.If(count == PROFILE_VALUES - 1):
                        m.next = "PROFILE_FINISH"
            with state("PROFILE_FINISH"):
                m.d.comb += self.finish.eq(1)
                m.next = "PROFILE_END"
            with state("PROFILE_END"), m.If((quiet == _QUIET_CYCLES) & ~self.held):
                m.d.comb += self.profile_end.eq(1)
                m.d.sync += index.eq(index + 1)
                m.next = "DESCRIPTOR_REQUEST"
                with m.If(index + 1 == descriptors):
                    m.d.sync += [
                        index.eq(0), image.eq(image + 1), address.eq(descriptor_address),
                        image_profile.eq(image_profile + profile_image_pitch),
                    ]
                    with m.If(image + 1 == self.images):
                        m.d.comb += self.state.done.eq(1)
                        m.next = "IDLE"
            with m.State("ERROR"):
                pass
        m.d.comb += self.halt.eq((self.state.running & fault) | fsm.ongoing("ERROR"))
        m.d.comb += self.state.running.eq(~fsm.ongoing("IDLE") & ~fsm.ongoing("ERROR"))
        return m

    def _fault(self, m: Module, still: Signal) -> tuple[Signal, Signal]:
        """Return whether something is wrong outside, and what it is."""
        fault, code = Signal(), Signal(ErrorCode)
        timeout = still == TIMEOUT_CYCLES
        m.d.comb += [fault.eq(self.faults.as_value().any() | timeout),
                     code.eq(ErrorCode.TIMEOUT)]
        for name, _ in reversed(list(faults_layout())):  # the first one wins
            with m.If(self.faults[name]):
                m.d.comb += code.eq(ErrorCode[name.upper()])
        return fault, code

    def _has_bad_length(self, header, header_words: int):
        """Return whether the regions of the image contradict each other or the memory."""
        memory = self.config.memory_words if self.config.memory == "on_chip" else 1 << 28
        return ((header.program_words <= header_words)
                | (header.program_words > header.writable_start)
                | (header.writable_start > header.memory_words)
                | (header.memory_words > memory) | (header.descriptors == 0))

    def _is_illegal(self):
        """Return whether the descriptor is none; what walks it checks the rest."""
        layer = self.layer
        encode = layer.operation == Operation.ENCODE
        matrix = layer.operation == Operation.LAYER
        known_mode = Cat(layer.mode == mode for mode in Mode).any()
        return (~(encode | matrix) | ~known_mode
                | (encode & ((layer.channels == 0) | (layer.pixels == 0) | (layer.passes == 0)
                             | (layer.input_words == 0))))
