# SPDX-License-Identifier: Apache-2.0
"""SLIP: frames in a stream of bytes (RFC 1055)."""

from amaranth import Module, Mux, Signal
from amaranth.lib import data, enum, stream, wiring
from amaranth.lib.wiring import In, Out

from ..config import LinkConfig

__all__ = ["SLIPDecoder", "SLIPEncoder", "token_layout"]


class _Mark(enum.IntEnum, shape=8):
    """Bytes with a meaning of their own."""

    END = 0xC0
    ESCAPE = 0xDB
    ESCAPED_END = 0xDC
    ESCAPED_ESCAPE = 0xDD


def token_layout() -> data.StructLayout:
    """Return a byte of a frame, or its end.

    Members
    -------
    byte : unsigned(8)
        Of the frame; without meaning with ``end``.
    end : unsigned(1)
        The frame ends here, or began here.
    """
    return data.StructLayout({"byte": 8, "end": 1})


class SLIPDecoder(wiring.Component):
    """Turn bytes of a line into tokens of frames; a byte escaped for no reason stays as it is.

    Equal in every bit to ``spikeloom.models.golden.slip.decode``.

    Latency: 0 cycles. Throughput: 1 byte per cycle.
    Back-pressure: a token that waits on ``o`` stops ``i``.
    Reset: synchronous; forgets an escape.

    Parameters
    ----------
    config : LinkConfig

    Members
    -------
    i : In(stream.Signature(8))
        Bytes of the line.
    o : Out(stream.Signature(token_layout()))
        Bytes of frames and their ends.
    """

    i: stream.Interface
    o: stream.Interface

    def __init__(self, config: LinkConfig):
        super().__init__({
            "i": In(stream.Signature(8)), "o": Out(stream.Signature(token_layout())),
        })

    def elaborate(self, platform):
        m = Module()
        escaped = Signal()
        byte, escapes = self.i.payload, Signal()
        m.d.comb += [
            escapes.eq((byte == _Mark.ESCAPE) & ~escaped),
            self.o.valid.eq(self.i.valid & ~escapes),
            self.i.ready.eq(self.o.ready | escapes),
            self.o.p.end.eq(byte == _Mark.END),
            self.o.p.byte.eq(byte),
        ]
        with m.If(escaped & (byte == _Mark.ESCAPED_END)):
            m.d.comb += self.o.p.byte.eq(_Mark.END)
        with m.If(escaped & (byte == _Mark.ESCAPED_ESCAPE)):
            m.d.comb += self.o.p.byte.eq(_Mark.ESCAPE)
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += escaped.eq(escapes)
        return m


class SLIPEncoder(wiring.Component):
    """Turn tokens of frames into bytes of a line.

    Equal in every bit to ``spikeloom.models.golden.slip.encode``.

    Latency: 0 cycles. Throughput: 1 byte per cycle; an escaped one takes two.
    Back-pressure: a byte that waits on ``o`` stops ``i``.
    Reset: synchronous; an escape begun is not ended.

    Parameters
    ----------
    config : LinkConfig

    Members
    -------
    i : In(stream.Signature(token_layout()))
        Bytes of frames and their ends.
    o : Out(stream.Signature(8))
        Bytes of the line.
    """

    i: stream.Interface
    o: stream.Interface

    def __init__(self, config: LinkConfig):
        super().__init__({
            "i": In(stream.Signature(token_layout())), "o": Out(stream.Signature(8)),
        })

    def elaborate(self, platform):
        m = Module()
        escaped = Signal()  # the escape is sent, its second byte comes
        byte, special, is_end = self.i.p.byte, Signal(), Signal()
        m.d.comb += [
            is_end.eq(byte == _Mark.END),
            special.eq((is_end | (byte == _Mark.ESCAPE)) & ~self.i.p.end),
            self.o.valid.eq(self.i.valid),
            self.i.ready.eq(self.o.ready & (~special | escaped)),
            self.o.payload.eq(byte),
        ]
        with m.If(self.i.p.end):
            m.d.comb += self.o.payload.eq(_Mark.END)
        with m.Elif(special):
            m.d.comb += self.o.payload.eq(Mux(
                escaped, Mux(is_end, _Mark.ESCAPED_END, _Mark.ESCAPED_ESCAPE), _Mark.ESCAPE))
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += escaped.eq(special & ~escaped)
        return m
