# SPDX-License-Identifier: Apache-2.0
"""Tiles of the reference machine: which output positions they hold, and what came of them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from .reference_memory import MachineError

__all__ = ["Tile", "TileTrace", "walk"]


@dataclass(frozen=True, kw_only=True)
class Tile:
    """One tile as the row walker walks it.

    Attributes
    ----------
    block, tile : int
        Weight block, and tile in it.
    window : int
        First window, in raster order.
    rows : list of tuple
        Output position (y, x) and lane pass of each row.
    opens, closes : bool
        Whether it is the first, the last tile of its windows.
    """

    block: int
    tile: int
    window: int
    rows: list[tuple[int, int, int]]
    opens: bool
    closes: bool


@dataclass(frozen=True, kw_only=True, eq=False)
class TileTrace:
    """What a tile made.

    Attributes
    ----------
    image, descriptor : int
    tile : Tile
    words : ndarray[rows, K]
        Lane words of its rows.
    psums : ndarray[T, rows, columns]
        What the array gives.
    currents : ndarray[T, members, columns]
        After lanes, bias, requantization and residual.
    """

    image: int
    descriptor: int
    tile: Tile
    words: np.ndarray
    psums: np.ndarray
    currents: np.ndarray


def walk(layer: dict[str, Any]) -> Iterator[Tile]:
    """Yield the tiles of a layer's descriptor: block by block, window by window."""
    pool, passes = layer["pool"], layer["passes"]
    members = [(dy, dx) for dy in range(pool) for dx in range(pool)]
    whole = layer["members_per_tile"] == len(members)
    step = layer["windows_per_tile"] if whole else 1
    windows = [(y, x) for y in range(layer["out_height"]) for x in range(layer["out_width"])]
    for block in range(layer["blocks"]):
        tile = 0
        for window in range(0, len(windows), step):
            for first in range(0, len(members), layer["members_per_tile"]):
                part = members[first:first + layer["members_per_tile"]]
                yield Tile(
                    block=block, tile=tile, window=window, opens=first == 0,
                    closes=first + len(part) == len(members),
                    rows=[(wy * pool + dy, wx * pool + dx, lane_pass)
                          for wy, wx in windows[window:window + step]
                          for dy, dx in part for lane_pass in range(passes)])
                tile += 1
        if tile != layer["tiles"]:
            raise MachineError(f"tiles must be {tile}, not {layer['tiles']}")
