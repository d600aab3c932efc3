# SPDX-License-Identifier: Apache-2.0
"""FTP array with several paths for what comes out."""

import dataclasses

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
from .output_lanes import add_output_lanes
from .tppe_array import TPPEArray

__all__ = ["LanedFTPArray"]


class LanedFTPArray(wiring.Component):
    """Multiply a tile of spikes with a weight matrix and run the neurons (LoAS, MICRO 2024).

    As `FTPArray`, but the results of ``P / lanes`` rows each leave through a lane that has a
    P-LIF and a compressor of its own; lanes do not wait for one another. LoAS has a P-LIF for
    each TPPE.

    Equal in every bit to ``spikeloom.models.golden.ftp_array.ftp_matmul`` followed by
    ``plif`` and ``compress``.

    The modules ``tppe`` and ``output_lane`` are instantiated, not contained: whoever emits this
    component lists its attribute ``shared``.

    Latency: that of `TPPE`, then 1 cycle to ``o_psums``; a block of up to ``C`` columns
    leaves on ``o`` when it is complete, row after row, ``V`` columns per cycle.
    Throughput: `P` times that of `TPPE`, at most 1 output neuron (all timesteps) per cycle and
    lane.
    Back-pressure: any output may wait, any input may pause; nothing is lost.
    Reset: synchronous; forgets everything and clears ``error`` and ``counters``.

    Parameters
    ----------
    config : FTPConfig
    lanes : int
        Divides ``P``.

    Members
    -------
    i_tile : In(stream.Signature(tile_layout(config)))
        Tiles, in the order of their columns.
    i_row : In(stream.Signature(array_row_layout(config)))
        Spike fibers, one for each row of each tile.
    i_column : In(stream.Signature(column_beat_layout(config)))
        Weight fibers; the last one of a tile is ``final``.
    i_channel : In(stream.Signature(channel_layout(config))).array(lanes)
        Bias and threshold, one for each column of each tile that emits spikes and has a row in
        the lane.
    o_psums : Out(stream.Signature(array_psums_layout(lane))).array(lanes)
        Psums of tiles that emit them; ``row`` counts from the lane's first. ``lane`` is the
        configuration of an array of ``P / lanes`` rows.
    o : Out(stream.Signature(fiber_layout(lane))).array(lanes)
        Spike fibers of tiles that emit them, interleaved chunk by chunk; ``row`` as above.
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
    i_channel: list[stream.Interface]
    o_psums: list[stream.Interface]
    o: list[stream.Interface]
    busy: Signal
    error: data.View
    counters: data.View
    clear: Signal

    def __init__(self, config: FTPConfig, lanes: int):
        self.config = config
        self.array = TPPEArray(config, tile_layout(config), lanes)
        lane = dataclasses.replace(config, tppes=self.array.lane_rows)
        self.shared = self.array.shared | {"output_lane": OutputLane(lane, tile_layout(config))}
        super().__init__({
            "i_tile": In(stream.Signature(tile_layout(config))),
            "i_row": In(stream.Signature(array_row_layout(config))),
            "i_column": In(stream.Signature(column_beat_layout(config))),
            "i_channel": In(stream.Signature(channel_layout(config))).array(lanes),
            "o_psums": Out(stream.Signature(array_psums_layout(lane))).array(lanes),
            "o": Out(stream.Signature(fiber_layout(lane))).array(lanes),
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
        lanes_busy = add_output_lanes(m, self, array.o, self.shared["output_lane"])
        m.d.comb += [
            array.i_busy.eq(lanes_busy.any()),
            array.clear.eq(self.clear),
            self.busy.eq(array.busy),
            self.error.eq(array.error),
            self.counters.eq(array.counters),
        ]
        return m
