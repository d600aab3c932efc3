# SPDX-License-Identifier: Apache-2.0
"""Payloads of the streams and ports of arrays of elements."""

import dataclasses

from amaranth import unsigned
from amaranth.lib import data

from ..config import ArrayConfig
from ..ftp.activity_counters import counters_layout
from ..ftp.array_layouts import array_result_layout
from ..ftp.layouts import index_range, lif_layout

__all__ = ["element_array_error_layout", "element_counters_layout", "lane_config",
           "lane_result_layout", "lane_tile_layout", "passed_tile_layout", "spiking_tile_layout"]


def lane_config(config: ArrayConfig) -> ArrayConfig:
    """Return the parameters of an output lane, where ``P`` is its number of rows."""
    return dataclasses.replace(config, tppes=config.lane_rows, rows_per_pe=1, output_lanes=1,
                               weight_streams=1)


def spiking_tile_layout(config: ArrayConfig) -> data.StructLayout:
    """Return the description of a tile of the spiking array.

    Members
    -------
    used : unsigned(tile_rows)
        Bit p * r + j: row j of element p is in the tile.
    groups : index_range(weight_streams.bit_length())
        Logarithm of the number of groups, ``G``: weight stream g feeds ``P / G`` elements, those
        from ``g * P / G`` on.
    emit_psums : unsigned(1)
        Send the psums on ``o_psums``.
    emit_spikes : unsigned(1)
        Run the neurons and send their spikes on ``o``; takes one channel for each column.
    lif : lif_layout()
        Neuron model.
    drop_single : unsigned(1)
        Treat output words with fewer than two spikes as silent (LoAS, fine-tuned mode).
    """
    return data.StructLayout({
        "used": unsigned(config.tile_rows),
        "groups": index_range(config.weight_streams.bit_length()),
        "emit_psums": unsigned(1),
        "emit_spikes": unsigned(1),
        "lif": lif_layout(),
        "drop_single": unsigned(1),
    })


def passed_tile_layout(tile_shape: data.StructLayout) -> data.StructLayout:
    """Return what of a tile's description travels along to the results: all that is left."""
    return data.StructLayout({name: shape for name, shape in tile_shape.members.items()
                              if name not in ("used", "groups")})


def lane_tile_layout(config: ArrayConfig, tile_shape: data.StructLayout) -> data.StructLayout:
    """Return what a lane needs to know of a tile.

    Members
    -------
    elements : unsigned(tppes // output_lanes)
        Elements of the lane that have a row in the tile, at least one.
    passed : passed_tile_layout(tile_shape)
        Travels along to the results.
    """
    return data.StructLayout({
        "elements": unsigned(config.tppes // config.output_lanes),
        "passed": passed_tile_layout(tile_shape),
    })


def lane_result_layout(config: ArrayConfig, tile_shape: data.StructLayout) -> data.StructLayout:
    """Return one result of a lane, as `array_result_layout` for its rows.

    ``row`` is ``e * r + j`` for row j of the lane's element e, ``column_end`` marks the last row
    of a column in this lane, ``tile`` is what `passed_tile_layout` leaves.
    """
    return array_result_layout(lane_config(config), passed_tile_layout(tile_shape))


def element_array_error_layout() -> data.StructLayout:
    """Return what stopped the array; each bit stays set until reset.

    Members
    -------
    row_overflow : unsigned(1)
        A spike fiber or one of its chunks is too long.
    length_mismatch : unsigned(1)
        The rows of an element differ in their number of chunks.
    place_overflow : unsigned(1)
        A weight lies beyond the end of the rows.
    tile_rows : unsigned(1)
        A tile has no row.
    tile_groups : unsigned(1)
        A tile has more groups than there are weight streams.
    """
    return data.StructLayout({
        "row_overflow": unsigned(1),
        "length_mismatch": unsigned(1),
        "place_overflow": unsigned(1),
        "tile_rows": unsigned(1),
        "tile_groups": unsigned(1),
    })


def element_counters_layout(config: ArrayConfig) -> data.StructLayout:
    """Return the counters; the activities add up to ``P * cycles``, and all wrap around.

    Members
    -------
    cycles : unsigned(counter_bits)
        Cycles in which the array was busy.
    match : unsigned(counter_bits)
        Additions: of a weight in one row (``scan``) or in all rows of an element (``bcast``).
    empty : unsigned(counter_bits)
        Element cycles that took weights with nothing to add of those found so far.
    stall_join : unsigned(counter_bits)
        Element cycles that waited for others of the group to take the weights.
    stall_output : unsigned(counter_bits)
        Element cycles that waited for the output path.
    stall_row : unsigned(counter_bits)
        Element cycles that waited for spike fibers.
    stall_column : unsigned(counter_bits)
        Element cycles that waited for weights.
    idle : unsigned(counter_bits)
        Element cycles without a row or with all columns done.
    """
    return counters_layout(config)
