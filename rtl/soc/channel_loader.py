# SPDX-License-Identifier: Apache-2.0
"""Channel loader: what the post-processing needs of each output channel."""

from typing import Any

from amaranth import Module, Signal, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..config import AcceleratorConfig
from ..ftp.layouts import index_range
from .column_counter import count_columns
from .descriptor import descriptor_layout
from .memory_port import ReadClient
from .replay_buffer import ReplayBuffer

__all__ = ["ChannelLoader", "channel_record_layout"]

_RECORD_BITS = 128
_FIRST_BITS = {"bias": 0, "threshold": 32, "multiplier": 64, "shift": 80}  # of the fields


def channel_record_layout(config: AcceleratorConfig) -> data.StructLayout:
    """Return what is known of one output channel.

    Members
    -------
    bias : signed(psum_bits)
        Added to each psum.
    threshold : signed(psum_bits)
        Of the neurons of this channel.
    multiplier : unsigned(16)
        Of the requantization.
    shift : unsigned(5)
        Of the requantization, to the right.
    """
    return data.StructLayout({
        "bias": signed(config.psum_bits), "threshold": signed(config.psum_bits),
        "multiplier": unsigned(16), "shift": unsigned(5),
    })


class ChannelLoader(wiring.Component):
    """Read the channel records of a layer and give out those of each block for every tile.

    Same result as ``spikeloom.models.golden.channel_loader.loaded_channels``.

    Latency: 2 cycles from the last word of a record to ``o``.
    Throughput: 1 record per cycle from the buffer, 1 word per cycle from memory.
    Back-pressure: a full buffer stops ``memory.data``; a record waits as long as it must.
    Reset: synchronous; drops everything and clears ``error``. What is still to come from memory
    must not come.

    Parameters
    ----------
    config : AcceleratorConfig

    Members
    -------
    layer : In(descriptor_layout())
        Layer whose records to load; steady while ``busy``.
    start : In(1)
        Begin; counts while not ``busy``.
    memory : Out(ReadClient(config))
        Where the records lie.
    o : Out(stream.Signature(channel_record_layout(config)))
        Records in the order of the columns.
    busy : Out(1)
        High until the last record is taken.
    error : Out(1)
        Set for good by a layer without columns or tiles, or with a block that several
        tiles need and that has more than ``max_columns``.
    """

    layer: Any
    memory: Any
    o: stream.Interface
    start: Signal
    busy: Signal
    error: Signal

    def __init__(self, config: AcceleratorConfig):
        self.config = config
        super().__init__({
            "layer": In(descriptor_layout()),
            "start": In(1),
            "memory": Out(ReadClient(config)),
            "o": Out(stream.Signature(channel_record_layout(config))),
            "busy": Out(1),
            "error": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        if self.config.bounds.buffers:
            self._load_once(m)
        else:
            self._load_again(m)
        return m

    def _load_once(self, m: Module) -> None:
        """Add the way through a buffer, which gives out a block for each of its tiles."""
        config, layer, request = self.config, self.layer, self.memory.request
        m.submodules.buffer = buffer = ReplayBuffer(
            channel_record_layout(config), config.max_columns, config.tile_bits
        )
        requesting, wrong, legal = Signal(), Signal(), Signal()
        commands = Signal(config.bounds.output_bits)  # plays not asked for yet
        words = _RECORD_BITS // config.memory_bits
        m.d.comb += [
            legal.eq((layer.columns != 0) & (layer.block_columns != 0) & (layer.blocks != 0)
                     & (layer.tiles != 0)
                     & ((layer.tiles == 1) | (layer.block_columns <= config.max_columns))),
            request.p.address.eq(layer.channel_address),
            request.p.words.eq(layer.columns << (words - 1).bit_length()),
            request.valid.eq(requesting),
            buffer.i_plays.valid.eq(commands != 0),
            buffer.i_plays.payload.eq(layer.tiles),
            self.o.valid.eq(buffer.o.valid),
            buffer.o.ready.eq(self.o.ready),
            self.o.payload.eq(buffer.o.p.item),
            self.busy.eq(requesting | (commands != 0) | buffer.busy),
            self.error.eq(wrong | buffer.error),
        ]
        self._collect(m, buffer, words)
        with m.If(request.ready):
            m.d.sync += requesting.eq(0)
        with m.If(buffer.i_plays.valid & buffer.i_plays.ready):
            m.d.sync += commands.eq(commands - 1)
        with m.If(self.start):
            m.d.sync += wrong.eq(wrong | ~legal)
        with m.If(self.start & legal):
            m.d.sync += [requesting.eq(1), commands.eq(layer.blocks)]

    def _load_again(self, m: Module) -> None:
        """Add the way without a buffer: a request for each tile."""
        config, layer = self.config, self.layer
        request, source = self.memory.request, self.memory.data
        words = _RECORD_BITS // config.memory_bits
        rounds, requested = Signal(config.tile_bits), Signal()  # to be ended; the present one
        part, fire = Signal(range(words)), Signal()
        last = max(_FIRST_BITS[name] // config.memory_bits for name in self._needed)
        record, shown = self._gather(m, part, fire, last), part == last
        final, _ = count_columns(m, layer, fire & (part == words - 1), config)
        m.d.comb += [
            request.p.address.eq(layer.channel_address),
            request.p.words.eq(layer.columns << (words - 1).bit_length()),
            request.valid.eq(self.busy & ~requested),
            self.o.valid.eq(source.valid & shown), self.o.payload.eq(record),
            source.ready.eq(~shown | self.o.ready), fire.eq(source.valid & source.ready),
            self.busy.eq(rounds != 0),
        ]
        with m.If(request.valid & request.ready):
            m.d.sync += requested.eq(1)
        with m.If(fire):
            m.d.sync += part.eq(part + 1)  # words are a power of two
        with m.If(fire & (part == words - 1) & final):
            m.d.sync += [rounds.eq(rounds - 1), requested.eq(0)]
        with m.If(self.start):
            m.d.sync += rounds.eq(layer.tiles)

    @property
    def _needed(self) -> tuple[str, ...]:
        """Fields of a record that count."""
        return tuple(_FIRST_BITS)[:None if self.config.requantize else 2]

    def _gather(self, m: Module, part, fire, last: int) -> data.View:
        """Add the registers of a record; return it as it is with its word number ``last``."""
        record = Signal(channel_record_layout(self.config))
        for name in self._needed:
            index, place = divmod(_FIRST_BITS[name], self.config.memory_bits)
            field = self.memory.data.payload[place:place + len(record[name])]
            if index < last:  # wait for the rest of the record
                kept = Signal.like(field, name=name)
                with m.If(fire & (part == index)):
                    m.d.sync += kept.eq(field)
                field = kept
            m.d.comb += record[name].eq(field)
        return record

    def _collect(self, m: Module, buffer, words: int) -> None:
        """Add the way from words to records in the buffer."""
        source, record = self.memory.data, buffer.i.p.item
        record_end, fire = Signal(), Signal()
        part = Signal(index_range(words))
        final, _ = count_columns(m, self.layer, buffer.i.valid & buffer.i.ready, self.config)
        m.d.comb += [
            record_end.eq(part == words - 1),
            buffer.i.valid.eq(source.valid & record_end),
            buffer.i.p.final.eq(final),
            source.ready.eq(~record_end | buffer.i.ready),
            fire.eq(source.valid & source.ready),
        ]
        if words > 1:
            with m.If(fire):
                m.d.sync += part.eq(part + 1)  # words are a power of two
        m.d.comb += record.eq(self._gather(m, part, fire, words - 1))
