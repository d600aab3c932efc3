# SPDX-License-Identifier: Apache-2.0
"""List array: a spiking array with what stands before it, list decoders and row dealer."""

from amaranth import Cat, Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from ..config import ArrayConfig
from ..ftp.array_layouts import array_psums_layout
from ..ftp.compressor import fiber_layout
from ..ftp.layouts import channel_layout
from ..ftp.row_buffer import row_beat_layout
from .array_layouts import (
    element_array_error_layout,
    element_counters_layout,
    lane_config,
    spiking_tile_layout,
)
from .list_decoder import ListDecoder, delta_beat_layout
from .row_dealer import RowDealer, dealer_row_layout, dealt_row_layout
from .spiking_array import SpikingArray

__all__ = ["ListArray"]


class ListArray(wiring.Component):
    """Decode weight lists for a spiking array, and say which element takes which row.

    Whoever sends the rows gives the number of values of each one on ``i_deal`` and sends each to
    the element and the place that ``o_deal`` says.

    Equal in every bit to ``spikeloom.models.golden.weight_list.list_entries`` and
    ``row_dealer.deal``, followed by what `SpikingArray` is equal to.

    The modules ``element`` and ``output_lane`` are instantiated, not contained: whoever emits
    this component lists its attribute ``shared``.

    Latency: 1 cycle of `ListDecoder`, then that of `SpikingArray`; of rows that of `RowDealer`.
    Throughput: that of `SpikingArray`, at most 1 beat of each list per cycle.
    Back-pressure: any output may wait, any input may pause; nothing is lost.
    Reset: synchronous; forgets everything and clears ``error`` and ``counters``.

    Parameters
    ----------
    config : ArrayConfig
    delta_bits : int
        Bits of a delta, 1..16.

    Members
    -------
    i_tile : In(stream.Signature(spiking_tile_layout(config)))
        Tiles, in the order of their columns.
    i_deal : In(stream.Signature(dealer_row_layout(config)))
        Values of each row of a tile.
    o_deal : Out(stream.Signature(dealt_row_layout(config)))
        Element and place of each row; element e stands for each one that is e in its group.
    i_row : In(stream.Signature(row_beat_layout(config))).array(tile_rows)
        Spike fibers; row j of element p takes stream ``p * r + j``, one for each tile it is in.
    i_weights : In(stream.Signature(delta_beat_layout(config, delta_bits))).array(weight_streams)
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
        Why the array stopped, see `SpikingArray`; ``place_overflow`` and ``tile_rows`` also if a
        decoder or the dealer found it.
    counters : Out(element_counters_layout(config))
        Performance counters.
    clear : In(1)
        Set the counters to zero.
    """

    i_tile: stream.Interface
    i_deal: stream.Interface
    o_deal: stream.Interface
    i_row: list[stream.Interface]
    i_weights: list[stream.Interface]
    i_channel: list[stream.Interface]
    o_psums: list[stream.Interface]
    o: list[stream.Interface]
    busy: Signal
    error: data.View
    counters: data.View
    clear: Signal

    def __init__(self, config: ArrayConfig, delta_bits: int):
        self.config, self.delta_bits = config, delta_bits
        self.array = SpikingArray(config)
        self.shared = self.array.shared
        lane, lanes = lane_config(config), config.output_lanes
        deltas = stream.Signature(delta_beat_layout(config, delta_bits))
        super().__init__({
            "i_tile": In(stream.Signature(spiking_tile_layout(config))),
            "i_deal": In(stream.Signature(dealer_row_layout(config))),
            "o_deal": Out(stream.Signature(dealt_row_layout(config))),
            "i_row": In(stream.Signature(row_beat_layout(config))).array(config.tile_rows),
            "i_weights": In(deltas).array(config.weight_streams),
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
        m.submodules.dealer = dealer = RowDealer(self.config)
        connect(m, flipped(self.i_deal), dealer.i)
        connect(m, dealer.o, flipped(self.o_deal))
        connect(m, flipped(self.i_tile), array.i_tile)
        for name in ("i_row", "i_channel", "o_psums", "o"):
            for outer, inner in zip(getattr(self, name), getattr(array, name), strict=True):
                connect(m, flipped(outer), inner)
        decoders = [ListDecoder(self.config, self.delta_bits) for _ in self.i_weights]
        for index, decoder in enumerate(decoders):
            m.submodules[f"decoder_{index}"] = decoder
            connect(m, flipped(self.i_weights[index]), decoder.i)
            connect(m, decoder.o, array.i_weights[index])
        m.d.comb += [
            array.clear.eq(self.clear),
            self.busy.eq(array.busy),
            self.counters.eq(array.counters),
            self.error.eq(array.error),
            self.error.place_overflow.eq(
                array.error.place_overflow | Cat(decoder.error for decoder in decoders).any()),
            self.error.tile_rows.eq(array.error.tile_rows | dealer.error),
        ]
        return m
