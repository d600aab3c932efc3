# SPDX-License-Identifier: Apache-2.0
"""Image check: header and CRC of a program image, before anything of it is believed."""

from typing import Any

from amaranth import Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.crc.catalog import CRC32_ISO_HDLC
from amaranth.lib.wiring import In, Out

from ..config import AcceleratorConfig
from ..ftp.layouts import index_range
from .field_limits import limited
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
        request, word, header = self.memory.request, self.memory.data, self.header
        count, taken = Signal(self.config.bounds.address_bits), Signal()
        reads = Signal()  # a word is wanted
        crc = self._add_checksum(m, reads, taken)
        wrong = self._compare(m, taken, count)
        stored = Signal(header_layout())
        known = Signal()  # the header is right
        m.d.comb += [
            header.eq(limited(self.config, stored)),
            self.limit.eq(Mux(known, header.memory_words, header_words)),
            self.writable_start.eq(Mux(known, header.writable_start, header_words)),
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
                m.d.sync += known.eq(0)
                m.next = "HEADER_REQUEST"
            with m.State("HEADER_REQUEST"):
                ask(header_words, "HEADER")
            with m.State("HEADER"):
                m.d.comb += reads.eq(1)
                with m.If(taken), m.Switch(count):
                    for place in range(header_words):
                        with m.Case(place):
                            m.d.sync += stored.as_value()[place * bits:(place + 1) * bits].eq(
                                word.payload)
                with m.If(taken & (count == header_words - 1)):
                    m.next = "HEADER_CHECK"
            with m.State("HEADER_CHECK"):
                with m.If(wrong["magic"]):
                    refuse(ErrorCode.BAD_MAGIC)
                with m.Elif(wrong["version"]):
                    refuse(ErrorCode.BAD_VERSION)
                with m.Elif(wrong["config_hash"]):
                    refuse(ErrorCode.WRONG_CONFIGURATION)
                with m.Elif(bad_length(self.config, header, header_words)
                            & self.config.has_checks):
                    refuse(ErrorCode.BAD_LENGTH)
                with m.Else():
                    m.d.sync += known.eq(1)
                    m.next = "PROGRAM_REQUEST"
            with m.State("PROGRAM_REQUEST"):
                ask(header.program_words, "PROGRAM")
            with m.State("PROGRAM"):
                m.d.comb += reads.eq(count != header.program_words)
                with m.If(~reads):
                    with m.If(crc.match_detected):
                        m.d.comb += self.good.eq(1)
                        m.next = "IDLE"
                    with m.Else():
                        refuse(ErrorCode.BAD_CRC)
        return m

    def _add_checksum(self, m: Module, reads, taken) -> Any:
        """Add the CRC of the words that come, with limits byte by byte; return it."""
        word = self.memory.data
        bits = 8 if self.config.limits else self.config.memory_bits
        parts = self.config.memory_bits // bits
        m.submodules.checksum = crc = CRC32_ISO_HDLC(data_width=bits).create()
        part = Signal(index_range(parts))
        m.d.comb += [
            word.ready.eq(reads & (part == parts - 1)),
            taken.eq(word.valid & word.ready),
            crc.data.eq(word.payload.word_select(part, bits)),
            crc.valid.eq(word.valid & reads),
        ]
        if parts > 1:
            with m.If(word.valid & reads):
                m.d.sync += part.eq(part + 1)  # a power of two
        return crc

    def _compare(self, m: Module, taken, count) -> dict[str, Signal]:
        """Compare what is constant in a header as it comes; return by field if it is wrong."""
        bits, payload, wrong = self.config.memory_bits, self.memory.data.payload, {}
        constants = {"magic": MAGIC, "version": FORMAT_VERSION,
                     "config_hash": int(self.config.hash(), 16)}
        for name, constant in constants.items():
            wrong[name] = Signal(name=f"wrong_{name}")
            field = header_layout()[name]
            for first in range(field.offset, field.offset + field.width, 32):
                place, low = divmod(first, bits)
                expected = (constant >> (first - field.offset)) & 0xFFFFFFFF
                with m.If(taken & (count == place) & (payload[low:low + 32] != expected)):
                    m.d.sync += wrong[name].eq(1)
        with m.If(self.start):
            m.d.sync += [flag.eq(0) for flag in wrong.values()]
        return wrong
