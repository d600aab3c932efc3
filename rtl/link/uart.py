# SPDX-License-Identifier: Apache-2.0
"""UART: bytes on a serial line, eight bits without parity."""

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out

from ..config import LinkConfig

__all__ = ["UART"]

_BITS = 8


class UART(wiring.Component):
    """Send and receive bytes; a bit lasts ``divisor`` cycles and is sampled in its middle.

    A start bit that is gone in its middle is noise and forgotten. A byte without a stop bit is
    dropped, and so is one that comes while the one before waits on ``o``.

    Equal in every bit to ``spikeloom.models.golden.uart.sent`` and ``.received``.

    Latency: 3 cycles from the middle of the stop bit to ``o``, 1 cycle from ``i`` to the start
    bit.
    Throughput: a byte in 10 * ``divisor`` cycles in each direction.
    Back-pressure: ``i`` waits for the line; the line waits for nobody.
    Reset: synchronous; drops the bytes at work, and ``tx`` is high.

    Parameters
    ----------
    config : LinkConfig

    Members
    -------
    rx : In(1)
        The line from the host, with any phase.
    tx : Out(1)
        The line to the host.
    i : In(stream.Signature(8))
        Bytes to send.
    o : Out(stream.Signature(8))
        Bytes received.
    """

    rx: Signal
    tx: Signal
    i: stream.Interface
    o: stream.Interface

    def __init__(self, config: LinkConfig):
        self.config = config
        super().__init__({
            "rx": In(1), "tx": Out(1),
            "i": In(stream.Signature(_BITS)), "o": Out(stream.Signature(_BITS)),
        })

    def elaborate(self, platform):
        m = Module()
        self._send(m)
        self._receive(m)
        return m

    def _send(self, m: Module) -> None:
        """Shift out a frame whose highest bit set is its stop bit; none is at work if it is 0."""
        level = Signal(init=1)
        frame = Signal(_BITS + 1)
        left = Signal(range(self.config.divisor))  # cycles of the bit on the line
        with m.If(left != 0):
            m.d.sync += left.eq(left - 1)
        m.d.comb += [self.i.ready.eq((frame == 0) & (left == 0)), self.tx.eq(level)]
        with m.If(left == 0):
            m.d.sync += [
                level.eq(Mux(frame == 0, ~self.i.valid, frame[0])),
                frame.eq(Mux(frame == 0, Mux(self.i.valid, Cat(self.i.payload, Const(1, 1)), 0),
                             frame >> 1)),
                left.eq(Mux((frame == 0) & ~self.i.valid, 0, self.config.divisor - 1)),
            ]

    def _receive(self, m: Module) -> None:
        """Shift in bits until the 1 that was there first comes out below."""
        line = Signal(init=1)
        m.submodules.synchronizer = FFSynchronizer(self.rx, line, init=1)
        bits = Signal(_BITS + 1)
        left = Signal(range(self.config.divisor))  # cycles until the next sample
        with m.If(left != 0):
            m.d.sync += left.eq(left - 1)
        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.FSM():
            with m.State("IDLE"):
                with m.If(~line):
                    m.d.sync += left.eq(self.config.divisor // 2 - 1)
                    m.next = "START"
            with m.State("START"):
                with m.If(left == 0):
                    m.d.sync += [bits.eq(1 << _BITS), left.eq(self.config.divisor - 1)]
                    m.next = "BITS"
                    with m.If(line):
                        m.next = "IDLE"
            with m.State("BITS"):
                with m.If(left == 0):
                    m.d.sync += [bits.eq(Cat(bits[1:], line)), left.eq(self.config.divisor - 1)]
                    with m.If(bits[0]):
                        m.next = "STOP"
                        with m.If(line):
                            m.next = "IDLE"
                        with m.If(line & (~self.o.valid | self.o.ready)):
                            m.d.sync += [self.o.valid.eq(1), self.o.payload.eq(bits[1:])]
            with m.State("STOP"):
                with m.If(line):
                    m.next = "IDLE"
