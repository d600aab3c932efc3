# SPDX-License-Identifier: Apache-2.0
"""Image check: header and CRC of a program image, before anything of it is believed."""

from typing import Any

from amaranth import Module, Signal
from amaranth.lib import data, wiring
from amaranth.lib.crc.catalog import CRC32_ISO_HDLC
from amaranth.lib.wiring import In, Out

from ..config import AcceleratorConfig
from .header import FORMAT_VERSION, HEADER_WORDS, MAGIC, header_layout
from .memory_port import ADDRESS_BITS, ReadClient
from .program_rules import bad_length
from .register_map import ErrorCode

__all__ = ["ImageCheck"]


class ImageCheck(wiring.Component):
    """Read the header, then all of the program, and compare with the configuration and the CRC.

    The CRC is the CRC-32 of zlib, in the last four bytes of the program.

    Latency: 6 cycles and two latencies of the memory beside the words of the program.
    Throughput: 1 word per cycle.
    Back-pressure: waits for the memory.
    Reset: synchronous; forgets the header.

    Parameters
    ----------
    config : AcceleratorConfig

    Members
    -------
    start : In(1)
        Begin; for one cycle.
    memory : Out(ReadClient(config))
        Where the image is.
    header : Out(header_layout())
        The header; steady from ``good`` to the next ``start``.
    limit : Out(32)
        Words that may be read: the header, once that is checked the whole image.
    writable_start : Out(32)
        First word that may be written.
    good : Out(1)
        The image is as it was compiled; for one cycle.
    bad : Out(1)
        It is not; for one cycle.
    code : Out(8)
        The ``ErrorCode``; with ``bad``.
    """

    start: Signal
    memory: Any
    header: data.View
    limit: Signal
    writable_start: Signal
    good: Signal
    bad: Signal
    code: Signal

    def __init__(self, config: AcceleratorConfig):
        self.config = config
        super().__init__({
            "start": In(1),
            "memory": Out(ReadClient(config)),
            "header": Out(header_layout()),
            "limit": Out(ADDRESS_BITS),
            "writable_start": Out(ADDRESS_BITS),
            "good": Out(1),
            "bad": Out(1),
            "code": Out(8),
        })

    def elaborate(self, platform):
        m = Module()
        bits = self.config.memory_bits
        header_words = 32 * HEADER_WORDS // bits
        crc: Any = CRC32_ISO_HDLC(data_width=bits).create()
        m.submodules.checksum = crc
        request, word, header = self.memory.request, self.memory.data, self.header
        count, taken = Signal(32), Signal()
        m.d.comb += [
            taken.eq(word.valid & word.ready),
            crc.data.eq(word.payload), crc.valid.eq(taken),
        ]
        with m.If(taken):
            m.d.sync += count.eq(count + 1)

        def ask(words, following: str) -> None:
            m.d.comb += [request.valid.eq(1), request.p.address.eq(0), request.p.words.eq(words),
                         crc.start.eq(1)]
            m.d.sync += count.eq(0)
            with m.If(request.ready):
                m.next = following

        def refuse(reason: ErrorCode) -> None:
            m.d.comb += [self.bad.eq(1), self.code.eq(reason)]
            m.next = "IDLE"

        with m.FSM():
            with m.State("IDLE"), m.If(self.start):
                m.d.sync += [self.limit.eq(header_words), self.writable_start.eq(header_words)]
                m.next = "HEADER_REQUEST"
            with m.State("HEADER_REQUEST"):
                ask(header_words, "HEADER")
            with m.State("HEADER"):
                m.d.comb += word.ready.eq(1)
                with m.If(taken), m.Switch(count):
                    for place in range(header_words):
                        with m.Case(place):
                            m.d.sync += header.as_value()[place * bits:(place + 1) * bits].eq(
                                word.payload)
                with m.If(taken & (count == header_words - 1)):
                    m.next = "HEADER_CHECK"
            with m.State("HEADER_CHECK"):
                with m.If(header.magic != MAGIC):
                    refuse(ErrorCode.BAD_MAGIC)
                with m.Elif(header.version != FORMAT_VERSION):
                    refuse(ErrorCode.BAD_VERSION)
                with m.Elif(header.config_hash != int(self.config.hash(), 16)):
                    refuse(ErrorCode.WRONG_CONFIGURATION)
                with m.Elif(bad_length(self.config, header, header_words)):
                    refuse(ErrorCode.BAD_LENGTH)
                with m.Else():
                    m.d.sync += [self.limit.eq(header.memory_words),
                                 self.writable_start.eq(header.writable_start)]
                    m.next = "PROGRAM_REQUEST"
            with m.State("PROGRAM_REQUEST"):
                ask(header.program_words, "PROGRAM")
            with m.State("PROGRAM"):
                m.d.comb += word.ready.eq(1)
                with m.If(count == header.program_words):
                    with m.If(crc.match_detected):
                        m.d.comb += self.good.eq(1)
                        m.next = "IDLE"
                    with m.Else():
                        refuse(ErrorCode.BAD_CRC)
        return m
