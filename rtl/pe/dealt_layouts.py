# SPDX-License-Identifier: Apache-2.0
"""What the parts of the lookup array hand to one another."""

from amaranth import unsigned
from amaranth.lib import data

from ..config import ElementConfig
from ..ftp.layouts import index_range

__all__ = ["row_place_layout", "dealt_tile_layout"]


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
