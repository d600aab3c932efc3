# SPDX-License-Identifier: Apache-2.0
"""Payloads of the streams and ports of the FTP array."""

from amaranth import unsigned
from amaranth.lib import data

from ..config import FTPConfig
from .layouts import beat_layout, index_range, lif_layout, psums_layout

__all__ = ["array_error_layout", "array_psums_layout", "array_result_layout", "array_row_layout",
           "tile_layout"]


def tile_layout(config: FTPConfig) -> data.StructLayout:
    """Return the description of a tile.

    Members
    -------
    rows : range(P + 1)
        Rows in the tile, 1..P.
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
        "rows": range(config.tile_rows + 1),
        "emit_psums": unsigned(1),
        "emit_spikes": unsigned(1),
        "lif": lif_layout(),
        "drop_single": unsigned(1),
    })


def array_row_layout(config: FTPConfig) -> data.StructLayout:
    """Return one beat of a spike fiber on its way to a TPPE.

    Members
    -------
    values : data.ArrayLayout(unsigned(T), V)
        Packed lane words, lowest position first; unused places at the end are ignored.
    end : unsigned(1)
        Last beat of its chunk.
    mask : unsigned(C)
        Bit p is set if position p of the chunk is not silent; counts with ``end``.
    last : unsigned(1)
        Last chunk of its fiber; counts with ``end``.
    row : range(P)
        TPPE that the fiber is for; counts in every beat.
    """
    return beat_layout(config, unsigned(config.timesteps), row=index_range(config.tile_rows))


def array_psums_layout(config: FTPConfig) -> data.StructLayout:
    """Return the psums of one output neuron.

    Members
    -------
    psums : psums_layout(config)
        One psum for each timestep, without the bias.
    row : range(P)
        Row in the tile.
    last : unsigned(1)
        In the last column of the tile.
    """
    return data.StructLayout({
        "psums": psums_layout(config),
        "row": index_range(config.tile_rows),
        "last": unsigned(1),
    })


def array_result_layout(config: FTPConfig, tile_shape: data.StructLayout) -> data.StructLayout:
    """Return the psums of one output neuron, its place, and its tile.

    Parameters
    ----------
    config : FTPConfig
    tile_shape : data.StructLayout
        Description of a tile.

    Members
    -------
    psums : psums_layout(config)
        One psum for each timestep.
    row : range(P)
        Row in the tile.
    column_end : unsigned(1)
        Last row of its column.
    last : unsigned(1)
        In the last column of the tile.
    tile : tile_shape
        The tile's description, as it came in.
    """
    return data.StructLayout({
        "psums": psums_layout(config),
        "row": index_range(config.tile_rows),
        "column_end": unsigned(1),
        "last": unsigned(1),
        "tile": tile_shape,
    })


def array_error_layout() -> data.StructLayout:
    """Return what stopped the array; each bit stays set until reset.

    Members
    -------
    row_overflow : unsigned(1)
        A spike fiber or one of its chunks is too long.
    column_overflow : unsigned(1)
        A chunk of a weight fiber has too many beats.
    length_mismatch : unsigned(1)
        A weight fiber has not as many chunks as the spike fiber it meets.
    tile_rows : unsigned(1)
        The rows of a tile are not in 1..P.
    row_index : unsigned(1)
        A spike fiber is for a TPPE that does not exist.
    """
    return data.StructLayout({
        "row_overflow": unsigned(1),
        "column_overflow": unsigned(1),
        "length_mismatch": unsigned(1),
        "tile_rows": unsigned(1),
        "row_index": unsigned(1),
    })
