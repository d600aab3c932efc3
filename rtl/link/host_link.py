# SPDX-License-Identifier: Apache-2.0
"""Host link: frames on a stream of bytes to accesses of registers, each made once."""

from typing import Any

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.crc.catalog import CRC32_ISO_HDLC
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out, connect, flipped

from ..config import LinkConfig
from ..soc.axi_lite import AXILite
from ..soc.register_map import REGISTER_ADDRESS_BITS
from .protocol import CHECKSUM_BYTES, HEAD_BYTES, LINK_VERSION, Status
from .slip import SLIPDecoder, SLIPEncoder

__all__ = ["HostLink"]


class HostLink(wiring.Component):
    """Carry out what a host asks for in SLIP frames, and answer.

    A request is its sequence number, a command, the byte offset of a register (2 bytes), a
    number of 32-bit words, those words if it writes, and the CRC-32 of all that. Bit 0 of the
    command says that it writes, bit 1 that each word goes to the next register. The response is
    the sequence number, a `Status`, the words if all went well with a read, and a CRC-32. Numbers
    have their lowest byte first.

    A frame that is too short, too long or has a wrong checksum is dropped and counted. A request
    with the sequence number of the last one is not carried out: the last response is sent again.
    So a host may repeat a request until it is answered. Number 0 is always carried out.

    The link has two registers of its own from ``OWN_REGISTERS`` on, to be read only: frames
    dropped (16 bits) and requests repeated (16 bits), then ``words`` (8 bits) and `LINK_VERSION`
    (8 bits).

    Equal in every bit to ``spikeloom.models.golden.host_link.HostLink``.

    Latency: 3 cycles from the end of a frame to the first access.
    Throughput: a word written in 8 cycles and those of the bus, a word read in 5 and those.
    Back-pressure: ``i`` waits from the end of a request to the end of its response.
    Reset: synchronous; drops everything, a response that has begun too; the bus must be reset
    as well.

    Parameters
    ----------
    config : LinkConfig

    Members
    -------
    i : In(stream.Signature(8))
        Bytes from the host.
    o : Out(stream.Signature(8))
        Bytes to the host.
    axil : Out(AXILite(REGISTER_ADDRESS_BITS))
        The bus of the registers.
    """

    i: stream.Interface
    o: stream.Interface
    axil: Any

    def __init__(self, config: LinkConfig):
        self.config = config
        super().__init__({
            "i": In(stream.Signature(8)), "o": Out(stream.Signature(8)),
            "axil": Out(AXILite(REGISTER_ADDRESS_BITS)),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.decoder = self._decoder = SLIPDecoder(self.config)
        m.submodules.encoder = self._encoder = SLIPEncoder(self.config)
        self._crc: Any = CRC32_ISO_HDLC(data_width=8).create()
        m.submodules.crc = self._crc
        size = self.config.request_bytes
        m.submodules.request = request = Memory(shape=8, depth=size, init=[])
        m.submodules.response = response = Memory(shape=8, depth=4 * self.config.words, init=[])
        self._request_write, self._request_read = request.write_port(), request.read_port()
        self._response_write, self._response_read = response.write_port(), response.read_port()
        connect(m, flipped(self.i), self._decoder.i)
        connect(m, self._encoder.o, flipped(self.o))

        self._position = Signal(range(size + 2), name="position")  # bytes of the frame, or more
        self._sequence, self._command = Signal(8, name="sequence"), Signal(8, name="command")
        self._offset, self._count = Signal(16, name="offset"), Signal(8, name="count")
        self._last = Signal(8, name="last")  # sequence number of the last request
        self._status = Signal(Status, name="status")
        self._words = Signal(range(self.config.words + 1), name="words")  # in the response
        self._pointer = Signal(range(size), name="pointer")  # byte in either memory
        self._word, self._lane = Signal(32, name="word"), Signal(2, name="lane")
        self._dropped, self._repeated = (Signal(16, name=name) for name in ("dropped", "repeated"))
        m.d.comb += [
            self._request_write.addr.eq(self._position),
            self._request_write.data.eq(self._decoder.o.p.byte),
            self._request_read.addr.eq(self._pointer),
            self._response_write.addr.eq(self._pointer),
            self._response_write.data.eq(self._word[:8]),
            self._response_read.addr.eq(self._pointer),
            self._crc.data.eq(self._decoder.o.p.byte),
            self.axil.awaddr.eq(self._offset), self.axil.araddr.eq(self._offset),
            self.axil.wdata.eq(self._word), self.axil.wstrb.eq(-1),
        ]
        with m.FSM():
            self._receive(m)
            self._write(m)
            self._read(m)
            self._respond(m)
        return m

    def _receive(self, m: Module) -> None:
        """Take a frame, and decide what to do with it."""
        token, position, crc = self._decoder.o, self._position, self._crc
        with m.State("RECEIVE"):
            m.d.comb += token.ready.eq(1)
            with m.If(token.valid & token.p.end):
                m.d.comb += crc.start.eq(1)
                m.d.sync += position.eq(0)
                with m.If(crc.match_detected & (position >= HEAD_BYTES + CHECKSUM_BYTES)
                          & (position <= self.config.request_bytes)):
                    m.d.sync += position.eq(position)
                    m.next = "DECIDE"
                with m.Elif(position != 0):
                    m.d.sync += self._dropped.eq(self._dropped + 1)
            with m.Elif(token.valid):
                m.d.comb += [
                    crc.valid.eq(1),
                    self._request_write.en.eq(position < self.config.request_bytes),
                ]
                with m.If(position <= self.config.request_bytes):
                    m.d.sync += position.eq(position + 1)
                for place, byte in enumerate((
                        self._sequence, self._command, self._offset[:8], self._offset[8:],
                        self._count)):
                    with m.If(position == place):
                        m.d.sync += byte.eq(token.p.byte)
        with m.State("DECIDE"):
            held = Signal(8)  # words that the request must hold
            m.d.comb += held.eq(Mux(self._command[0], self._count, 0))
            fits = position == Cat(Const((HEAD_BYTES + CHECKSUM_BYTES) % 4, 2),
                                   (held + (HEAD_BYTES + CHECKSUM_BYTES) // 4)[:9])
            m.d.sync += [self._last.eq(self._sequence), position.eq(0), self._lane.eq(0)]
            with m.If((self._sequence == self._last) & (self._sequence != 0)):
                m.d.sync += self._repeated.eq(self._repeated + 1)
                m.next = "RESPOND"
            with m.Else():
                m.d.sync += [self._status.eq(Status.BAD_REQUEST), self._words.eq(0)]
                m.next = "RESPOND"
                with m.If((self._command[2:] == 0) & fits & (self._count != 0)
                          & (self._count <= self.config.words)):
                    m.d.sync += [self._status.eq(Status.OK),
                                 self._pointer.eq(Mux(self._command[0], HEAD_BYTES, 0))]
                    m.next = "READ"
                    with m.If(self._command[0]):
                        m.next = "FETCH"

    def _next(self, m: Module, again: str) -> None:
        """Go on with the next word, or respond."""
        m.d.sync += self._count.eq(self._count - 1)
        with m.If(self._command[1]):
            m.d.sync += self._offset.eq(self._offset + 4)
        m.next = again
        with m.If(self._count == 1):
            m.next = "RESPOND"

    def _fail(self, m: Module) -> None:
        """Respond that the bus refuses."""
        m.d.sync += [self._status.eq(Status.BUS_ERROR), self._words.eq(0)]
        m.next = "RESPOND"

    def _write(self, m: Module) -> None:
        """Write the words of the request."""
        with m.State("FETCH"):
            m.next = "TAKE"
        with m.State("TAKE"):
            m.d.sync += [
                self._word.eq(Cat(self._word[8:], self._request_read.data)),
                self._pointer.eq(self._pointer + 1), self._lane.eq(self._lane + 1),
            ]
            m.next = "FETCH"
            with m.If(self._lane == 3):
                m.d.sync += [self.axil.awvalid.eq(self._offset[REGISTER_ADDRESS_BITS:] == 0),
                             self.axil.wvalid.eq(self._offset[REGISTER_ADDRESS_BITS:] == 0)]
                m.next = "WRITE"
        with m.State("WRITE"):
            m.d.comb += self.axil.bready.eq(1)
            with m.If(self.axil.awready):
                m.d.sync += self.axil.awvalid.eq(0)
            with m.If(self.axil.wready):
                m.d.sync += self.axil.wvalid.eq(0)
            with m.If(self._offset[REGISTER_ADDRESS_BITS:] != 0):
                self._fail(m)
            with m.Elif(self.axil.bvalid):
                self._next(m, "FETCH")
                with m.If(self.axil.bresp != 0):
                    self._fail(m)

    def _read(self, m: Module) -> None:
        """Read words into the response."""
        high = self._offset[REGISTER_ADDRESS_BITS:]
        with m.State("READ"):
            m.d.sync += self._word.eq(Mux(
                self._offset[2], Cat(Const(self.config.words, 8), Const(LINK_VERSION, 8)),
                Cat(self._dropped, self._repeated)))
            m.next = "STORE"
            with m.If(high == 0):
                m.d.sync += self.axil.arvalid.eq(1)
                m.next = "READ_WAIT"
            with m.Elif((high != 1) | (self._offset[3:REGISTER_ADDRESS_BITS] != 0)):
                self._fail(m)
        with m.State("READ_WAIT"):
            m.d.comb += self.axil.rready.eq(1)
            with m.If(self.axil.arready):
                m.d.sync += self.axil.arvalid.eq(0)
            with m.If(self.axil.rvalid):
                m.d.sync += self._word.eq(self.axil.rdata)
                m.next = "STORE"
                with m.If(self.axil.rresp != 0):
                    self._fail(m)
        with m.State("STORE"):
            m.d.comb += self._response_write.en.eq(1)
            m.d.sync += [
                self._word.eq(self._word >> 8), self._pointer.eq(self._pointer + 1),
                self._lane.eq(self._lane + 1),
            ]
            with m.If(self._lane == 3):
                m.d.sync += self._words.eq(self._words + 1)
                self._next(m, "READ")

    def _respond(self, m: Module) -> None:
        """Send the response: between two ends head, words and checksum."""
        token: Any = self._encoder.i
        crc = self._crc

        def send(byte: Any, following: str, counted: bool = True) -> None:
            m.d.comb += [token.valid.eq(1), token.p.byte.eq(byte)]
            if counted:
                m.d.comb += [crc.data.eq(byte), crc.valid.eq(token.ready)]
            with m.If(token.ready):
                m.next = following

        with m.State("RESPOND"):
            m.d.comb += [crc.start.eq(1), token.valid.eq(1), token.p.end.eq(1)]
            m.d.sync += [self._pointer.eq(0), self._lane.eq(0)]
            with m.If(token.ready):
                m.next = "SEQUENCE"
        with m.State("SEQUENCE"):
            send(self._last, "STATUS")
        with m.State("STATUS"):
            send(self._status, "LOAD")
        with m.State("LOAD"):  # the memory answers in the next cycle
            m.next = "SEND"
            with m.If(self._pointer == Cat(Const(0, 2), self._words)):
                m.next = "CHECKSUM"
        with m.State("SEND"):
            send(self._response_read.data, "LOAD")
            with m.If(token.ready):
                m.d.sync += self._pointer.eq(self._pointer + 1)
        with m.State("CHECKSUM"):
            send(crc.crc.word_select(self._lane, 8), "CHECKSUM", counted=False)
            with m.If(token.ready):
                m.d.sync += self._lane.eq(self._lane + 1)
                with m.If(self._lane == 3):
                    m.next = "END"
        with m.State("END"):
            m.d.comb += [token.valid.eq(1), token.p.end.eq(1), crc.start.eq(token.ready)]
            with m.If(token.ready):
                m.next = "RECEIVE"
