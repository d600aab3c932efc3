# SPDX-License-Identifier: Apache-2.0
"""AXI master: bursts of the arbiters to bursts on an AXI4 bus."""

from typing import Any

from amaranth import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..config import AcceleratorConfig
from .axi4 import AXI4, BURST_INCREMENTING, CACHE_NORMAL, RESPONSE_OKAY
from .memory_backend import ReadBackend, WriteBackend

__all__ = ["AXIMaster"]


class AXIMaster(wiring.Component):
    """Carry out bursts on an AXI4 bus; reads and writes do not wait for one another.

    All bursts have identifier 0, so that the bus keeps their order. How many are outstanding is
    the arbiters' choice.

    Latency: 1 cycle from a burst to its address on the bus; 0 cycles for data and answers.
    Throughput: 1 address, 1 word read and 1 word written per cycle.
    Back-pressure: channel by channel; ``wvalid`` does not wait for ``awready``.
    Reset: synchronous; the bus must be reset too.

    Parameters
    ----------
    config : AcceleratorConfig

    Members
    -------
    reads : In(ReadBackend(config))
        Bursts to read. An answer other than OKAY is an error.
    writes : In(WriteBackend(config))
        Bursts to write. An answer other than OKAY is an error.
    base : In(32)
        Byte address of word 0, a multiple of 4096; it does not change while bursts are in
        flight.
    axi : Out(AXI4(config.memory_bits))
        The bus.
    """

    reads: Any
    writes: Any
    base: Signal
    axi: Any

    def __init__(self, config: AcceleratorConfig):
        self.config = config
        super().__init__({
            "reads": In(ReadBackend(config)), "writes": In(WriteBackend(config)),
            "base": In(32), "axi": Out(AXI4(config.memory_bits)),
        })

    def elaborate(self, platform):
        m = Module()
        axi, response, word = self.axi, self.reads.response, self.writes.data
        acknowledgement = self.writes.acknowledgement
        self._address(m, "ar", self.reads.burst)
        self._address(m, "aw", self.writes.burst)
        m.d.comb += [
            response.p.data.eq(axi.rdata), response.p.last.eq(axi.rlast),
            response.p.error.eq(axi.rresp != RESPONSE_OKAY),
            response.valid.eq(axi.rvalid), axi.rready.eq(response.ready),
            axi.wdata.eq(word.p.data), axi.wlast.eq(word.p.last), axi.wstrb.eq(-1),
            axi.wvalid.eq(word.valid), word.ready.eq(axi.wready),
            acknowledgement.p.error.eq(axi.bresp != RESPONSE_OKAY),
            acknowledgement.valid.eq(axi.bvalid), axi.bready.eq(acknowledgement.ready),
        ]
        return m

    def _address(self, m: Module, channel: str, burst: stream.Interface) -> None:
        """Drive an address channel from registers."""
        def of(name):
            return getattr(self.axi, channel + name)

        word_bytes = self.config.memory_bits // 8
        m.d.comb += [
            burst.ready.eq(~of("valid") | of("ready")),
            of("size").eq(word_bytes.bit_length() - 1), of("burst").eq(BURST_INCREMENTING),
            of("cache").eq(CACHE_NORMAL),
        ]
        with m.If(burst.ready):
            m.d.sync += [
                of("valid").eq(burst.valid), of("len").eq(burst.p.words - 1),
                of("addr").eq(self.base + burst.p.address * word_bytes),
            ]
