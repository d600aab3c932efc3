# SPDX-License-Identifier: Apache-2.0
"""Fiber pairs as the inner join takes them, with what shall come out, from the golden op."""

import random
from collections.abc import Iterable
from dataclasses import dataclass

from torch import Tensor

from ..models.golden.fiber import Fiber
from ..models.golden.inner_join import inner_join, pseudo_accumulate
from ..rtl.config import FTPConfig
from .stimuli import Product

__all__ = ["ChunkPair", "Join", "Planner"]

Chunk = tuple[Tensor, int, Tensor]  # as of `Fiber.chunks`


@dataclass(frozen=True)
class ChunkPair:
    """A chunk of a spike fiber beside that of a weight fiber.

    Parameters
    ----------
    payload : dict
        What goes to the unit.
    weights, words : dict of int to int
        What must lie in the memories, by address.
    matches : int
        Positions that both masks have.
    """

    payload: dict[str, int]
    weights: dict[int, int]
    words: dict[int, int]
    matches: int


@dataclass(frozen=True)
class Join:
    """A fiber pair.

    Parameters
    ----------
    chunks : list of ChunkPair
    pairs : list of dict
        What the unit sends, 0 in all that is void.
    psums : list of int
        For each timestep the sum of the weights whose neuron fired.
    """

    chunks: list[ChunkPair]
    pairs: list[dict[str, int]]
    psums: list[int]

    @property
    def speculation(self) -> list[dict[str, int]]:
        """What the unit sends ahead, 0 in all that is void."""
        return [{key: pair[key] for key in ("weight", "hit", "last")} for pair in self.pairs]


class Planner:
    """Gives each chunk its place in the memories, as row and column buffer would.

    Parameters
    ----------
    rng : random.Random
        Draws the places, and what does not count.
    config : FTPConfig
    """

    def __init__(self, rng: random.Random, config: FTPConfig):
        self.config = config
        self._rng = rng
        self._beat = rng.randrange(config.column_beats)  # where the next weights go

    def joins(self, products: Iterable[Product]) -> list[Join]:
        """Return all rows of each product with all its columns."""
        return [self._join(row, column) for product in products
                for row in product.rows(self.config) for column in product.columns(self.config)]

    def _join(self, row: Fiber, column: Fiber) -> Join:
        final = self._rng.getrandbits(1)
        base = self._rng.randrange(self.config.row_values - len(row.values))
        both = list(zip(row.chunks(), column.chunks(), strict=True))
        chunks = [self._chunk_pair(spikes, weights, base, int(index == len(both) - 1), final)
                  for index, (spikes, weights) in enumerate(both)]
        _, weights, words = inner_join(row, column)
        pseudo, corrections = pseudo_accumulate(weights, words, self.config.timesteps)
        pairs = [{"weight": weight, "word": word, "hit": 1, "last": 0, "final": 0}
                 for weight, word in zip(weights.tolist(), words.tolist(), strict=True)]
        if not chunks[-1].matches:
            pairs.append({"weight": 0, "word": 0, "hit": 0, "last": 0, "final": 0})
        pairs[-1] |= {"last": 1, "final": final}
        return Join(chunks, pairs, (pseudo - corrections).tolist())

    def _chunk_pair(self, spikes: Chunk, weights: Chunk, base: int, last: int,
                    final: int) -> ChunkPair:
        (spike_mask, offset, words), (weight_mask, _, values) = spikes, weights
        size = self.config.column_beats * self.config.beat_values
        first = self._beat * self.config.beat_values
        self._beat += max(1, -(-len(values) // self.config.beat_values))
        self._beat %= self.config.column_beats
        payload = {
            "spike_mask": _bits(spike_mask), "spike_base": base + offset,
            "weight_mask": _bits(weight_mask), "weight_base": first,
            "last": last, "final": final if last else self._rng.getrandbits(1),
        }
        return ChunkPair(payload,
                         {(first + k) % size: value for k, value in enumerate(values.tolist())},
                         {base + offset + k: word for k, word in enumerate(words.tolist())},
                         int((spike_mask & weight_mask).sum()))


def _bits(mask: Tensor) -> int:
    return sum(bit << place for place, bit in enumerate(mask.tolist()))
