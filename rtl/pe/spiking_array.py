# SPDX-License-Identifier: Apache-2.0
"""Spiking array: elements that look weights up, and several paths for what comes out."""

from amaranth import Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from ..config import ArrayConfig
from ..ftp.array_layouts import array_psums_layout
from ..ftp.compressor import fiber_layout
from ..ftp.layouts import channel_layout
from ..ftp.output_lane import OutputLane
from ..ftp.output_lanes import add_output_lanes
from ..ftp.row_buffer import row_beat_layout
from .array_layouts import (
    element_array_error_layout,
    element_counters_layout,
    lane_config,
    passed_tile_layout,
    spiking_tile_layout,
)
from .element_array import ElementArray
from .layouts import list_beat_layout

__all__ = ["SpikingArray"]


class SpikingArray(wiring.Component):
    """Multiply a tile of spikes with weight matrices given as lists and run the neurons.

    A tile has any of the ``P * r`` rows, in 1 to ``S`` groups of elements, each with columns of
    its own. The results of ``P / L`` elements leave through one lane, which has a P-LIF and a
    compressor of its own; lanes do not wait for one another.

    Equal in every bit to ``spikeloom.models.golden.ftp_array.ftp_matmul`` followed by
    ``plif`` and ``compress``.

    The modules ``element`` and ``output_lane`` are instantiated, not contained: whoever emits
    this component lists its attribute ``shared``.

    Latency: that of `Element`, then 1 cycle to ``o_psums``; a block of up to ``C`` columns
    leaves on ``o`` when it is complete, row after row, ``V`` columns per cycle.
    Throughput: `P` times that of `Element`, at most 1 output neuron (all timesteps) per cycle
    and lane.
    Back-pressure: any output may wait, any input may pause; nothing is lost.
    Reset: synchronous; forgets everything and clears ``error`` and ``counters``.

    Parameters
    ----------
    config : ArrayConfig

    Members
    -------
    i_tile : In(stream.Signature(spiking_tile_layout(config)))
        Tiles, in the order of their columns.
    i_row : In(stream.Signature(row_beat_layout(config))).array(tile_rows)
        Spike fibers; row j of element p takes stream ``p * r + j``, one for each tile it is in.
    i_weights : In(stream.Signature(list_beat_layout(config))).array(weight_streams)
        Lists of columns; the last one of a tile is ``final``.
    i_channel : In(stream.Signature(channel_layout(config))).array(output_lanes)
        Bias and threshold, for each lane one for each column of each tile that emits spikes and
        has a row in the lane.
    o_psums : Out(stream.Signature(array_psums_layout(lane_config(config)))).array(output_lanes)
        Psums of tiles that emit them; ``row`` counts from the lane's first.
    o : Out(stream.Signature(fiber_layout(lane_config(config)))).array(output_lanes)
        Spike fibers of tiles that emit them, interleaved chunk by chunk; ``row`` as above.
    busy : Out(1)
        High from the first tile until all its results have left.
    error : Out(element_array_error_layout())
        Why the array stopped: with any bit set it takes no tile, row or weight; results that
        leave after the error are void.
    counters : Out(element_counters_layout(config))
        Performance counters.
    clear : In(1)
        Set the counters to zero.
    """

    i_tile: stream.Interface
    i_row: list[stream.Interface]
    i_weights: list[stream.Interface]
    i_channel: list[stream.Interface]
    o_psums: list[stream.Interface]
    o: list[stream.Interface]
    busy: Signal
    error: data.View
    counters: data.View
    clear: Signal

    def __init__(self, config: ArrayConfig):
        self.config = config
        self.array = ElementArray(config, spiking_tile_layout(config))
        lane, lanes = lane_config(config), config.output_lanes
        passed = passed_tile_layout(spiking_tile_layout(config))
        self.shared = self.array.shared | {"output_lane": OutputLane(lane, passed)}
        row, weights = row_beat_layout(config), list_beat_layout(config)
        super().__init__({
            "i_tile": In(stream.Signature(spiking_tile_layout(config))),
            "i_row": In(stream.Signature(row)).array(config.tile_rows),
            "i_weights": In(stream.Signature(weights)).array(config.weight_streams),
            "i_channel": In(stream.Signature(channel_layout(config))).array(lanes),
            "o_psums": Out(stream.Signature(array_psums_layout(lane))).array(lanes),
            "o": Out(stream.Signature(fiber_layout(lane))).array(lanes),
            "busy": Out(1),
            "error": Out(element_array_error_layout()),
            "counters": Out(element_counters_layout(config)),
            "clear": In(1),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.array = array = self.array
        connect(m, flipped(self.i_tile), array.i_tile)
        for name in ("i_row", "i_weights"):
            for outer, inner in zip(getattr(self, name), getattr(array, name), strict=True):
                connect(m, flipped(outer), inner)
        lanes_busy = add_output_lanes(m, self, array.o, self.shared["output_lane"])
        m.d.comb += [
            array.i_busy.eq(lanes_busy.any()),
            array.clear.eq(self.clear),
            self.busy.eq(array.busy),
            self.error.eq(array.error),
            self.counters.eq(array.counters),
        ]
        return m
