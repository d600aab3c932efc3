# SPDX-License-Identifier: Apache-2.0
"""TPPE array: rows side by side, weights broadcast, results gathered in one stream or more."""

import dataclasses
from typing import Any

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..config import ConfigError, FTPConfig
from ..shared_module import instantiate
from ..stream_queue import StreamQueue
from .accumulator import output_layout
from .activity_counters import ActivityCounters, counters_layout
from .array_layouts import array_error_layout, array_result_layout, array_row_layout
from .column_buffer import column_beat_layout
from .layouts import index_range
from .tppe import TPPE, Activity

__all__ = ["TPPEArray"]

_TILES = 4  # tiles that wait for columns, and for results


class TPPEArray(wiring.Component):
    """Multiply a tile of spikes with a weight matrix (LoAS, MICRO 2024).

    A tile has up to ``P`` rows. Its spike fibers are loaded one after another on ``i_row``, those
    of the next tile while this one is computed; its weight fibers come once on ``i_column`` and
    go to all rows. Results are gathered in order of column, then row; with several lanes each has
    those of ``P / lanes`` rows, and a lane without a row in the tile gives nothing.

    Same result as ``spikeloom.models.golden.ftp_array.ftp_matmul``.

    The module ``tppe`` is instantiated, not contained: whoever emits this component lists its
    attribute ``shared``.

    Latency: that of `TPPE`, then 1 cycle.
    Throughput: `P` times that of `TPPE`, at most 1 output neuron (all timesteps) per cycle and
    lane.
    Back-pressure: any output may wait, any input may pause; nothing is lost.
    Reset: synchronous; forgets everything and clears ``error`` and ``counters``.

    Parameters
    ----------
    config : FTPConfig
    tile_shape : data.StructLayout
        Description of a tile; its field ``rows`` is what the array needs, 1..P, and all of it
        travels along to the results.
    lanes : int
        Streams of results; divides ``P``. Without it ``o`` is a single stream, not an array.

    Raises
    ------
    ConfigError
        ``lanes`` does not divide ``P``.

    Members
    -------
    i_tile : In(stream.Signature(tile_shape))
        Tiles, in the order of their columns.
    i_row : In(stream.Signature(array_row_layout(config)))
        Spike fibers, one for each row of each tile.
    i_column : In(stream.Signature(column_beat_layout(config)))
        Weight fibers; the last one of a tile is ``final``.
    o : Out(stream.Signature(array_result_layout(config, tile_shape)))
        Psums of each row and column. One of ``lanes`` counts its rows from its first one: the
        layout is that of an array of ``P / lanes`` rows.
    i_busy : In(1)
        Results are at work behind the array: it still counts as busy.
    busy : Out(1)
        High from the first tile until all its results have left, and while ``i_busy`` is.
    error : Out(array_error_layout())
        Why the array stopped: with any bit set it takes no tile, row or column; results that
        leave after the error are void.
    counters : Out(counters_layout(config))
        Performance counters of the busy cycles.
    clear : In(1)
        Set the counters to zero.
    """

    i_tile: stream.Interface
    i_row: stream.Interface
    i_column: stream.Interface
    o: Any
    i_busy: Signal
    busy: Signal
    error: data.View
    counters: data.View
    clear: Signal

    def __init__(self, config: FTPConfig, tile_shape: data.StructLayout, lanes: int = 0):
        if lanes and config.tppes % lanes:
            raise ConfigError(f"lanes must divide tppes ({config.tppes}), not be {lanes}")
        self.config = config
        self.tile_shape = tile_shape
        self.lanes = lanes
        self.lane_rows = config.tppes // (lanes or 1)
        self.shared = {"tppe": TPPE(config)}
        result = Out(stream.Signature(array_result_layout(
            dataclasses.replace(config, tppes=self.lane_rows), tile_shape)))
        super().__init__({
            "i_tile": In(stream.Signature(tile_shape)),
            "i_row": In(stream.Signature(array_row_layout(config))),
            "i_column": In(stream.Signature(column_beat_layout(config))),
            "o": result.array(lanes) if lanes else result,
            "i_busy": In(1),
            "busy": Out(1),
            "error": Out(array_error_layout()),
            "counters": Out(counters_layout(config)),
            "clear": In(1),
        })

    def elaborate(self, platform):
        m = Module()
        tppes = []
        for index in range(self.config.tppes):
            m.submodules[f"tppe_{index}"], ports = instantiate("tppe", self.shared["tppe"])
            tppes.append(ports)
        stop = Signal()
        m.d.comb += stop.eq(self.error.as_value().any() & self.config.has_checks)
        for name in ("row_overflow", "column_overflow", "length_mismatch"):
            m.d.comb += self.error[name].eq(Cat(tppe.error[name] for tppe in tppes).any())

        columns, tiles = self._queue_tiles(m, stop)
        self._load_rows(m, tppes, stop)
        active = self._broadcast(m, tppes, columns.o, stop)
        outputs = self.o if isinstance(self.o, list) else [self.o]
        for lane, (queue, output) in enumerate(zip(tiles, outputs, strict=True)):
            self._gather(m, tppes, lane * self.lane_rows, queue.o, output)
        m.d.comb += self.busy.eq(
            Cat((queue.busy for queue in tiles), (output.valid for output in outputs)).any()
            | self.i_busy)
        self._count(m, tppes, active)
        return m

    def _queue_tiles(self, m: Module, stop) -> tuple[StreamQueue, list[StreamQueue]]:
        """Queue each tile's rows for columns, all of it for the lanes that have a row in it."""
        tile = self.i_tile
        m.submodules.column_tiles = columns = StreamQueue(
            tile.p.rows.shape(), self.config.queue_depth(_TILES))
        tiles = []
        for first in range(0, self.config.tppes, self.lane_rows):
            m.submodules[f"gather_tiles_{first}"] = queue = StreamQueue(
                self.tile_shape, self.config.queue_depth(_TILES))
            tiles.append(queue)
        legal, take = Signal(), Signal()
        m.d.comb += [
            legal.eq((1 << tile.p.rows)[1:self.config.tppes + 1].any()),
            tile.ready.eq(columns.i.ready & Cat(queue.i.ready for queue in tiles).all() & ~stop),
            take.eq(tile.valid & tile.ready & legal),
            columns.i.payload.eq(tile.p.rows),
            columns.i.valid.eq(take),
        ]
        for lane, queue in enumerate(tiles):
            m.d.comb += [
                queue.i.payload.eq(tile.payload),
                queue.i.valid.eq(take & (tile.p.rows > lane * self.lane_rows)),
            ]
        with m.If(tile.valid & tile.ready & ~legal):
            m.d.sync += self.error.tile_rows.eq(1)
        return columns, tiles

    def _load_rows(self, m: Module, tppes: list, stop) -> None:
        """Hand each spike fiber to its TPPE."""
        chosen = (1 << self.i_row.p.row)[:len(tppes)]
        blocked = chosen & ~Cat(tppe.i_row.ready for tppe in tppes)
        m.d.comb += self.i_row.ready.eq(~blocked.any() & ~stop)
        with m.If(self.i_row.valid & ~chosen.any()):
            m.d.sync += self.error.row_index.eq(1)
        for index, tppe in enumerate(tppes):
            m.d.comb += [
                tppe.i_row.p.values.eq(self.i_row.p.values),
                tppe.i_row.p.end.eq(self.i_row.p.end),
                tppe.i_row.p.mask.eq(self.i_row.p.mask),
                tppe.i_row.p.last.eq(self.i_row.p.last),
                tppe.i_row.valid.eq(self.i_row.valid & chosen[index] & ~stop),
            ]

    def _broadcast(self, m: Module, tppes: list, rows: stream.Interface, stop) -> Signal:
        """Send each weight beat to all rows of the tile at once; return which those are."""
        active, blocked, flow = Signal(len(tppes)), Signal(len(tppes)), Signal()
        column = self.i_column
        m.d.comb += [
            flow.eq(rows.valid & ~blocked.any() & ~stop),
            column.ready.eq(flow),
            rows.ready.eq(column.valid & flow & column.p.end & column.p.last & column.p.final),
        ]
        for index, tppe in enumerate(tppes):
            m.d.comb += [
                active[index].eq(rows.valid & (index < rows.payload)),
                blocked[index].eq(active[index] & ~tppe.i_column.ready),
                tppe.i_column.payload.eq(column.payload),
                tppe.i_column.valid.eq(column.valid & flow & active[index]),
            ]
        return active

    def _gather(self, m: Module, tppes: list, first: int, tile: stream.Interface,
                output: stream.Interface) -> None:
        """Take the results of a lane, whose rows begin with ``first``, by column, then row."""
        sources = tppes[first:first + self.lane_rows]
        row = Signal(index_range(self.lane_rows), name=f"row_{first}")
        column_end, flow, take = (Signal(name=f"{name}_{first}")
                                  for name in ("column_end", "flow", "take"))
        result = Signal(output_layout(self.config), name=f"result_{first}")
        result_valid = Signal(name=f"result_valid_{first}")
        with m.Switch(row):
            for index, tppe in enumerate(sources):
                with m.Case(index) if index < len(sources) - 1 else m.Default():
                    m.d.comb += [result.eq(tppe.o.payload), result_valid.eq(tppe.o.valid)]
        m.d.comb += [
            column_end.eq((row == self.lane_rows - 1) | (row + first + 1 == tile.p.rows)),
            take.eq(tile.valid & flow & result_valid),
            tile.ready.eq(take & column_end & result.final),
        ]
        for index, tppe in enumerate(sources):
            m.d.comb += tppe.o.ready.eq(take & (1 << row)[index])
        if self.config.is_serial and len(sources) == 1:  # as it is, without a register
            m.d.comb += [
                flow.eq(output.ready), output.valid.eq(tile.valid & result_valid),
                output.p.psums.eq(result.psums), output.p.column_end.eq(1),
                output.p.last.eq(result.final), output.p.tile.eq(tile.payload),
            ]
            return
        m.d.comb += flow.eq(~output.valid | output.ready)
        with m.If(flow):
            m.d.sync += output.valid.eq(take)
        with m.If(take):
            m.d.sync += [
                row.eq(Mux(column_end, 0, row + 1)),
                output.p.psums.eq(result.psums),
                output.p.row.eq(row),
                output.p.column_end.eq(column_end),
                output.p.last.eq(result.final),
                output.p.tile.eq(tile.payload),
            ]

    def _count(self, m: Module, tppes: list, active) -> None:
        """Add the performance counters."""
        m.submodules.activity_counters = counters = ActivityCounters(self.config)
        m.d.comb += [
            counters.busy.eq(self.busy),
            counters.clear.eq(self.clear),
            self.counters.eq(counters.counts),
        ]
        for index, tppe in enumerate(tppes):
            waits = (tppe.activity == Activity.STALL_COLUMN) & ~active[index]
            m.d.comb += counters.activities[index].eq(Mux(waits, Activity.IDLE, tppe.activity))
