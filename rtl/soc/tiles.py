# SPDX-License-Identifier: Apache-2.0
"""What the row walker tells the other units of a tile."""

from amaranth import unsigned
from amaranth.lib import data

from ..config import AcceleratorConfig

__all__ = ["slots_layout", "walked_tile_layout"]


def walked_tile_layout(config: AcceleratorConfig) -> data.StructLayout:
    """Return a tile as the array and the post-processing see it.

    Members
    -------
    rows : range(P + 1)
        Rows in the tile, 1..P.
    opens : unsigned(1)
        The first tile of its windows.
    closes : unsigned(1)
        The last tile of its windows.
    """
    return data.StructLayout({
        "rows": range(config.tile_rows + 1), "opens": unsigned(1), "closes": unsigned(1),
    })


def slots_layout(config: AcceleratorConfig) -> data.StructLayout:
    """Return where the chunk writer puts what comes of a tile.

    Members
    -------
    address : unsigned(config.bounds.address_bits)
        Slot of the first window's first chunk, in this weight block and lane pass 0.
    rows : range(P + 1)
        Fibers that come, one for each window and lane pass of the output.
    """
    return data.StructLayout({
        "address": unsigned(config.bounds.address_bits), "rows": range(config.tile_rows + 1),
    })
