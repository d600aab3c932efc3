# SPDX-License-Identifier: Apache-2.0
"""Stream window: streams as registers, for systems whose core has no registers of its own."""

from typing import Any

from amaranth import Cat, Module, Mux, Signal, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from ..gen.link.stream_device import (
    HASH,
    IDENTITY,
    POPS,
    PUSHES,
    STATUS,
    STREAM_IDENTITY,
    WORD_BITS,
)
from ..rtl.ftp.layouts import index_range
from ..rtl.soc.axi_lite import AXILite, AXILiteTarget
from ..rtl.soc.register_map import REGISTER_ADDRESS_BITS

__all__ = ["StreamWindow"]


class StreamWindow(wiring.Component):
    """Streams in and out, a payload in as many words as it needs, lowest first.

    A payload is offered on ``o[k]`` when its last word is written, and taken from ``i[k]`` when
    its last word is read. What cannot be done now is answered SLVERR and changes nothing; the
    register STATUS tells before: bit k that ``o[k]`` takes a word, bit 16 + k that ``i[k]`` has
    one.

    Latency: 2 cycles from an access to its answer. Throughput: 1 access in 3 cycles.
    Back-pressure: an answer that waits keeps all later accesses waiting.
    Reset: synchronous; drops the words of payloads that are not whole.

    Parameters
    ----------
    pushes, pops : tuple of int
        Bits of the payloads that the host gives and takes.
    digest : int
        64 bits that tell configurations apart.

    Members
    -------
    axil : In(AXILite(REGISTER_ADDRESS_BITS))
        Bus of the host.
    o0, o1 : Out(stream.Signature(unsigned(pushes[k])))
        What the host gives.
    i0, i1 : In(stream.Signature(unsigned(pops[k])))
        What the host takes.
    """

    axil: Any

    def __init__(self, pushes: tuple[int, ...], pops: tuple[int, ...], digest: int):
        self._digest = digest
        super().__init__({
            "axil": In(AXILite(REGISTER_ADDRESS_BITS)),
            **{f"o{k}": Out(stream.Signature(unsigned(bits))) for k, bits in enumerate(pushes)},
            **{f"i{k}": In(stream.Signature(unsigned(bits))) for k, bits in enumerate(pops)},
        })
        self.pushes = [getattr(self, f"o{k}") for k in range(len(pushes))]
        self.pops = [getattr(self, f"i{k}") for k in range(len(pops))]

    def elaborate(self, platform):
        m = Module()
        m.submodules.bus = bus = AXILiteTarget(REGISTER_ADDRESS_BITS)
        connect(m, flipped(self.axil), bus.axil)
        done, free, full = Signal(), [], []
        m.d.comb += [bus.answered.eq(1), bus.fault.eq(~done)]
        place = bus.address[2:]
        for k, port in enumerate(self.pushes):
            free.append(room := Signal(name=f"room_{k}"))
            with m.If((place == (PUSHES + 16 * k) >> 2) & bus.write & room):
                m.d.comb += done.eq(1)
            self._push(m, port, bus, room, done & (place == (PUSHES + 16 * k) >> 2))
        for k, port in enumerate(self.pops):
            full.append(port.valid)
            with m.If((place == (POPS + 16 * k) >> 2) & bus.read & port.valid):
                m.d.comb += done.eq(1)
            self._pop(m, port, bus, done & (place == (POPS + 16 * k) >> 2))
        status = Cat(*free, Signal(16 - len(free)), *full)
        for offset, value in ((IDENTITY, STREAM_IDENTITY), (HASH, self._digest & 0xFFFFFFFF),
                              (HASH + 4, self._digest >> 32), (STATUS, status)):
            with m.If((place == offset >> 2) & bus.read):
                m.d.comb += [done.eq(1), bus.read_data.eq(value)]
        return m

    def _push(self, m: Module, port: Any, bus: AXILiteTarget, room: Signal, taken: Any) -> None:
        """Gather the words of a payload."""
        words = -(-len(port.payload) // WORD_BITS)
        held, count = Signal(len(port.payload)), Signal(range(words + 1))
        m.d.comb += [room.eq(~port.valid), port.payload.eq(held), port.valid.eq(count == words)]
        with m.If(port.valid & port.ready):
            m.d.sync += count.eq(0)
        with m.If(taken):
            m.d.sync += [held.word_select(count, WORD_BITS).eq(bus.data), count.eq(count + 1)]

    def _pop(self, m: Module, port: Any, bus: AXILiteTarget, taken: Any) -> None:
        """Give the words of a payload, and let it go with the last one."""
        words = -(-len(port.payload) // WORD_BITS)
        count = Signal(index_range(words))
        last = count == words - 1
        m.d.comb += port.ready.eq(taken & last)
        with m.If(taken):
            m.d.comb += bus.read_data.eq(port.payload >> (count * WORD_BITS))
            m.d.sync += count.eq(Mux(last, 0, count + 1))
