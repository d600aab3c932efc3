# SPDX-License-Identifier: Apache-2.0
"""Crossbar array: tiles of spike fibers through crossbars, results as the other arrays give them.
"""

import dataclasses

from amaranth import Cat, Module, Mux, Signal, signed
from amaranth.lib import data, enum, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from ..config import AcceleratorConfig
from ..ftp.activity_counters import ActivityCounters, counters_layout
from ..ftp.array_layouts import array_error_layout, array_row_layout
from ..ftp.layouts import index_range
from ..ftp.tppe import Activity
from ..pe.lookup_layouts import lookup_result_layout, rows_tile_layout
from ..pe.row_expander import RowExpander
from ..stream_queue import StreamQueue
from .imc_engine import IMCEngine
from .layouts import block_layout, cell_layout
from .programmer import effort_layout

__all__ = ["CrossbarArray"]

_TILES = 4  # that are loaded, at work, or give their results


class _State(enum.Enum, shape=2):
    """Of the weight block."""

    IDLE = 0
    PROGRAM = 1
    SETTLE = 2   # the last cell is at work
    COMPUTE = 3


class CrossbarArray(wiring.Component):
    """Multiply tiles of spikes with weights in crossbars, block after block.

    The cells of a block come on ``i_cells`` and are programmed; then all tiles of the layer are
    computed, and the next block follows. The fibers of a tile come one after another and are
    expanded; position p of the row drives wordline ``p % R`` of macro ``p // R``, in a read for
    each timestep. The psums of a tile are collected, and leave in order of column, then row.

    Same result as ``spikeloom.models.golden.imc_engine.IMCEngine``.

    The module ``crossbar`` is instantiated, not contained: whoever emits this component lists its
    attribute ``shared``.

    Latency: that of `IMCEngine` from the last beat of a row to its psums; 2 cycles from the last
    psum of a tile to its first result.
    Throughput: that of `IMCEngine`; 1 result (all timesteps) per cycle, while the macros wait
    with psums. Cells take as long as `Programmer` does.
    Back-pressure: any output may wait, any input may pause; nothing is lost.
    Reset: synchronous; forgets everything but the cells, and clears ``error`` and ``counters``.

    Parameters
    ----------
    config : AcceleratorConfig
    tile_shape : data.StructLayout
        Description of a tile; its field ``rows`` is what the array needs, 1..P, and all of it
        travels along to the results. Without it that is the only one.

    Members
    -------
    blocks : In(block_layout())
        Weight blocks of the layer and what is computed from each; steady while ``busy``.
    start : In(1)
        Begin a layer; counts while not ``busy``.
    i_cells : In(stream.Signature(cell_layout(config.crossbar)))
        Cells of all blocks, one block after another.
    i_tile : In(stream.Signature(rows_tile_layout(config)))
        Tiles of all blocks, each no later than its rows; with ``tile_shape`` in that.
    i_row : In(stream.Signature(array_row_layout(config)))
        Spike fibers, one for each row of each tile, from row 0 on.
    o : Out(stream.Signature(lookup_result_layout(config)))
        Psums of each row and column; with ``tile_shape`` that is the tile in it.
    i_busy : In(1)
        Results are at work behind the array: it still counts as busy.
    busy : Out(1)
        High from ``start`` until all results have left, and while ``i_busy`` is.
    moving : Out(1)
        A psum leaves the macros in this cycle.
    error : Out(array_error_layout())
        Why the array stopped: with any bit set it takes no tile, row or cell; results that
        leave after the error are void. That a row has more than K positions, a ``row_overflow``,
        is all that can be wrong with its length.
    counters : Out(counters_layout(config))
        Performance counters of the busy cycles, with all macros as one element: a match is a
        cycle of reading, and it waits for weights while cells are programmed.
    effort : Out(effort_layout(config.crossbar))
        What programming took since reset.
    clear : In(1)
        Set the performance counters to zero.
    """

    blocks: data.View
    start: Signal
    i_cells: stream.Interface
    i_tile: stream.Interface
    i_row: stream.Interface
    o: stream.Interface
    i_busy: Signal
    busy: Signal
    moving: Signal
    error: data.View
    counters: data.View
    effort: data.View
    clear: Signal

    def __init__(self, config: AcceleratorConfig, tile_shape: data.StructLayout | None = None):
        assert config.crossbar is not None
        self.config, self.crossbar = config, config.crossbar
        self.tile_shape = tile_shape or rows_tile_layout(config)
        self.engine = IMCEngine(self.crossbar, planes=False)
        self.shared = self.engine.shared
        super().__init__({
            "blocks": In(block_layout()),
            "start": In(1),
            "i_cells": In(stream.Signature(cell_layout(self.crossbar))),
            "i_tile": In(stream.Signature(self.tile_shape)),
            "i_row": In(stream.Signature(array_row_layout(config))),
            "o": Out(stream.Signature(lookup_result_layout(config, self.tile_shape))),
            "i_busy": In(1),
            "busy": Out(1),
            "moving": Out(1),
            "error": Out(array_error_layout()),
            "counters": Out(counters_layout(config)),
            "effort": Out(effort_layout(self.crossbar)),
            "clear": In(1),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.engine = engine = self.engine
        m.submodules.tiles = tiles = StreamQueue(self.tile_shape, _TILES)
        state, stop, columns = Signal(_State), Signal(), Signal(16)
        positions = self.blocks.chunks * self.config.chunk
        m.d.comb += [
            stop.eq(self.error.as_value().any()),
            engine.reading.last_lane.eq(self.config.timesteps - 1),
            *(engine.left_out[k].eq(positions <= k * self.crossbar.rows)
              for k in range(self.crossbar.tiles)),
            self.effort.eq(engine.effort),
            self.moving.eq(engine.o.valid & engine.o.ready),
            self.busy.eq((state != _State.IDLE) | self.o.valid | self.i_busy),
        ]
        self._program(m, engine, state, stop)
        loading = self._load(m, engine, tiles, state, stop)
        self._walk_blocks(m, state, columns, tiles.busy | loading)
        self._give(m, engine.o, tiles.o, columns)
        self._count(m, engine, state, loading)
        return m

    def _program(self, m: Module, engine: IMCEngine, state, stop) -> None:
        """Take the cells of a block, and begin with its tiles after the last one."""
        cells, open_ = self.i_cells, Signal()
        m.d.comb += [
            open_.eq((state == _State.PROGRAM) & ~stop),
            engine.i_program.payload.eq(cells.p.target),
            engine.i_program.valid.eq(cells.valid & open_),
            cells.ready.eq(engine.i_program.ready & open_),
        ]
        with m.If(cells.valid & cells.ready & cells.p.end):
            m.d.sync += state.eq(_State.SETTLE)
        with m.If((state == _State.SETTLE) & ~engine.programming):
            m.d.sync += state.eq(_State.COMPUTE)

    def _load(self, m: Module, engine: IMCEngine, tiles: StreamQueue, state, stop) -> Signal:
        """Take tiles and their rows; return whether more of them belong to the block."""
        m.submodules.expander = expander = RowExpander(self.config)
        tile, row = self.i_tile, self.i_row
        left = Signal(32)                          # tiles of the block that are to come
        rows, number = Signal.like(tile.p.rows), Signal.like(row.p.row)  # to come; the next one
        legal, take, here, fits = Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            legal.eq((1 << tile.p.rows)[1:self.config.tile_rows + 1].any()),
            tile.ready.eq((state == _State.COMPUTE) & (left != 0) & (rows == 0)
                          & tiles.i.ready & ~stop),
            take.eq(tile.valid & tile.ready),
            tiles.i.payload.eq(tile.payload), tiles.i.valid.eq(take & legal),
            here.eq((rows != 0) & ~stop), fits.eq(row.p.row == number),
            expander.i.valid.eq(row.valid & here & fits),
            row.ready.eq(expander.i.ready & here & fits),
            *(expander.i.p[name].eq(row.p[name]) for name in ("values", "end", "mask", "last")),
            engine.i.valid.eq(expander.o.valid),
            expander.o.ready.eq(engine.i.ready),
            engine.i.p.words.eq(expander.o.p.values), engine.i.p.last.eq(expander.o.p.last),
            self.error.row_overflow.eq(expander.error | engine.overflow),
        ]
        with m.If(state == _State.SETTLE):
            m.d.sync += left.eq(self.blocks.tiles)
        with m.If(take):
            m.d.sync += [left.eq(left - 1), rows.eq(Mux(legal, tile.p.rows, 0)), number.eq(0)]
            with m.If(~legal):
                m.d.sync += self.error.tile_rows.eq(1)
        with m.If(row.valid & row.ready & row.p.end & row.p.last):
            m.d.sync += [rows.eq(rows - 1), number.eq(number + 1)]
        with m.If(row.valid & here & ~fits):
            m.d.sync += self.error.row_index.eq(1)
        loading = Signal()
        m.d.comb += loading.eq((left != 0) | (rows != 0))
        return loading

    def _walk_blocks(self, m: Module, state, columns, more) -> None:
        """Add the walk over the blocks, and the columns of the present one."""
        blocks, left = self.blocks, Signal(16)  # columns of this block and those behind it
        final = Signal()
        m.d.comb += [
            final.eq(left <= blocks.block_columns),
            columns.eq(Mux(final, left, blocks.block_columns)),
        ]
        with m.If((state == _State.COMPUTE) & ~more):
            m.d.sync += [state.eq(Mux(final, _State.IDLE, _State.PROGRAM)),
                         left.eq(left - columns)]
        with m.If(self.start):
            m.d.sync += [state.eq(_State.PROGRAM), left.eq(blocks.columns)]

    def _give(self, m: Module, psum: stream.Interface, tile: stream.Interface, columns) -> None:
        """Collect the psums of a tile, all its rows, and then give them out."""
        height = self.config.tile_rows
        words = data.ArrayLayout(signed(self.config.psum_bits), self.config.timesteps)
        m.submodules.psums = memory = Memory(
            shape=words, depth=max(self.crossbar.outputs * height, 2), init=[])
        write, read = memory.write_port(granularity=1), memory.read_port()
        row, column = Signal(index_range(height)), Signal(index_range(self.crossbar.outputs))
        giving, row_end, column_end, flow, step = (Signal(name=name) for name in (
            "giving", "row_end", "column_end", "flow", "step"))
        m.d.comb += [
            psum.ready.eq(tile.valid & ~giving),
            write.addr.eq(psum.p.output * height + row),
            *(word.eq(psum.p.psum) for word in write.data),
            write.en.eq(Mux(psum.valid & psum.ready, 1 << psum.p.lane, 0)),
            row_end.eq(row + 1 == tile.p.rows), column_end.eq(column + 1 == columns),
            flow.eq(~self.o.valid | self.o.ready), step.eq(giving & flow),
            read.addr.eq(column * height + row), read.en.eq(step),
            tile.ready.eq(step & row_end & column_end),
            self.o.p.psums.eq(read.data),
        ]
        with m.If(step | (psum.valid & psum.ready & psum.p.last)):
            m.d.sync += row.eq(Mux(row_end, 0, row + 1))
            with m.If(row_end):
                m.d.sync += giving.eq(~giving | ~column_end)
        with m.If(flow):
            m.d.sync += self.o.valid.eq(step)
        with m.If(step):
            m.d.sync += [self.o.p.row.eq(row), self.o.p.column_end.eq(row_end),
                         self.o.p.last.eq(column_end), self.o.p.tile.eq(tile.payload)]
            with m.If(row_end):
                m.d.sync += column.eq(Mux(column_end, 0, column + 1))

    def _count(self, m: Module, engine: IMCEngine, state, loading) -> None:
        """Add the performance counters."""
        m.submodules.activity_counters = counters = ActivityCounters(
            dataclasses.replace(self.config, tppes=1, rows_per_pe=1, pe="loas"))
        programs = Cat(state == _State.PROGRAM, state == _State.SETTLE).any()
        works = Mux(engine.busy, Activity.MATCH, Mux(loading, Activity.STALL_ROW, Activity.IDLE))
        m.d.comb += [
            counters.busy.eq(self.busy), counters.clear.eq(self.clear),
            self.counters.eq(counters.counts),
            counters.activities[0].eq(Mux(
                programs, Activity.STALL_COLUMN,
                Mux(engine.o.valid & ~engine.o.ready, Activity.STALL_OUTPUT, works))),
        ]
