# SPDX-License-Identifier: Apache-2.0
"""Linear reader: residuals from memory, one neuron after another."""

import itertools
from typing import Any

from amaranth import Cat, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..config import AcceleratorConfig
from .memory_port import ADDRESS_BITS, ReadClient
from .residual_format import residuals_layout

__all__ = ["LinearReader"]


class LinearReader(wiring.Component):
    """Read consecutive words and give out the residuals that they hold.

    Same result as ``spikeloom.models.golden.linear_reader.read_residuals``.

    Latency: 1 cycle from a word to ``o``, or 0 if an item takes several words and that was its
    last. Throughput: 1 item per cycle, or 1 word if an item takes several.
    Back-pressure: an item that waits stops ``memory.data``.
    Reset: synchronous; drops everything. What is still to come from memory must not come.

    Parameters
    ----------
    config : AcceleratorConfig

    Members
    -------
    start : In(1)
        Begin; drops the items that are left of the last word. Counts while not ``busy``.
    address : In(32)
        First word; steady while ``busy``.
    words : In(32)
        How many; steady while ``busy``.
    memory : Out(ReadClient(config))
        Where the residuals lie.
    o : Out(stream.Signature(residuals_layout(config)))
        Residuals in the order of the words, lowest bits first.
    busy : Out(1)
        High until the last word has come.
    """

    memory: Any
    o: stream.Interface
    start: Signal
    address: Signal
    words: Signal
    busy: Signal

    def __init__(self, config: AcceleratorConfig):
        self.config = config
        super().__init__({
            "start": In(1),
            "address": In(ADDRESS_BITS),
            "words": In(32),
            "memory": Out(ReadClient(config)),
            "o": Out(stream.Signature(residuals_layout(config))),
            "busy": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        request, source = self.memory.request, self.memory.data
        requesting, left = Signal(), Signal(self.config.bounds.address_bits)  # words to come
        m.d.comb += [
            request.p.address.eq(self.address),
            request.p.words.eq(self.words),
            request.valid.eq(requesting),
            self.busy.eq(left != 0),
        ]
        if self.config.residual_bits > self.config.memory_bits:
            self._join(m)
        else:
            self._split(m)
        with m.If(request.ready):
            m.d.sync += requesting.eq(0)
        with m.If(source.valid & source.ready):
            m.d.sync += left.eq(left - 1)
        with m.If(self.start):
            m.d.sync += [requesting.eq(self.words != 0), left.eq(self.words)]
        return m

    def _split(self, m: Module) -> None:
        """Add the way from words to items, one or more in a word."""
        source, bits = self.memory.data, self.config.residual_bits
        used = len(self.o.payload.as_value())
        items = [Signal(used, name=f"item_{index}")
                 for index in range(self.config.memory_bits // bits)]
        held, done = Signal(), Signal()
        m.d.comb += [
            self.o.valid.eq(held),
            self.o.payload.eq(items[0]),
            source.ready.eq(~held | done),
        ]
        if len(items) == 1:
            m.d.comb += done.eq(self.o.ready)
        else:
            place = Signal(range(len(items)))
            m.d.comb += done.eq(self.o.ready & (place == len(items) - 1))
            with m.If(held & self.o.ready):
                m.d.sync += [item.eq(above) for item, above in itertools.pairwise(items)]
                m.d.sync += place.eq(place + 1)
            with m.If(self.start):
                m.d.sync += place.eq(0)
        with m.If(source.ready):
            m.d.sync += held.eq(source.valid)
            for index, item in enumerate(items):
                m.d.sync += item.eq(source.payload[index * bits:])
        with m.If(self.start):
            m.d.sync += held.eq(0)

    def _join(self, m: Module) -> None:
        """Add the way from words to items, several words for one."""
        source, width = self.memory.data, self.config.memory_bits
        used, words = len(self.o.payload.as_value()), self.config.residual_bits // width
        former, part = Signal(min(used, (words - 1) * width)), Signal(range(words))
        fire, item_end = Signal(), Signal()
        m.d.comb += [
            item_end.eq(part == words - 1),
            self.o.valid.eq(source.valid & item_end),
            self.o.payload.eq(Cat(former, source.payload)[:used]),
            source.ready.eq(~item_end | self.o.ready),
            fire.eq(source.valid & source.ready),
        ]
        for index in range(-(-len(former) // width)):
            with m.If(fire & (part == index)):
                m.d.sync += former[index * width:(index + 1) * width].eq(source.payload)
        with m.If(fire):
            m.d.sync += part.eq(part + 1)  # words are a power of two
        with m.If(self.start):
            m.d.sync += part.eq(0)
