# SPDX-License-Identifier: Apache-2.0
"""FTP array: rows side by side, weights broadcast, one path for what comes out."""

from amaranth import Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from ..config import FTPConfig
from .activity_counters import counters_layout
from .array_layouts import array_error_layout, array_psums_layout, array_row_layout, tile_layout
from .column_buffer import column_beat_layout
from .compressor import fiber_layout
from .layouts import channel_layout
from .output_lane import OutputLane
from .tppe_array import TPPEArray

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
        self.array = TPPEArray(config, tile_layout(config))
        self.shared = self.array.shared
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
        m.submodules.array = array = self.array
        for name in ("i_tile", "i_row", "i_column"):
            connect(m, flipped(getattr(self, name)), getattr(array, name))
        m.submodules.lane = lane = OutputLane(self.config, tile_layout(self.config))
        connect(m, array.o, lane.i)
        for name in ("i_channel", "o_psums", "o"):
            connect(m, flipped(getattr(self, name)), getattr(lane, name))
        m.d.comb += [
            array.i_busy.eq(lane.busy),
            array.clear.eq(self.clear),
            self.busy.eq(array.busy),
            self.error.eq(array.error),
            self.counters.eq(array.counters),
        ]
        return m
