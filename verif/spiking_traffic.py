# SPDX-License-Identifier: Apache-2.0
"""Tiles of the spiking array: what goes in on each stream, and what comes out by the golden ops."""

import random
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from ..models.golden.ftp_array import count_matches
from ..rtl.config import ArrayConfig
from .array_traffic import Tile
from .array_traffic import random_tile as random_part
from .element_traffic import list_beats, weight_lists
from .fibers import Beat, spike_beats
from .stimuli import Product, random_product

__all__ = ["SpikingTile", "SpikingTraffic", "random_tile", "spread"]


@dataclass(frozen=True, eq=False, kw_only=True)
class SpikingTile:
    """Some rows for each group of elements, and the columns that it has.

    Parameters
    ----------
    parts : tuple of Tile
        One for each group; what is to be done with the results is the same in all.
    rows : tuple of tuple of int
        Where in the array the rows of each part go, ascending, in the group's elements.
    """

    parts: tuple[Tile, ...]
    rows: tuple[tuple[int, ...], ...]

    def payload(self) -> dict[str, Any]:
        """Return the description that the array takes."""
        used = sum(1 << row for rows in self.rows for row in rows)
        return {"used": used, "groups": len(self.parts).bit_length() - 1,
                **self.parts[0].emission()}

    def told(self, **fields: Any) -> "SpikingTile":
        """Return the tile with other fields in all its parts."""
        return replace(self, parts=tuple(replace(part, **fields) for part in self.parts))

    def lane(self, lane: int, config: ArrayConfig) -> tuple[Tile, list[int]]:
        """Return the part of a lane, and the numbers of its rows there; it may have none."""
        first = lane * config.lane_rows
        group = first * len(self.parts) // config.tile_rows
        part = self.parts[group]
        chosen = {index: row - first for index, row in enumerate(self.rows[group])
                  if 0 <= row - first < config.lane_rows}
        product = Product(part.product.words[list(chosen)], part.product.weights)
        return replace(part, product=product), list(chosen.values())

    def additions(self, config: ArrayConfig) -> int:
        """Return the additions of all elements."""
        total = 0
        for part, rows in zip(self.parts, self.rows, strict=True):
            words, weights = part.product.words, part.product.weights
            if config.pe == "bcast":  # a weight that one of the group needs is added by all
                elements = len({row // config.rows_per_pe for row in rows})
                total += elements * int(((words != 0).any(0) * (weights != 0).sum(1)).sum())
            else:
                total += count_matches(words, weights)
        return total


def spread(rng: random.Random, config: ArrayConfig, tile: Tile, count: int = 1,
           rows: Iterable[int] | None = None) -> SpikingTile:
    """Return a tile whose rows lie anywhere in each of the groups, its columns divided among them.

    Parameters
    ----------
    count : int
        Groups, a power of two; each must get a column.
    rows : Iterable of int, optional
        Where in a group the rows are; without it that is random.
    """
    size, number = config.tile_rows // count, len(tile.product.words)
    places, parts = [], []
    for group in range(count):
        inside = rng.sample(range(size), number) if rows is None else rows
        places.append(tuple(group * size + row for row in sorted(inside)))
        columns = slice(group, None, count)
        parts.append(replace(
            tile, product=Product(tile.product.words, tile.product.weights[:, columns]),
            bias=tile.bias[columns], threshold=tile.threshold[columns]))
    return SpikingTile(parts=tuple(parts), rows=tuple(places))


def random_tile(rng: random.Random, config: ArrayConfig, groups: int = 1, *,
                columns: int | None = None, full: bool = False) -> SpikingTile:
    """Return a tile with a product of its own in each group, in some maybe without a row.

    Parameters
    ----------
    groups : int
        How many, a power of two.
    columns : int, optional
        Of each group; without it a few.
    full : bool
        All rows are used.
    """
    size = config.tile_rows // groups
    empty = {group for group in range(groups) if not full and rng.random() < 0.2}
    parts, places = [], []
    for group in range(groups):
        count = size if full else rng.choice((1, size, rng.randint(1, size)))
        product = random_product(rng, config, count, columns or rng.randint(1, 8))
        if group in empty and len(empty) < groups:
            count, product = 0, Product(product.words[:0], product.weights)
        parts.append(random_part(rng, config, product))
        places.append(tuple(group * size + row for row in sorted(rng.sample(range(size), count))))
    tile = SpikingTile(parts=tuple(parts), rows=tuple(places))
    return tile.told(lif=parts[0].lif, drop_single=parts[0].drop_single)


class SpikingTraffic:
    """What goes into the array for some tiles in turn, and what comes out.

    Parameters
    ----------
    tiles : Iterable[SpikingTile]
    config : ArrayConfig
    rng : random.Random
        Fills what does not count.

    Attributes
    ----------
    tiles : list of dict
        Payloads of ``i_tile``.
    rows, weights, channels, psums, fibers : list of list of dict
        Payloads of each stream of that kind.
    words : list of list of (int, list of int)
        For each lane each row and its output words, dropped ones 0.
    additions : int
        Of all elements.
    """

    def __init__(self, tiles: Iterable[SpikingTile], config: ArrayConfig, rng: random.Random):
        self.tiles: list[dict[str, Any]] = []
        self.rows: list[list[Beat]] = [[] for _ in range(config.tile_rows)]
        self.weights: list[list[Beat]] = [[] for _ in range(config.weight_streams)]
        lanes = range(config.output_lanes)
        self.channels: list[list[dict[str, int]]] = [[] for _ in lanes]
        self.psums: list[list[dict[str, Any]]] = [[] for _ in lanes]
        self.fibers: list[list[Beat]] = [[] for _ in lanes]
        self.words: list[list[tuple[int, list[int]]]] = [[] for _ in lanes]
        self.additions = 0
        for tile in tiles:
            self.tiles.append(tile.payload())
            self.additions += tile.additions(config)
            for group, (part, rows) in enumerate(zip(tile.parts, tile.rows, strict=True)):
                for row, fiber in zip(rows, part.product.rows(config), strict=True):
                    self.rows[row] += spike_beats(fiber, config, noise=rng)
                lists = weight_lists(part.product, config, rng, rng.choice((0.0, 0.3)))
                self.weights[group] += list_beats(lists, config, rng)
            for lane in lanes:
                part, rows = tile.lane(lane, config)
                if rows:
                    self.channels[lane] += part.channels()
                    self.psums[lane] += part.psum_payloads(config, rows)
                    self.fibers[lane] += part.fiber_payloads(config, rows)
                    self.words[lane] += part.kept_words(config, rows)
