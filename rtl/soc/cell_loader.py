# SPDX-License-Identifier: Apache-2.0
"""Cell loader: what the cells of the crossbars shall hold for a layer, from memory."""

from typing import Any

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..config import AcceleratorConfig
from ..ftp.layouts import index_range
from ..imc.layouts import cell_layout
from .descriptor import descriptor_layout
from .memory_port import ReadClient

__all__ = ["CELL_BITS", "CellLoader"]

CELL_BITS = 16  # of a cell in memory: 15 of its value, and above them whether it is negative


class CellLoader(wiring.Component):
    """Read the cells of a layer's weight blocks and tell where each belongs.

    A block has the wordlines that the positions of a row need, R in each macro and what is left
    in the last one; behind the rows of a macro come the offsets of its ADCs. A row has all
    columns. A block ends with a whole word.

    Equal in every bit to ``spikeloom.models.golden.cell_loader.loaded_cells``.

    Latency: 0 cycles from a word to its first cell. Throughput: 1 cell per cycle.
    Back-pressure: a cell that waits stops ``memory.data``.
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
        Where the cells lie.
    o : Out(stream.Signature(cell_layout(config.crossbar)))
        Cells in the order of the words, lowest bits first.
    busy : Out(1)
        High until the last cell is taken.
    error : Out(1)
        Set for good by a layer without weights, one that the macros cannot hold, and one whose
        words or blocks do not fit its columns.
    """

    layer: Any
    memory: Any
    o: stream.Interface
    start: Signal
    busy: Signal
    error: Signal

    def __init__(self, config: AcceleratorConfig):
        assert config.crossbar is not None
        self.config, self.crossbar = config, config.crossbar
        super().__init__({
            "layer": In(descriptor_layout()),
            "start": In(1),
            "memory": Out(ReadClient(config)),
            "o": Out(stream.Signature(cell_layout(config.crossbar))),
            "busy": Out(1),
            "error": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        layer, request, word = self.layer, self.memory.request, self.memory.data
        slots = self.config.memory_bits // CELL_BITS
        slot, requesting, take, word_end = Signal(range(slots)), Signal(), Signal(), Signal()
        cell = Signal(CELL_BITS)
        layer_end = self._count_blocks(m, take & self.o.p.end, word_end & take)
        m.d.comb += [
            request.p.address.eq(layer.weight_address), request.p.words.eq(layer.weight_words),
            request.valid.eq(requesting),
            cell.eq(word.payload.word_select(slot, CELL_BITS)),
            self.o.p.target.value.eq(cell), self.o.p.target.negative.eq(cell[-1]),
            self.o.valid.eq(word.valid & self.busy),
            take.eq(self.o.valid & self.o.ready),
            word_end.eq((slot == slots - 1) | self.o.p.end),
            word.ready.eq(self.o.ready & self.busy & word_end),
        ]
        with m.If(take):
            m.d.sync += slot.eq(Mux(word_end, 0, slot + 1))
        self._walk(m, take)
        with m.If(request.ready):
            m.d.sync += requesting.eq(0)
        with m.If(layer_end):
            m.d.sync += self.busy.eq(0)
        with m.If(self.start):
            legal = self._legal()
            m.d.sync += [requesting.eq(legal), self.busy.eq(legal), slot.eq(0)]
            with m.If(~legal):
                m.d.sync += self.error.eq(1)
        return m

    def _legal(self):
        """Return whether the macros can hold a block of the layer."""
        layer = self.layer
        there = [layer[name].any() for name in ("weight_words", "tiles", "blocks", "columns",
                                                "block_columns", "chunks")]
        return Cat(*there, layer.chunks * self.config.chunk <= self.crossbar.inputs,
                   (layer.columns <= self.crossbar.outputs)
                   | (layer.block_columns <= self.crossbar.outputs),
                   ~layer.weight_list, ~layer.flags.stream_weights).all()

    def _walk(self, m: Module, take) -> None:
        """Add the walk over the cells of a block: tile by tile, row by row."""
        rows, columns = self.crossbar.rows, self.crossbar.columns
        target = self.o.p.target
        tile, row = Signal.like(target.tile), Signal.like(target.row)
        column, left = Signal.like(target.column), Signal(index_range(self.crossbar.inputs + 1))
        row_end, rows_end, tile_end = Signal(), Signal(), Signal()
        m.d.comb += [
            target.tile.eq(tile), target.row.eq(row), target.column.eq(column),
            row_end.eq(column == columns - 1),
            rows_end.eq((row == rows - 1) | (row + 1 == left)),
            tile_end.eq(row_end & (row == rows)),
            self.o.p.end.eq(tile_end & (left <= rows)),
        ]
        with m.If(take):
            m.d.sync += column.eq(Mux(row_end, 0, column + 1))
        with m.If(take & row_end):
            m.d.sync += row.eq(Mux(tile_end, 0, Mux(rows_end, rows, row + 1)))
        with m.If(take & tile_end):
            m.d.sync += [tile.eq(tile + 1), left.eq(left - rows)]
        with m.If((take & self.o.p.end) | self.start):
            m.d.sync += [tile.eq(0), row.eq(0), column.eq(0),
                         left.eq(self.layer.chunks * self.config.chunk)]

    def _count_blocks(self, m: Module, block_end, consume) -> Signal:
        """Count blocks and words; return whether the layer ends, and note what does not fit."""
        layer = self.layer
        block, left, words = Signal(16), Signal(16), Signal(32)  # left: columns of blocks to come
        final, layer_end = Signal(), Signal()
        m.d.comb += [
            final.eq(left <= layer.block_columns),
            layer_end.eq(block_end & final),
        ]
        with m.If((consume & ((words + 1 == layer.weight_words) != layer_end))
                  | (block_end & (final != (block + 1 == layer.blocks)))):
            m.d.sync += self.error.eq(1)
        with m.If(block_end):
            m.d.sync += [block.eq(block + 1), left.eq(left - layer.block_columns)]
        with m.If(consume):
            m.d.sync += words.eq(words + 1)
        with m.If(self.start):
            m.d.sync += [block.eq(0), left.eq(layer.columns), words.eq(0)]
        return layer_end
