# SPDX-License-Identifier: Apache-2.0
"""Tiles of an element that looks weights up: what goes in, and what comes out by the golden op."""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from ..models.golden.element import element
from ..models.golden.weight_list import Entry, locate
from ..rtl.config import ArrayConfig, ElementConfig
from .fibers import Beat, spike_beats
from .stimuli import DENSITIES, Product, random_weights, random_words

__all__ = ["ElementTile", "ElementTraffic", "list_beats", "random_tile", "weight_lists"]

Column = list[list[Entry]]


def weight_lists(product: Product, config: ElementConfig, rng: random.Random,
                 blanks: float = 0.0) -> list[Column]:
    """Return the list of each column.

    Parameters
    ----------
    blanks : float
        Share of the entries that are left out; without them the lists are as short as can be.
    """
    columns = []
    for weights in product.weights.T:
        banks: list[list[Entry]] = [[] for _ in range(config.probes)]
        positions = weights.nonzero().flatten()
        for bank, place, weight in zip(
                *(found.tolist() for found in
                  locate(positions, config.probes, config.beat_values)),
                weights[positions].tolist(), strict=True):
            while rng.random() < blanks:
                banks[bank].append(None)
            banks[bank].append((place, weight))
        length = max(1, *map(len, banks))
        columns.append([list(beat) for beat in zip(
            *(bank + [None] * (length - len(bank)) for bank in banks), strict=True)])
    return columns


def list_beats(columns: Sequence[Column], config: ElementConfig, noise: random.Random,
               final: bool = True) -> list[Beat]:
    """Return the beats of the columns of a tile; what does not count is random."""
    limit = 1 << (config.weight_bits - 1)

    def fields(entry: Entry) -> dict[str, int]:
        place, weight = entry or (noise.randrange(config.places),
                                  noise.randrange(-limit, limit))
        return {"valid": int(entry is not None), "place": place, "weight": weight}

    beats = []
    for number, column in enumerate(columns):
        for index, entries in enumerate(column):
            end = index == len(column) - 1
            beats.append({
                "entries": [fields(entry) for entry in entries], "column_end": int(end),
                "final": int(final and number == len(columns) - 1) if end
                else noise.getrandbits(1)})
    return beats


@dataclass(frozen=True, eq=False, kw_only=True)
class ElementTile:
    """A product, as an element computes it.

    Parameters
    ----------
    product : Product
        Of as many rows as are used.
    used : list of int
        Rows of the element where they go, ascending.
    columns : list of Column
        The lists of its weights.
    """

    product: Product
    used: list[int]
    columns: list[Column]


def random_tile(rng: random.Random, config: ArrayConfig, *, used: list[int] | None = None,
                columns: int | None = None, length: int | None = None) -> ElementTile:
    """Return a tile of some rows, maybe none; each row and column with a sparsity of its own."""
    rows = range(config.rows_per_pe)
    used = [row for row in rows if rng.random() < 0.7] if used is None else used
    length = length or rng.randint(1, config.max_fan_in)
    product = Product(
        torch.tensor([random_words(rng, config, length, rng.choice(DENSITIES)) for _ in used],
                     dtype=torch.int64).reshape(len(used), length),
        torch.tensor([random_weights(rng, config, length, rng.choice(DENSITIES))
                      for _ in range(columns or rng.randint(1, 6))]).T)
    return ElementTile(product=product, used=used, columns=weight_lists(
        product, config, rng, rng.choice((0.0, 0.0, 0.5))))


class ElementTraffic:
    """What goes into the element for some tiles in turn, and what comes out.

    Parameters
    ----------
    tiles : Iterable[ElementTile]
    config : ArrayConfig
    rng : random.Random
        Fills what does not count.

    Attributes
    ----------
    tiles, weights, results : list of dict
        Payloads of the streams.
    rows : list of list of dict
        Those of each row.
    matches : int
        Spike words that meet a weight, of all rows.
    """

    def __init__(self, tiles: Iterable[ElementTile], config: ArrayConfig, rng: random.Random):
        self.tiles: list[dict[str, int]] = []
        self.weights: list[Beat] = []
        self.rows: list[list[Beat]] = [[] for _ in range(config.rows_per_pe)]
        self.results: list[dict[str, Any]] = []
        self.matches = 0
        for tile in tiles:
            product = tile.product
            self.tiles.append({"used": sum(1 << row for row in tile.used)})
            self.weights += list_beats(tile.columns, config, rng)
            for row, fiber in zip(tile.used, product.rows(config), strict=True):
                self.rows[row] += spike_beats(fiber, config, noise=rng)
            self.matches += int((product.words != 0).long().sum(0) @ (product.weights != 0).long()
                                .sum(1))
            psums = element(product.words, tile.columns, config.timesteps, config.psum_bits,
                            config.beat_values)
            self.results += [
                {"psums": psums[:, index, number].tolist(), "row": row,
                 "column_end": int(row == tile.used[-1]),
                 "final": int(number == len(tile.columns) - 1)}
                for number in range(len(tile.columns)) for index, row in enumerate(tile.used)]
