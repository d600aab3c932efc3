# SPDX-License-Identifier: Apache-2.0
"""CRC of a program image."""

from amaranth import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.crc.catalog import CRC32_ISO_HDLC
from amaranth.lib.wiring import In, Out

from ..config import AcceleratorConfig

__all__ = ["ImageCheck"]


class ImageCheck(wiring.Component):
    """Tell whether words that end with their CRC-32 (that of zlib) are as they were written.

    Latency: ``good`` holds 1 cycle after the last word. Throughput: 1 word per cycle.
    Back-pressure: none, ``i`` is always ready.
    Reset: synchronous; begins anew.

    Parameters
    ----------
    config : AcceleratorConfig

    Members
    -------
    start : In(1)
        Begin anew.
    i : In(stream.Signature(unsigned(memory_bits)))
        Words.
    good : Out(1)
        The words so far end with the CRC of those before.
    """

    start: Signal
    i: stream.Interface
    good: Signal

    def __init__(self, config: AcceleratorConfig):
        self.config = config
        super().__init__({
            "start": In(1),
            "i": In(stream.Signature(config.memory_bits)),
            "good": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.crc = crc = CRC32_ISO_HDLC(data_width=self.config.memory_bits).create()
        m.d.comb += [
            crc.start.eq(self.start), crc.data.eq(self.i.payload), crc.valid.eq(self.i.valid),
            self.i.ready.eq(1), self.good.eq(crc.match_detected),
        ]
        return m
