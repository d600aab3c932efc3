# SPDX-License-Identifier: Apache-2.0
"""Payloads of the elements that look weights up in their rows."""

from amaranth import signed, unsigned
from amaranth.lib import data

from ..config import ElementConfig
from ..ftp.layouts import index_range, psums_layout

__all__ = ["list_beat_layout", "place_range", "result_layout", "tile_rows_layout",
           "weight_entry_layout"]


def place_range(config: ElementConfig) -> range:
    """Return the shape of a place in a bank of a row.

    Position k of a row is in slice ``s = k // V``, so in bank ``s % b`` at place
    ``(s // b) * V + k % V``.
    """
    return index_range(config.places)


def weight_entry_layout(config: ElementConfig) -> data.StructLayout:
    """Return one weight of a list.

    Members
    -------
    valid : unsigned(1)
        There is a weight; else the other fields do not count.
    place : range(places)
        Where its position is in the bank.
    weight : signed(weight_bits)
    """
    return data.StructLayout({
        "valid": unsigned(1),
        "place": place_range(config),
        "weight": signed(config.weight_bits),
    })


def list_beat_layout(config: ElementConfig) -> data.StructLayout:
    """Return one beat of the list of the non-zero weights of columns.

    Each column has one beat or more; one without weights is a beat without a valid entry.

    Members
    -------
    entries : data.ArrayLayout(weight_entry_layout(config), b)
        Entry i is of bank i; no place comes twice in a column.
    column_end : unsigned(1)
        Last beat of its column.
    final : unsigned(1)
        Last column of the tile; counts with ``column_end``.
    """
    return data.StructLayout({
        "entries": data.ArrayLayout(weight_entry_layout(config), config.probes),
        "column_end": unsigned(1),
        "final": unsigned(1),
    })


def tile_rows_layout(config: ElementConfig) -> data.StructLayout:
    """Return the rows of an element that are in a tile.

    Members
    -------
    used : unsigned(r)
        Bit j: row j is in the tile. If none is, the element gives no results for it.
    """
    return data.StructLayout({"used": unsigned(config.rows_per_pe)})


def result_layout(config: ElementConfig) -> data.StructLayout:
    """Return the result of one row and one column.

    Members
    -------
    psums : psums_layout(config)
        One psum for each timestep.
    row : range(r)
        Row of the element.
    column_end : unsigned(1)
        Last used row of the column.
    final : unsigned(1)
        In the last column of the tile.
    """
    return data.StructLayout({
        "psums": psums_layout(config),
        "row": index_range(config.rows_per_pe),
        "column_end": unsigned(1),
        "final": unsigned(1),
    })
