# SPDX-License-Identifier: Apache-2.0
"""Tiles of the lookup array: what goes in on each stream, and what comes out by the golden op."""

import random
from collections.abc import Iterable
from typing import Any

from ..models.golden.lookup_array import lookup_array
from ..rtl.config import ElementConfig
from .element_traffic import list_beats, weight_lists
from .fibers import Beat, spike_beats
from .stimuli import Product, random_product

__all__ = ["LookupTraffic", "random_tiles"]


def random_tiles(rng: random.Random, config: ElementConfig, count: int) -> list[Product]:
    """Return products that fill a tile or have only some of its rows; one tile has one row."""
    rows = [1, config.tile_rows]
    rows += [rng.randint(1, config.tile_rows) for _ in range(count - len(rows))]
    return [random_product(rng, config, number, rng.randint(1, 6))
            for number in rng.sample(rows, count)]


class LookupTraffic:
    """What goes into the array for some tiles in turn, and what comes out.

    Parameters
    ----------
    tiles : Iterable[Product]
        Of at most ``P * r`` rows each.
    config : ElementConfig
    rng : random.Random
        Fills what does not count.

    Attributes
    ----------
    tiles, rows, weights, results : list of dict
        Payloads of the streams.
    additions : int
        Of all elements.
    """

    def __init__(self, tiles: Iterable[Product], config: ElementConfig, rng: random.Random):
        self.tiles: list[dict[str, int]] = []
        self.rows: list[Beat] = []
        self.weights: list[Beat] = []
        self.results: list[dict[str, Any]] = []
        self.additions = 0
        for product in tiles:
            words, weights = product.words, product.weights
            count = len(words)
            tile = {"rows": count}
            made = lookup_array(words, weights, config.timesteps, config.psum_bits, config.tppes,
                                config.rows_per_pe)
            if config.pe == "scan":
                self.additions += int(made.additions.sum())
            else:  # a weight that some row needs is added by all elements that have one
                needed = int(((words != 0).any(0) * (weights != 0).sum(1)).sum())
                self.additions += len({item.element for item in made.dealt}) * needed
            self.tiles.append(tile)
            for row, fiber in enumerate(product.rows(config)):
                self.rows += spike_beats(fiber, config, noise=rng, row=row)
            lists = weight_lists(product, config, rng, rng.choice((0.0, 0.3)))
            self.weights += list_beats(lists, config, rng)
            columns = weights.shape[1]
            self.results += [
                {"psums": made.psums[:, row, column].tolist(), "row": row,
                 "column_end": int(row == count - 1), "last": int(column == columns - 1),
                 "tile": tile} for column in range(columns) for row in range(count)]
