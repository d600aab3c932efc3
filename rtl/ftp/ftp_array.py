# SPDX-License-Identifier: Apache-2.0
"""FTP array: rows side by side, weights broadcast, one path for what comes out."""

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out, connect, flipped

from ..config import FTPConfig
from ..shared_module import instantiate
from .accumulator import output_layout
from .activity_counters import ActivityCounters, counters_layout
from .array_layouts import array_error_layout, array_psums_layout, array_row_layout, tile_layout
from .column_buffer import column_beat_layout
from .compressor import Compressor, fiber_layout
from .layouts import channel_layout, index_range, place_layout, psums_layout
from .plif import ParallelLIF
from .tppe import TPPE, Activity
from .transpose_buffer import TransposeBuffer

__all__ = ["FTPArray"]


class FTPArray(wiring.Component):
    """Multiply a tile of spikes with a weight matrix and run the neurons (LoAS, MICRO 2024).

    A tile has up to ``P`` rows. Its spike fibers are loaded one after another on ``i_row``, those
    of the next tile while this one is computed; its weight fibers come once on ``i_column`` and
    go to all rows. Results are gathered in order of column, then row, and pass one P-LIF and one
    compressor.

    Equal in every bit to ``spikeloom.models.golden.ftp_array.ftp_matmul`` followed by
    ``plif`` and ``compress``.

    Latency: that of `TPPE`, then 1 cycle to ``o_psums``; a block of up to ``C`` columns
    leaves on ``o`` when it is complete, row after row.
    Throughput: `P` times that of `TPPE`, at most 1 output neuron (all timesteps) per cycle.
    Back-pressure: any output may wait, any input may pause; nothing is lost.
    Reset: synchronous; forgets everything and clears ``error`` and ``counters``.

    Parameters
    ----------
    config : FTPConfig

    Members
    -------
    i_tile : In(stream.Signature(tile_layout(config)))
        Tiles, in the order of their columns.
    i_row : In(stream.Signature(array_row_layout(config)))
        Spike fibers, one for each row of each tile.
    i_column : In(stream.Signature(column_beat_layout(config)))
        Weight fibers; the last one of a tile is ``final``.
    i_channel : In(stream.Signature(channel_layout(config)))
        Bias and threshold, one for each column of each tile that emits spikes.
    o_psums : Out(stream.Signature(array_psums_layout(config)))
        Psums of tiles that emit them.
    o : Out(stream.Signature(fiber_layout(config)))
        Spike fibers of tiles that emit them, interleaved chunk by chunk.
    busy : Out(1)
        High from the first tile until all its results have left.
    error : Out(array_error_layout())
        Why the array stopped: with any bit set it takes no tile, row or column; results that
        leave after the error are void.
    counters : Out(counters_layout(config))
        Performance counters.
    clear : In(1)
        Set the counters to zero.
    """

    i_tile: stream.Interface
    i_row: stream.Interface
    i_column: stream.Interface
    i_channel: stream.Interface
    o_psums: stream.Interface
    o: stream.Interface
    busy: Signal
    error: data.View
    counters: data.View
    clear: Signal

    def __init__(self, config: FTPConfig):
        self.config = config
        self.shared = {"tppe": TPPE(config)}
        super().__init__({
            "i_tile": In(stream.Signature(tile_layout(config))),
            "i_row": In(stream.Signature(array_row_layout(config))),
            "i_column": In(stream.Signature(column_beat_layout(config))),
            "i_channel": In(stream.Signature(channel_layout(config))),
            "o_psums": Out(stream.Signature(array_psums_layout(config))),
            "o": Out(stream.Signature(fiber_layout(config))),
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

        column_tile, gather_tile, held = self._queue_tiles(m, stop)
        self._load_rows(m, tppes, stop)
        active = self._broadcast(m, tppes, column_tile, stop)
        gathered = self._gather(m, tppes, gather_tile)
        sending = self._send(m, gathered)
        m.d.comb += self.busy.eq(held | sending)
        self._count(m, tppes, active)
        return m

    def _queue_tiles(self, m: Module, stop):
        """Queue each tile for columns and for results; return both and whether one is held."""
        tile = tile_layout(self.config)
        streams = []
        fifos = [SyncFIFOBuffered(width=tile.size, depth=4) for _ in range(2)]
        rows = self.i_tile.p.rows
        legal, take = Signal(), Signal()
        m.d.comb += [
            legal.eq((1 << rows)[1:self.config.tppes + 1].any()),
            self.i_tile.ready.eq(fifos[0].w_rdy & fifos[1].w_rdy & ~stop),
            take.eq(self.i_tile.valid & self.i_tile.ready),
        ]
        with m.If(take & ~legal):
            m.d.sync += self.error.tile_rows.eq(1)
        for name, fifo in zip(("column", "gather"), fifos, strict=True):
            m.submodules[f"{name}_tiles"] = fifo
            queue = stream.Signature(tile).create(path=(name,))
            m.d.comb += [
                fifo.w_data.eq(self.i_tile.payload), fifo.w_en.eq(take & legal),
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

    def _broadcast(self, m: Module, tppes: list, tile: stream.Interface, stop) -> Signal:
        """Send each weight beat to all rows of the tile at once; return which those are."""
        active, blocked, flow = Signal(len(tppes)), Signal(len(tppes)), Signal()
        column = self.i_column
        m.d.comb += [
            flow.eq(tile.valid & ~blocked.any() & ~stop),
            column.ready.eq(flow),
            tile.ready.eq(column.valid & flow & column.p.end & column.p.last & column.p.final),
        ]
        for index, tppe in enumerate(tppes):
            m.d.comb += [
                active[index].eq(tile.valid & (index < tile.p.rows)),
                blocked[index].eq(active[index] & ~tppe.i_column.ready),
                tppe.i_column.payload.eq(column.payload),
                tppe.i_column.valid.eq(column.valid & flow & active[index]),
            ]
        return active

    def _gather(self, m: Module, tppes: list, tile: stream.Interface) -> stream.Interface:
        """Take the results in order of column, then row; return them with their parameters."""
        gathered = stream.Signature(data.StructLayout({
            "psums": psums_layout(self.config),
            "place": place_layout(self.config),
            "tile": tile_layout(self.config),
            "channel": channel_layout(self.config),
        })).create(path=("gathered",))
        row = Signal(index_range(len(tppes)))
        column_end, flow, take = Signal(), Signal(), Signal()
        result, result_valid = Signal(output_layout(self.config)), Signal()
        with m.Switch(row):
            for index, tppe in enumerate(tppes):
                with m.Case(index) if index < len(tppes) - 1 else m.Default():
                    m.d.comb += [result.eq(tppe.o.payload), result_valid.eq(tppe.o.valid)]
        m.d.comb += [
            column_end.eq(row + 1 == tile.p.rows),
            flow.eq(~gathered.valid | gathered.ready),
            take.eq(tile.valid & flow & result_valid
                    & (self.i_channel.valid | ~tile.p.emit_spikes)),
            self.i_channel.ready.eq(take & column_end & tile.p.emit_spikes),
            tile.ready.eq(take & column_end & result.final),
        ]
        for index, tppe in enumerate(tppes):
            m.d.comb += tppe.o.ready.eq(take & (1 << row)[index])
        with m.If(flow):
            m.d.sync += gathered.valid.eq(take)
        with m.If(take):
            m.d.sync += [
                row.eq(Mux(column_end, 0, row + 1)),
                gathered.p.psums.eq(result.psums),
                gathered.p.place.row.eq(row),
                gathered.p.place.column_end.eq(column_end),
                gathered.p.place.last.eq(result.final),
                gathered.p.place.drop_single.eq(tile.p.drop_single),
                gathered.p.tile.eq(tile.payload),
                gathered.p.channel.eq(self.i_channel.payload),
            ]
        return gathered

    def _send(self, m: Module, gathered: stream.Interface):
        """Send psums as they are, and through P-LIF and compressor; return if any is left."""
        m.submodules.plif = plif = ParallelLIF(self.config)
        m.submodules.transpose = transpose = TransposeBuffer(self.config)
        m.submodules.compressor = compressor = Compressor(self.config)
        connect(m, plif.o, transpose.i)
        connect(m, transpose.o, compressor.i)
        connect(m, compressor.o, flipped(self.o))

        tile = gathered.p.tile
        psums_free = self.o_psums.ready | ~tile.emit_psums
        plif_free = plif.i.ready | ~tile.emit_spikes
        m.d.comb += [
            gathered.ready.eq(psums_free & plif_free),
            self.o_psums.valid.eq(gathered.valid & tile.emit_psums & plif_free),
            self.o_psums.p.psums.eq(gathered.p.psums),
            self.o_psums.p.row.eq(gathered.p.place.row),
            self.o_psums.p.last.eq(gathered.p.place.last),
            plif.i.valid.eq(gathered.valid & tile.emit_spikes & psums_free),
            plif.i.p.psums.eq(gathered.p.psums),
            plif.i.p.channel.eq(gathered.p.channel),
            plif.i.p.lif.eq(tile.lif),
            plif.i.p.place.eq(gathered.p.place),
        ]
        return gathered.valid | plif.o.valid | transpose.busy | compressor.busy

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
