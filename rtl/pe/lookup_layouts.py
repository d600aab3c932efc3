# SPDX-License-Identifier: Apache-2.0
"""What the parts of the lookup array hand to one another."""

from amaranth import unsigned
from amaranth.lib import data

from ..config import ElementConfig
from ..ftp.array_layouts import array_result_layout
from ..ftp.layouts import index_range

__all__ = ["dealt_tile_layout", "lookup_error_layout", "lookup_result_layout",
           "row_place_layout", "rows_tile_layout"]


def row_place_layout(config: ElementConfig) -> data.StructLayout:
    """Return where a row of a tile is computed.

    Members
    -------
    row : range(tile_rows)
        Row in the tile.
    place : range(tile_rows)
        Row j of element p has the number ``p * r + j``.
    last : unsigned(1)
        Last row of the tile.
    """
    return data.StructLayout({
        "row": index_range(config.tile_rows),
        "place": index_range(config.tile_rows),
        "last": unsigned(1),
    })


def dealt_tile_layout(config: ElementConfig, tile_shape: data.StructLayout) -> data.StructLayout:
    """Return a tile whose rows are dealt to the elements, as `ElementArray` takes it.

    Members
    -------
    used : unsigned(tile_rows)
        Bit p * r + j: row j of element p is in the tile.
    groups : range(2)
        Logarithm of the number of groups: zero.

    Further members are those of ``tile_shape``.
    """
    return data.StructLayout({
        "used": unsigned(config.tile_rows), "groups": index_range(1), **tile_shape.members,
    })


def rows_tile_layout(config: ElementConfig) -> data.StructLayout:
    """Return the description of a tile that says nothing but what the array must know.

    Members
    -------
    rows : range(tile_rows + 1)
        Rows in the tile, 1..P * r.
    """
    return data.StructLayout({"rows": range(config.tile_rows + 1)})


def lookup_result_layout(config: ElementConfig,
                         tile_shape: data.StructLayout | None = None) -> data.StructLayout:
    """Return the psums of one output neuron, its place, and its tile.

    Parameters
    ----------
    config : ElementConfig
    tile_shape : data.StructLayout
        Description of a tile; without it `rows_tile_layout`.

    Members
    -------
    psums : psums_layout(config)
        One psum for each timestep.
    row : index_range(tile_rows)
        Row in the tile.
    column_end : unsigned(1)
        Last row of its column.
    last : unsigned(1)
        In the last column of the tile.
    tile : rows_tile_layout(config)
        The tile's description, as it came in.
    """
    return array_result_layout(config, tile_shape or rows_tile_layout(config))


def lookup_error_layout() -> data.StructLayout:
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
        The rows of a tile are not in 1..P * r.
    row_index : unsigned(1)
        A spike fiber is not that of the tile's next row.
    """
    return data.StructLayout({
        "row_overflow": unsigned(1),
        "length_mismatch": unsigned(1),
        "place_overflow": unsigned(1),
        "tile_rows": unsigned(1),
        "row_index": unsigned(1),
    })
