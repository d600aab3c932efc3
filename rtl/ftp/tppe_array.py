# SPDX-License-Identifier: Apache-2.0
"""TPPE array: rows side by side, weights broadcast, results gathered in one stream."""

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out

from ..config import FTPConfig
from ..shared_module import instantiate
from .accumulator import output_layout
from .activity_counters import ActivityCounters, counters_layout
from .array_layouts import array_error_layout, array_result_layout, array_row_layout
from .column_buffer import column_beat_layout
from .layouts import index_range
from .tppe import TPPE, Activity

__all__ = ["TPPEArray"]


class TPPEArray(wiring.Component):
    """Multiply a tile of spikes with a weight matrix (LoAS, MICRO 2024).

    A tile has up to ``P`` rows. Its spike fibers are loaded one after another on ``i_row``, those
    of the next tile while this one is computed; its weight fibers come once on ``i_column`` and
    go to all rows. Results are gathered in order of column, then row.

    Same result as ``spikeloom.models.golden.ftp_array.ftp_matmul``.

    The module ``tppe`` is instantiated, not contained: whoever emits this component lists its
    attribute ``shared``.

    Latency: that of `TPPE`, then 1 cycle.
    Throughput: `P` times that of `TPPE`, at most 1 output neuron (all timesteps) per cycle.
    Back-pressure: any output may wait, any input may pause; nothing is lost.
    Reset: synchronous; forgets everything and clears ``error`` and ``counters``.

    Parameters
    ----------
    config : FTPConfig
    tile_shape : data.StructLayout
        Description of a tile; its field ``rows`` is what the array needs, 1..P, and all of it
        travels along to the results.

    Members
    -------
    i_tile : In(stream.Signature(tile_shape))
        Tiles, in the order of their columns.
    i_row : In(stream.Signature(array_row_layout(config)))
        Spike fibers, one for each row of each tile.
    i_column : In(stream.Signature(column_beat_layout(config)))
        Weight fibers; the last one of a tile is ``final``.
    o : Out(stream.Signature(array_result_layout(config, tile_shape)))
        Psums of each row and column.
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
    o: stream.Interface
    i_busy: Signal
    busy: Signal
    error: data.View
    counters: data.View
    clear: Signal

    def __init__(self, config: FTPConfig, tile_shape: data.StructLayout):
        self.config = config
        self.tile_shape = tile_shape
        self.shared = {"tppe": TPPE(config)}
        super().__init__({
            "i_tile": In(stream.Signature(tile_shape)),
            "i_row": In(stream.Signature(array_row_layout(config))),
            "i_column": In(stream.Signature(column_beat_layout(config))),
            "o": Out(stream.Signature(array_result_layout(config, tile_shape))),
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
        m.d.comb += stop.eq(self.error.as_value().any())
        for name in ("row_overflow", "column_overflow", "length_mismatch"):
            m.d.comb += self.error[name].eq(Cat(tppe.error[name] for tppe in tppes).any())

        column_rows, gather_tile, held = self._queue_tiles(m, stop)
        self._load_rows(m, tppes, stop)
        active = self._broadcast(m, tppes, column_rows, stop)
        self._gather(m, tppes, gather_tile)
        m.d.comb += self.busy.eq(held | self.o.valid | self.i_busy)
        self._count(m, tppes, active)
        return m

    def _queue_tiles(self, m: Module, stop):
        """Queue each tile's rows for columns, all of it for results; return if one is held."""
        rows = self.i_tile.p.rows
        queued = {"column": rows, "gather": self.i_tile.p.as_value()}
        fifos = [SyncFIFOBuffered(width=len(value), depth=4) for value in queued.values()]
        legal, take = Signal(), Signal()
        m.d.comb += [
            legal.eq((1 << rows)[1:self.config.tppes + 1].any()),
            self.i_tile.ready.eq(fifos[0].w_rdy & fifos[1].w_rdy & ~stop),
            take.eq(self.i_tile.valid & self.i_tile.ready),
        ]
        with m.If(take & ~legal):
            m.d.sync += self.error.tile_rows.eq(1)
        streams = []
        for (name, value), fifo, shape in zip(queued.items(), fifos, (rows.shape(),
                                              self.tile_shape), strict=True):
            m.submodules[f"{name}_tiles"] = fifo
            queue = stream.Signature(shape).create(path=(name,))
            m.d.comb += [
                fifo.w_data.eq(value), fifo.w_en.eq(take & legal),
                queue.payload.eq(fifo.r_data), queue.valid.eq(fifo.r_rdy),
                fifo.r_en.eq(queue.ready),
            ]
            streams.append(queue)
        return *streams, fifos[1].w_level.any()

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

    def _gather(self, m: Module, tppes: list, tile: stream.Interface) -> None:
        """Take the results in order of column, then row."""
        row = Signal(index_range(len(tppes)))
        column_end, flow, take = Signal(), Signal(), Signal()
        result, result_valid = Signal(output_layout(self.config)), Signal()
        with m.Switch(row):
            for index, tppe in enumerate(tppes):
                with m.Case(index) if index < len(tppes) - 1 else m.Default():
                    m.d.comb += [result.eq(tppe.o.payload), result_valid.eq(tppe.o.valid)]
        m.d.comb += [
            column_end.eq(row + 1 == tile.p.rows),
            flow.eq(~self.o.valid | self.o.ready),
            take.eq(tile.valid & flow & result_valid),
            tile.ready.eq(take & column_end & result.final),
        ]
        for index, tppe in enumerate(tppes):
            m.d.comb += tppe.o.ready.eq(take & (1 << row)[index])
        with m.If(flow):
            m.d.sync += self.o.valid.eq(take)
        with m.If(take):
            m.d.sync += [
                row.eq(Mux(column_end, 0, row + 1)),
                self.o.p.psums.eq(result.psums),
                self.o.p.row.eq(row),
                self.o.p.column_end.eq(column_end),
                self.o.p.last.eq(result.final),
                self.o.p.tile.eq(tile.payload),
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
