# SPDX-License-Identifier: Apache-2.0
"""AXI4-Lite: the bus of the registers, and its side that answers."""

from typing import Any

from amaranth import Module, Mux, Signal
from amaranth.lib import enum, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["AXILite", "AXILiteTarget", "Response"]


class Response(enum.Enum, shape=2):
    """Answer of a target."""

    OKAY = 0
    SLVERR = 2


class AXILite(wiring.Signature):
    """AXI4-Lite with 32 data bits, as its initiator sees it.

    Parameters
    ----------
    address_bits : int
        Of a byte address.
    """

    def __init__(self, address_bits: int):
        self._address_bits = address_bits
        super().__init__({
            "awaddr": Out(address_bits), "awprot": Out(3), "awvalid": Out(1), "awready": In(1),
            "wdata": Out(32), "wstrb": Out(4), "wvalid": Out(1), "wready": In(1),
            "bresp": In(2), "bvalid": In(1), "bready": Out(1),
            "araddr": Out(address_bits), "arprot": Out(3), "arvalid": Out(1), "arready": In(1),
            "rdata": In(32), "rresp": In(2), "rvalid": In(1), "rready": Out(1),
        })

    @property
    def address_bits(self) -> int:
        """Bits of a byte address."""
        return self._address_bits

    def __eq__(self, other: object) -> bool:
        other = other.flip() if isinstance(other, wiring.FlippedSignature) else other
        return isinstance(other, AXILite) and other.address_bits == self.address_bits

    def __repr__(self) -> str:
        return f"AXILite({self.address_bits})"


class AXILiteTarget(wiring.Component):
    """Turn AXI4-Lite into one access at a time, reads and writes in turn if both wait.

    Latency: an access 1 cycle after its request is complete; the response 1 cycle after the
    answer. Throughput: 1 access in 3 cycles.
    Back-pressure: a response waits for the initiator, and with it all that comes after.
    Reset: synchronous; drops the access at work.

    Parameters
    ----------
    address_bits : int
        Of a byte address.

    Members
    -------
    axil : In(AXILite(address_bits))
        The bus.
    write : Out(1)
        A write, for one cycle; ``fault`` must answer in the same cycle.
    read : Out(1)
        A read, for one cycle.
    address : Out(address_bits)
        Byte address of either.
    data : Out(32)
        What to write.
    strobes : Out(4)
        Bytes to write.
    answered : In(1)
        The read is answered, in its cycle or later.
    read_data : In(32)
        What was read; with ``answered``.
    fault : In(1)
        The access is refused; with ``write`` or ``answered``.
    """

    axil: Any
    write: Signal
    read: Signal
    address: Signal
    data: Signal
    strobes: Signal
    answered: Signal
    read_data: Signal
    fault: Signal

    def __init__(self, address_bits: int):
        super().__init__({
            "axil": In(AXILite(address_bits)),
            "write": Out(1),
            "read": Out(1),
            "address": Out(address_bits),
            "data": Out(32),
            "strobes": Out(4),
            "answered": In(1),
            "read_data": In(32),
            "fault": In(1),
        })

    def elaborate(self, platform):
        m = Module()
        axil = self.axil
        read_next = Signal()  # a read goes first if a write waits as well
        refused = Signal()
        response = Mux(refused, Response.SLVERR, Response.OKAY)
        m.d.comb += [
            self.address.eq(axil.awaddr), self.data.eq(axil.wdata), self.strobes.eq(axil.wstrb),
            axil.bresp.eq(response), axil.rresp.eq(response),
        ]

        def take_read() -> None:
            with m.If(self.answered):
                m.d.sync += [axil.rdata.eq(self.read_data), refused.eq(self.fault)]
                m.next = "READ_RESPONSE"
            with m.Else():
                m.next = "READ_WAIT"

        # Requests are taken a cycle after they are seen: until then the initiator holds them, so
        # that no register need do so, and no ready hangs on a valid.
        with m.FSM():
            with m.State("IDLE"):
                with m.If(axil.awvalid & axil.wvalid & ~(axil.arvalid & read_next)):
                    m.next = "WRITE"
                with m.Elif(axil.arvalid):
                    m.next = "READ"
            with m.State("WRITE"):
                m.d.comb += [axil.awready.eq(1), axil.wready.eq(1), self.write.eq(1)]
                m.d.sync += [read_next.eq(1), refused.eq(self.fault)]
                m.next = "WRITE_RESPONSE"
            with m.State("READ"):
                m.d.comb += [axil.arready.eq(1), self.read.eq(1), self.address.eq(axil.araddr)]
                m.d.sync += read_next.eq(0)
                take_read()
            with m.State("READ_WAIT"):
                take_read()
            with m.State("WRITE_RESPONSE"):
                m.d.comb += axil.bvalid.eq(1)
                with m.If(axil.bready):
                    m.next = "IDLE"
            with m.State("READ_RESPONSE"):
                m.d.comb += axil.rvalid.eq(1)
                with m.If(axil.rready):
                    m.next = "IDLE"
        return m
