# SPDX-License-Identifier: Apache-2.0
"""Chunk writer: compressed fibers to chunk slots in memory."""

from typing import Any

from amaranth import Array, Cat, Const, Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from ..config import AcceleratorConfig, beat_slot_bits
from ..ftp.compressor import fiber_layout
from ..ftp.layouts import index_range
from .descriptor import descriptor_layout
from .memory_port import WriteClient
from .tiles import slots_layout

__all__ = ["ChunkWriter"]


class ChunkWriter(wiring.Component):
    """Write each chunk of the output map to its slot: bitmask words, then words of values.

    Row r of a tile is lane pass ``r % out_passes`` of window ``r // out_passes``. A chunk is
    collected while the former is written; only the words that it needs are.

    Same result as ``spikeloom.models.golden.chunk_writer.written_chunks``.

    With ``limits.serial`` words are written one by one, each as soon as it is known.

    Latency: 2 cycles from the last beat of a chunk to its write request, if the former is gone.
    Throughput: 1 beat per cycle and ``mask_words`` cycles more for a chunk; 1 word per cycle
    out and 2 cycles more for a request.
    Back-pressure: with two chunks held ``i`` stops.
    Reset: synchronous; drops everything. The memory must drop a write request that is begun.

    Parameters
    ----------
    config : AcceleratorConfig

    Members
    -------
    layer : In(descriptor_layout())
        Layer whose output comes; steady while ``busy``.
    i_slots : In(stream.Signature(slots_layout(config)))
        Where the chunks of the next tile go.
    i : In(stream.Signature(fiber_layout(config)))
        Beats of a tile: the first chunk of all rows, then the second of all rows, and so on.
    memory : Out(WriteClient(config))
        Where the map lies.
    busy : Out(1)
        High from the first transfer of a tile until its last word is handed over.
    """

    layer: Any
    memory: Any
    i_slots: stream.Interface
    i: stream.Interface
    busy: Signal

    def __init__(self, config: AcceleratorConfig):
        self.config = config
        super().__init__({
            "layer": In(descriptor_layout()),
            "i_slots": In(stream.Signature(slots_layout(config))),
            "i": In(stream.Signature(fiber_layout(config))),
            "memory": Out(WriteClient(config)),
            "busy": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        config = self.config
        if config.is_serial:
            self._write_words(m)
            return m
        slot_words = config.mask_words - (-config.chunk_beats // config.spike_beats_per_word)
        m.submodules.words = words = Memory(  # two banks
            shape=unsigned(config.memory_bits), depth=2 << (slot_words - 1).bit_length(), init=[]
        )
        chunk_layout = data.StructLayout({"words": range(slot_words + 1), "last": unsigned(1)})
        chunks = Array(Signal(chunk_layout, name=f"chunk_{bank}") for bank in range(2))
        full, release = Signal(range(3)), Signal()
        collecting = self._collect(m, words.write_port(), chunks, full, release)
        active = self._send(m, words.read_port(), chunks, full, release)
        m.d.comb += self.busy.eq(collecting | active | (full != 0) | self.memory.data.valid)
        return m

    def _write_words(self, m: Module) -> None:
        """Write each word as soon as it is known: those of values, then the bitmask."""
        mask_words, beat = self.config.mask_words, self.i.p
        most = -(-self.config.chunk_beats // self.config.spike_beats_per_word)
        request, word = self.memory.request, self.memory.data
        part = Signal(range(mask_words + 1))  # mask words written
        place = Signal(range(mask_words, mask_words + most + 1), init=mask_words)
        written, requested = Signal(), Signal()  # values of this beat; the present word
        value_next, mask_next, fire, done = Signal(), Signal(), Signal(), Signal()
        packed, word_end = self._pack(m, fire)
        slot, active = self._walk(m, fire & beat.end, beat.last)
        held = self.i.valid & active
        m.d.comb += [
            value_next.eq(held & word_end & ~written & ~(beat.end & (beat.mask == 0))),
            mask_next.eq(held & beat.end & ~value_next & (part != mask_words)),
            request.valid.eq((value_next | mask_next) & ~requested),
            request.p.address.eq(slot + Mux(value_next, place, part)),
            request.p.words.eq(1),
            word.valid.eq(requested),
            word.payload.eq(Mux(value_next, packed, beat.mask.word_select(
                part, self.config.memory_bits))),
            done.eq(requested & word.ready),
            fire.eq(held & ~value_next & ~mask_next), self.i.ready.eq(active & fire),
            self.busy.eq(active | self.i.valid),
        ]
        with m.If(request.valid & request.ready):
            m.d.sync += requested.eq(1)
        with m.If(done):
            m.d.sync += requested.eq(0)
            with m.If(value_next):
                m.d.sync += [written.eq(1), place.eq(place + 1)]
            with m.Else():
                m.d.sync += part.eq(part + 1)
        with m.If(fire):
            m.d.sync += written.eq(0)
        with m.If(fire & beat.end):
            m.d.sync += [part.eq(0), place.eq(mask_words)]

    def _collect(self, m: Module, write, chunks, full, release) -> Signal:
        """Add the side that fills a bank; return whether a chunk is begun.

        The bitmask comes with the last beat: that one waits until the mask words are stored.
        """
        mask_words, beat = self.config.mask_words, self.i.p
        bank, begun = Signal(), Signal()
        part = Signal(range(mask_words + 1))  # mask words stored
        place, used = Signal.like(chunks[0].words, init=mask_words), Signal.like(chunks[0].words)
        in_mask, fire, complete, keep = Signal(), Signal(), Signal(), Signal()
        word, word_end = self._pack(m, fire)
        m.d.comb += [
            in_mask.eq(beat.end & (part != mask_words)),
            self.i.ready.eq((full != 2) & ~in_mask),
            fire.eq(self.i.valid & self.i.ready),
            complete.eq(fire & beat.end),
            keep.eq(fire & word_end & ~(beat.end & (beat.mask == 0))),
            used.eq(place + keep),
            write.en.eq(keep | (self.i.valid & (full != 2) & in_mask)),
            write.addr.eq(Cat(Mux(in_mask, part, place)[:len(write.addr) - 1], bank)),
            write.data.eq(Mux(
                in_mask, beat.mask.word_select(part, self.config.memory_bits), word
            )),
        ]
        m.d.sync += full.eq(full + complete - release)
        with m.If(fire):
            m.d.sync += [begun.eq(~beat.end), place.eq(Mux(beat.end, mask_words, used))]
        with m.If(complete):
            m.d.sync += [part.eq(0), bank.eq(~bank)]
        with m.Elif(write.en & in_mask):
            m.d.sync += part.eq(part + 1)
        for index, chunk in enumerate(chunks):
            with m.If(complete & (bank == index)):
                m.d.sync += [chunk.words.eq(used), chunk.last.eq(beat.last)]
        return begun

    def _pack(self, m: Module, fire):
        """Add the word under construction; return it with the present beat, and if it is whole."""
        slots, values = self.config.spike_beats_per_word, self.i.p.values.as_value()
        if slots == 1:
            return values, Const(1)
        width = beat_slot_bits(self.config.beat_values, self.config.timesteps)
        former = [Signal.like(values, name=f"former_{index}") for index in range(slots - 1)]
        slot, word, word_end = Signal(range(slots)), Signal(slots * width), Signal()
        m.d.comb += word_end.eq(self.i.p.end | (slot == slots - 1))
        with m.If(fire):
            m.d.sync += slot.eq(Mux(word_end, 0, slot + 1))
        for index, kept in enumerate([*former, Const(0)]):
            place = word[index * width:index * width + len(values)]
            m.d.comb += place.eq(Mux(slot == index, values, kept))
        for index, kept in enumerate(former):
            with m.If(fire & (word_end | (slot == index))):
                m.d.sync += kept.eq(Mux(word_end, 0, values))
        return word, word_end

    def _send(self, m: Module, read, chunks, full, release) -> Signal:
        """Add the side that writes a bank, in bursts; return whether a tile is at work."""
        request, word = self.memory.request, self.memory.data
        bank, sending, flow, step = Signal(), Signal(), Signal(), Signal()
        chunk = chunks[bank]
        count = Signal.like(chunks[0].words)
        left, burst, place = Signal.like(count), Signal.like(count), Signal.like(count)
        slot, active = self._walk(m, release, chunk.last)
        m.d.comb += [
            count.eq(Mux(left > self.config.burst_words, self.config.burst_words, left)),
            request.valid.eq(sending & (left != 0) & (burst == 0) & ~word.valid),
            request.p.address.eq(slot + place),
            request.p.words.eq(count),
            flow.eq(~word.valid | word.ready),
            step.eq(flow & (burst != 0)),
            release.eq(step & (burst == 1) & (left == 0)),
            read.en.eq(step),
            read.addr.eq(Cat(place[:len(read.addr) - 1], bank)),
            word.payload.eq(read.data),
        ]
        with m.If(flow):
            m.d.sync += word.valid.eq(step)
        with m.If(request.valid & request.ready):
            m.d.sync += [left.eq(left - count), burst.eq(count)]
        with m.If(step):
            m.d.sync += [burst.eq(burst - 1), place.eq(place + 1)]
        with m.If(release):
            m.d.sync += [bank.eq(~bank), sending.eq(0)]
        with m.If(~sending & active & (full != 0)):
            m.d.sync += [sending.eq(1), left.eq(chunk.words), place.eq(0)]
        return active

    def _walk(self, m: Module, step, last):
        """Add the walk over the slots of a tile; return the present one and if there is one."""
        layer = self.layer
        active, rows = Signal(), Signal.like(self.i_slots.p.rows)
        row = Signal(index_range(self.config.tile_rows))
        lane_pass = Signal(self.config.row_bits)
        address_bits = self.config.bounds.address_bits
        chunk, window, slot = (Signal(address_bits, name=name)  # first slot of each
                               for name in ("chunk", "window", "slot"))
        row_end, window_end = Signal(), Signal()
        chunk_next, window_next = Signal.like(chunk), Signal.like(window)
        m.d.comb += [
            self.i_slots.ready.eq(~active),
            row_end.eq((row + 1 == rows) | (self.config.tile_rows == 1)),
            window_end.eq(lane_pass + 1 == layer.out_passes),
            chunk_next.eq(Mux(active, chunk + layer.out_chunk_pitch, self.i_slots.p.address)),
            window_next.eq(window + layer.out_pixel_pitch),
        ]
        with m.If(~active):
            m.d.sync += [active.eq(self.i_slots.valid), rows.eq(self.i_slots.p.rows)]
        with m.Elif(step & row_end & last):
            m.d.sync += active.eq(0)
        with m.If(~active | (step & row_end)):
            m.d.sync += [chunk.eq(chunk_next), window.eq(chunk_next), slot.eq(chunk_next)]
        with m.Elif(step & window_end):
            m.d.sync += [window.eq(window_next), slot.eq(window_next)]
        with m.Elif(step):
            m.d.sync += slot.eq(slot + layer.out_pass_pitch)
        with m.If(step):
            m.d.sync += [
                row.eq(Mux(row_end, 0, row + 1)),
                lane_pass.eq(Mux(row_end | window_end, 0, lane_pass + 1)),
            ]
        return slot, active
