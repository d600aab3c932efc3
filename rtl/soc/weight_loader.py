# SPDX-License-Identifier: Apache-2.0
"""Weight loader: the weights of a layer from memory, as often as its tiles need them."""

from typing import Any

from amaranth import Const, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from ..config import AcceleratorConfig
from ..ftp.column_buffer import column_beat_layout
from ..pe.layouts import list_beat_layout
from .descriptor import Operation, descriptor_layout
from .list_unpacker import delta_choices
from .memory_port import ReadClient
from .replay_buffer import ReplayBuffer
from .weight_decoder import WeightDecoder
from .weight_lister import WeightLister

__all__ = ["WeightLoader", "weight_beat_layout"]


def weight_beat_layout(config: AcceleratorConfig) -> data.StructLayout:
    """Return a beat of weights as the elements take them: of a fiber with bitmasks, or of a list.

    Members
    -------
    values : column_beat_layout(config)["values"].shape
        With bitmasks: packed weights, lowest position first.
    end : unsigned(1)
        With bitmasks: last beat of its chunk; mask and last count in this beat only.
    mask : unsigned(C)
        With bitmasks: bit p is set if position p of the chunk is not zero.
    last : unsigned(1)
        With bitmasks: last chunk of its column.
    entries : list_beat_layout(config)["entries"].shape
        With lists: places and weights; entry i is of bank i.
    column_end : unsigned(1)
        With lists: last beat of its column.
    final : unsigned(1)
        Last column of the tile; counts with the last beat of the column.
    """
    return list_beat_layout(config) if config.looks_up else column_beat_layout(config)


class WeightLoader(wiring.Component):
    """Read the weight blocks of a layer and give out each of them for every tile.

    A block is read once and kept in the buffer while its tiles are computed; the next one comes
    in meanwhile. With ``flags.stream_weights`` the one block is read again for each tile, so
    that it may be longer than the buffer. Without ``bounds.buffers`` there is no buffer, and a
    layer of several tiles must be one of these.

    Same columns as ``spikeloom.models.golden.weight_loader.loaded_columns`` or ``loaded_lists``.

    Latency: 3 cycles from a word of the memory to its first beat.
    Throughput: 1 beat per cycle from the buffer; as the memory's words come otherwise.
    Back-pressure: a full buffer stops ``memory.data``; a beat waits as long as it must.
    Reset: synchronous; drops everything and clears ``error``. What is still to come from memory
    must not come.

    Parameters
    ----------
    config : AcceleratorConfig

    Members
    -------
    layer : In(descriptor_layout())
        Layer to load; steady while ``busy``.
    start : In(1)
        Begin; counts while not ``busy``.
    memory : Out(ReadClient(config))
        Where the weights lie.
    o : Out(stream.Signature(weight_beat_layout(config)))
        Beats of the columns; ``final`` marks the last column of each tile.
    busy : Out(1)
        High until the last beat is taken.
    error : Out(1)
        Set for good by a layer without weights, with words or blocks that do not fit its
        columns, or with a block that several tiles need and that is longer than the buffer.
    unsupported : Out(1)
        The layer's weights have a format that is not built.
    """

    layer: Any
    memory: Any
    o: stream.Interface
    start: Signal
    busy: Signal
    error: Signal
    unsupported: Signal

    def __init__(self, config: AcceleratorConfig):
        self.config = config
        super().__init__({
            "layer": In(descriptor_layout()),
            "start": In(1),
            "memory": Out(ReadClient(config)),
            "o": Out(stream.Signature(weight_beat_layout(config))),
            "busy": Out(1),
            "error": Out(1),
            "unsupported": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        config, layer, request = self.config, self.layer, self.memory.request
        decoder: Any = WeightLister(config) if config.looks_up else WeightDecoder(config)
        m.submodules.decoder = decoder
        requests = Signal(config.tile_bits)  # not given yet
        legal, begin, wrong = Signal(), Signal(), Signal()
        streaming = layer.flags.stream_weights
        if config.bounds.buffers:
            playing, overflow = self._add_buffer(m, decoder, streaming, begin)
        else:
            connect(m, decoder.o, flipped(self.o))
            playing, overflow = Const(0), Const(0)
        counts = (layer.weight_words, layer.tiles, layer.blocks, layer.columns,
                  layer.block_columns, layer.chunks)
        m.d.comb += [
            legal.eq(~(streaming & (layer.blocks != 1))),
            begin.eq(self.start & legal),
            decoder.layer.eq(layer),
            decoder.start.eq(begin),
            decoder.rounds.eq(Mux(streaming, layer.tiles, 1)),
            request.p.address.eq(layer.weight_address),
            request.p.words.eq(layer.weight_words),
            request.valid.eq(requests != 0),
            self.busy.eq((requests != 0) | decoder.busy | playing),
            self.error.eq(wrong | decoder.error | overflow),
            self.unsupported.eq(
                (layer.operation == Operation.LAYER) & layer.weight_list & ~self._lists()),
        ]
        for count in counts:
            with m.If(count == 0):
                m.d.comb += legal.eq(0)
        connect(m, decoder.i, flipped(self.memory).data)
        with m.If(request.valid & request.ready):
            m.d.sync += requests.eq(requests - 1)
        with m.If(begin):
            m.d.sync += requests.eq(decoder.rounds)
        with m.If(self.start & ~legal):
            m.d.sync += wrong.eq(1)
        return m

    def _add_buffer(self, m: Module, decoder, streaming, begin):
        """Add the way of the beats through the buffer.

        Returns whether a beat is still to come from there, and whether a block is too long.
        """
        config, layer = self.config, self.layer
        # ``final`` counts with the end of a column and is the end of the block, stored anyway
        item_layout = data.StructLayout({
            name: field.shape for name, field in weight_beat_layout(config) if name != "final"
        })
        m.submodules.buffer = buffer = ReplayBuffer(
            item_layout, config.weight_buffer_beats, config.tile_bits)
        commands = Signal(config.tile_bits)  # not given yet
        m.d.comb += [
            buffer.i_plays.valid.eq(commands != 0),
            buffer.i_plays.payload.eq(Mux(streaming, 1, layer.tiles)),
        ]
        with m.If(buffer.i_plays.valid & buffer.i_plays.ready):
            m.d.sync += commands.eq(commands - 1)
        with m.If(begin):
            m.d.sync += commands.eq(Mux(streaming, layer.tiles, layer.blocks))
        self._connect_beats(m, decoder, buffer)
        return (commands != 0) | buffer.busy, buffer.error

    def _connect_beats(self, m: Module, decoder, buffer) -> None:
        """Connect the beats; the end of a block is that of its last column."""
        beat = decoder.o.p
        column_end = beat.column_end if self.config.looks_up else beat.end & beat.last
        m.d.comb += [
            buffer.i.valid.eq(decoder.o.valid),
            decoder.o.ready.eq(buffer.i.ready),
            buffer.i.p.final.eq(column_end & beat.final),
            self.o.valid.eq(buffer.o.valid),
            buffer.o.ready.eq(self.o.ready),
            self.o.p.final.eq(buffer.o.p.final),
        ]
        for name, _ in buffer.i.p.item.shape():
            m.d.comb += [
                buffer.i.p.item[name].eq(beat[name]), self.o.p[name].eq(buffer.o.p.item[name]),
            ]

    def _lists(self):
        """Return whether lists like those of the layer can be taken apart."""
        if not self.config.looks_up:
            return Const(0)
        return self.layer.delta_bits <= delta_choices(self.config)[-1]
