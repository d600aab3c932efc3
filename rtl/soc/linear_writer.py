# SPDX-License-Identifier: Apache-2.0
"""Linear writer: items to consecutive words of memory."""

from typing import Any

from amaranth import Const, Module, Mux, Signal, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out

from ..config import AcceleratorConfig
from .memory_port import ADDRESS_BITS, WriteClient

__all__ = ["LinearWriter"]


class LinearWriter(wiring.Component):
    """Pack items into words and write these in bursts, one after another.

    Same result as ``spikeloom.models.golden.linear_writer.packed_words``.

    Latency: 1 cycle from the last item of a burst to its request.
    Throughput: 1 item per cycle, or 1 word if an item takes several; 1 word per cycle out and 1
    cycle more for a request.
    Back-pressure: with two bursts held, and while ``flush`` is at work, ``i`` stops.
    Reset: synchronous; drops everything. The memory must drop a write request that is begun.

    Parameters
    ----------
    config : AcceleratorConfig
    item_bits : int
        Bits of an item, a power of two.

    Members
    -------
    start : In(1)
        Go to ``address``; counts while not ``busy``.
    address : In(32)
        Where the first word goes; counts with ``start``.
    flush : In(1)
        Write what is held; the rest of the last word is zero. Items taken before, and in the
        same cycle, are included.
    i : In(stream.Signature(unsigned(item_bits)))
        Items; the first one goes to the lowest bits.
    memory : Out(WriteClient(config))
        Where the words go.
    busy : Out(1)
        High while anything is held that is not handed over.
    """

    memory: Any
    i: stream.Interface
    start: Signal
    address: Signal
    flush: Signal
    busy: Signal

    def __init__(self, config: AcceleratorConfig, item_bits: int):
        self.config = config
        self.item_bits = item_bits
        super().__init__({
            "start": In(1),
            "address": In(ADDRESS_BITS),
            "flush": In(1),
            "i": In(stream.Signature(unsigned(item_bits))),
            "memory": Out(WriteClient(config)),
            "busy": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        config, request, word = self.config, self.memory.request, self.memory.data
        if config.is_serial and self.item_bits == config.memory_bits:
            self._write_each(m)
            return m
        words: Any = SyncFIFOBuffered(
            width=config.memory_bits, depth=2 * config.burst_words
        )
        m.submodules.words = words
        flushing, whole, place = Signal(), Signal(), Signal(config.bounds.address_bits)
        count, left = (Signal(range(config.burst_words + 1), name=name)
                       for name in ("count", "left"))  # words of the next and present burst
        begun = self._pack(m, words, flushing)
        m.d.comb += [
            whole.eq(words.level >= config.burst_words),
            count.eq(Mux(whole, config.burst_words, words.level)),
            request.valid.eq((left == 0) & (whole | (flushing & ~begun & (words.level != 0)))),
            request.p.address.eq(place),
            request.p.words.eq(count),
            word.valid.eq((left != 0) & words.r_rdy),
            word.payload.eq(words.r_data),
            words.r_en.eq(word.valid & word.ready),
            self.busy.eq(begun | flushing | (words.level != 0)),
        ]
        with m.If(request.valid & request.ready):
            m.d.sync += [left.eq(count), place.eq(place + count)]
        with m.Elif(words.r_en):
            m.d.sync += left.eq(left - 1)
        with m.If(self.flush):
            m.d.sync += flushing.eq(1)
        with m.Elif(~begun & (words.level == 0)):
            m.d.sync += flushing.eq(0)
        with m.If(self.start):
            m.d.sync += place.eq(self.address)
        return m

    def _write_each(self, m: Module) -> None:
        """Write each item as it comes, which is a word."""
        request, word = self.memory.request, self.memory.data
        place, requested = Signal(self.config.bounds.address_bits), Signal()
        m.d.comb += [
            request.valid.eq(self.i.valid & ~requested),
            request.p.address.eq(place), request.p.words.eq(1),
            word.valid.eq(self.i.valid & requested), word.payload.eq(self.i.payload),
            self.i.ready.eq(requested & word.ready),
            self.busy.eq(self.i.valid),
        ]
        with m.If(request.valid & request.ready):
            m.d.sync += requested.eq(1)
        with m.If(word.valid & word.ready):
            m.d.sync += [requested.eq(0), place.eq(place + 1)]
        with m.If(self.start):
            m.d.sync += place.eq(self.address)

    def _pack(self, m: Module, words, flushing):
        """Add the way from items to words; return whether a word or an item is begun."""
        if self.item_bits < self.config.memory_bits:
            return self._join(m, words, flushing)
        if self.item_bits == self.config.memory_bits:
            m.d.comb += [
                self.i.ready.eq(words.w_rdy & ~flushing),
                words.w_en.eq(self.i.valid & self.i.ready),
                words.w_data.eq(self.i.payload),
            ]
            return Const(0)
        return self._split(m, words, flushing)

    def _join(self, m: Module, words, flushing):
        """Add the way from items to words, several items in a word."""
        bits, items = self.item_bits, self.config.memory_bits // self.item_bits
        former, place = Signal(self.config.memory_bits - bits), Signal(range(items))
        begun, word_end = Signal(), Signal()
        m.d.comb += [
            begun.eq(place != 0),
            word_end.eq(place == items - 1),
            self.i.ready.eq(words.w_rdy & ~flushing),
            words.w_data.eq(former | Mux(flushing, 0, self.i.payload << place * bits)),
            words.w_en.eq(Mux(flushing, begun & words.w_rdy,
                              self.i.valid & self.i.ready & word_end)),
        ]
        with m.If(words.w_en):
            m.d.sync += [former.eq(0), place.eq(0)]
        with m.Elif(self.i.valid & self.i.ready):
            m.d.sync += [former.eq(words.w_data), place.eq(place + 1)]
        return begun

    def _split(self, m: Module, words, flushing):
        """Add the way from items to words, several words for an item."""
        width = self.config.memory_bits
        parts = self.item_bits // width
        part, begun = Signal(range(parts)), Signal()
        m.d.comb += [
            begun.eq(part != 0),
            words.w_en.eq(self.i.valid & words.w_rdy & (begun | ~flushing)),
            words.w_data.eq(self.i.payload.word_select(part, width)),
            self.i.ready.eq(words.w_rdy & (part == parts - 1)),
        ]
        with m.If(words.w_en):
            m.d.sync += part.eq(part + 1)  # parts are a power of two
        return begun
