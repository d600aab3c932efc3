# SPDX-License-Identifier: Apache-2.0
"""GELU, or any other function of a few bits: a table that is written first."""

from amaranth import Module, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from ..config import VitConfig

__all__ = ["GELU", "entry_layout"]


def entry_layout(config: VitConfig) -> data.StructLayout:
    """Return one entry of the table.

    Members
    -------
    value : signed(value_bits)
        Value that is looked up.
    result : signed(value_bits)
        What it becomes.
    """
    return data.StructLayout({"value": signed(config.value_bits),
                              "result": signed(config.value_bits)})


class GELU(wiring.Component):
    """Look values up.

    Same result as ``spikeloom.models.golden.gelu.gelu``.

    Latency: 1 cycle. Throughput: 1 value per cycle.
    Back-pressure: a result that waits on ``o`` stops ``i`` in the same cycle.
    Reset: synchronous; drops the result that waits, the table stays.

    Parameters
    ----------
    config : VitConfig

    Members
    -------
    entry : In(entry_layout(config))
        Entry to write; it counts for values that come in later cycles.
    entry_en : In(1)
        Write it.
    i : In(stream.Signature(signed(value_bits)))
        Values.
    o : Out(stream.Signature(signed(value_bits)))
        Results.
    """

    entry: data.View
    entry_en: Signal
    i: stream.Interface
    o: stream.Interface

    def __init__(self, config: VitConfig):
        self.config = config
        super().__init__({
            "entry": In(entry_layout(config)),
            "entry_en": In(1),
            "i": In(stream.Signature(signed(config.value_bits))),
            "o": Out(stream.Signature(signed(config.value_bits))),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.table = memory = Memory(
            shape=signed(self.config.value_bits), depth=1 << self.config.value_bits, init=[])
        write, read = memory.write_port(), memory.read_port()
        m.d.comb += [
            write.addr.eq(self.entry.value), write.data.eq(self.entry.result),
            write.en.eq(self.entry_en),
            read.addr.eq(self.i.payload), read.en.eq(self.i.ready & self.i.valid),
            self.i.ready.eq(~self.o.valid | self.o.ready),
            self.o.payload.eq(read.data),
        ]
        with m.If(self.i.ready):
            m.d.sync += self.o.valid.eq(self.i.valid)
        return m
