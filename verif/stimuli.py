# SPDX-License-Identifier: Apache-2.0
"""Operands of the matrix product for the benches: at any sparsity, and the corner cases.

The corner cases are those of a dual-sparse inner join (LoAS, MICRO 2024): what is rare in
random data and hard on prefix sums, queues and accumulators.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ..models.golden.compressor import compress
from ..models.golden.fiber import Fiber
from ..rtl.config import FTPConfig

__all__ = ["CORNERS", "DENSITIES", "Product", "random_product", "random_weights", "random_words"]

DENSITIES = (0.0, 0.03, 0.15, 0.5, 0.9, 1.0)


@dataclass(frozen=True, eq=False)
class Product:
    """Spikes times weights.

    Parameters
    ----------
    words : Tensor[M, K]
        Lane words.
    weights : Tensor[K, N]
        Signed.
    """

    words: Tensor
    weights: Tensor

    def rows(self, config: FTPConfig) -> list[Fiber]:
        """Return the spike fibers."""
        return [compress(row, config.chunk) for row in self.words]

    def columns(self, config: FTPConfig) -> list[Fiber]:
        """Return the weight fibers."""
        return [compress(column, config.chunk) for column in self.weights.T]


def random_words(rng: random.Random, config: FTPConfig, count: int, density: float) -> list[int]:
    """Return lane words: all ones, with one zero, with one spike, and any, equally often."""
    full = (1 << config.timesteps) - 1
    one = [1 << t for t in range(config.timesteps)]

    def word() -> int:
        kinds = (full, full ^ rng.choice(one) or full, rng.choice(one), rng.randint(1, full))
        return rng.choice(kinds)

    return [word() if rng.random() < density else 0 for _ in range(count)]


def random_weights(rng: random.Random, config: FTPConfig, count: int,
                   density: float) -> list[int]:
    """Return weights; the most negative, the most positive and -1 come often."""
    low, high = _weight_limits(config)
    values = [value for value in range(low, high + 1) if value]
    return [rng.choice((low, high, -1, rng.choice(values))) if rng.random() < density else 0
            for _ in range(count)]


def random_product(rng: random.Random, config: FTPConfig, rows: int, columns: int,
                   length: int | None = None) -> Product:
    """Return a product whose rows and columns each have a sparsity of their own.

    Parameters
    ----------
    length : int, optional
        Positions, K; without it 1 up to the longest that the hardware takes.
    """
    length = length or rng.randint(1, config.max_fan_in)
    return _product(
        [random_words(rng, config, length, rng.choice(DENSITIES)) for _ in range(rows)],
        [random_weights(rng, config, length, rng.choice(DENSITIES)) for _ in range(columns)])


def _product(rows: list[list[int]], columns: list[list[int]]) -> Product:
    return Product(torch.tensor(rows), torch.tensor(columns).T)


def _weight_limits(config: FTPConfig) -> tuple[int, int]:
    return -(1 << (config.weight_bits - 1)), (1 << (config.weight_bits - 1)) - 1


def _full(config: FTPConfig) -> int:
    return (1 << config.timesteps) - 1


def _chunks(config: FTPConfig, wanted: int) -> int:
    """Return a number of chunks that a fiber may have, ``wanted`` if possible."""
    return min(wanted, config.max_fan_in // config.chunk)


class _Masks:
    """Writes words and weights at chosen places of one row and one column."""

    def __init__(self, rng: random.Random, config: FTPConfig, length: int):
        self.words, self.weights = [0] * length, [0] * length
        self._some_words = random_words(rng, config, length, 1.0)
        self._some_weights = random_weights(rng, config, length, 1.0)

    def set(self, words: range | list[int], weights: range | list[int]) -> "_Masks":
        """Put non-zero values at these places."""
        for place in words:
            self.words[place] = self._some_words[place]
        for place in weights:
            self.weights[place] = self._some_weights[place]
        return self


def _chunk_ranges(config: FTPConfig, chunks: int) -> list[range]:
    size = config.chunk
    return [range(index * size, (index + 1) * size) for index in range(chunks)]


def _empty_and(rng: random.Random, config: FTPConfig) -> Product:
    """Both masks of a chunk are set, but nowhere at once; first, within and last in the fiber."""
    ranges = _chunk_ranges(config, _chunks(config, 3))
    columns, words = [], random_words(rng, config, len(ranges) * config.chunk, 0.5)
    for where in ranges:
        column = _Masks(rng, config, len(words)).set([], range(len(words))).weights
        for place in where:
            column[place] *= not words[place]
        columns.append(column)
    return _product([words], columns)


def _empty_weight_chunk(rng: random.Random, config: FTPConfig) -> Product:
    """A chunk without a weight: first, within, last; the weight base must not move on."""
    ranges = _chunk_ranges(config, _chunks(config, 3))
    length = len(ranges) * config.chunk
    columns = [[value * (place not in where) for place, value in enumerate(
        random_weights(rng, config, length, 0.7))] for where in ranges]
    return _product([random_words(rng, config, length, 0.7)], columns)


def _empty_spike_chunk(rng: random.Random, config: FTPConfig) -> Product:
    """A chunk whose neurons are all silent: first, within, last; the word base stays."""
    ranges = _chunk_ranges(config, _chunks(config, 3))
    length = len(ranges) * config.chunk
    rows = [[word * (place not in where) for place, word in enumerate(
        random_words(rng, config, length, 0.7))] for where in ranges]
    return _product(rows, [random_weights(rng, config, length, 0.7) for _ in range(2)])


def _output_without_match(rng: random.Random, config: FTPConfig) -> Product:
    """Whole outputs with no common position, no weight, no spike, between others: psum 0."""
    length = _chunks(config, 3) * config.chunk
    words = random_words(rng, config, length, 0.5)
    dense = random_weights(rng, config, length, 1.0)
    apart = [value * (not word) for value, word in zip(dense, words, strict=True)]
    rows = [words, [0] * length, words]
    return _product(rows, [apart, [0] * length, dense, apart, dense, [0] * length])


def _all_matches(rng: random.Random, config: FTPConfig) -> Product:
    """Every position of every chunk matches: the queue is full before the laggy offsets come."""
    length = _chunks(config, 3) * config.chunk
    rows = [random_words(rng, config, length, 1.0) for _ in range(2)]
    return _product(rows, [random_weights(rng, config, length, 1.0) for _ in range(2)])


def _chunk_boundary(rng: random.Random, config: FTPConfig) -> Product:
    """Matches at the last and the first position around each boundary, on dense masks.

    Offsets start anew there and the bases advance by the population counts.
    """
    length = _chunks(config, 4) * config.chunk
    edges = [place for place in range(length) if place % config.chunk in (0, config.chunk - 1)]
    dense_row = _Masks(rng, config, length).set(range(length), edges)
    dense_column = _Masks(rng, config, length).set(edges, range(length))
    return _product([dense_row.words, dense_column.words],
                    [dense_row.weights, dense_column.weights])


def _next_chunk_overtakes(rng: random.Random, config: FTPConfig) -> Product:
    """Chunks of few matches behind full ones: several chunks wait in the queue at once."""
    ranges = _chunk_ranges(config, config.max_fan_in // config.chunk)
    length = len(ranges) * config.chunk
    columns = []
    for few in (1, 2, 3):
        places = [place for index, where in enumerate(ranges)
                  for place in (where if index % 3 == 0 else rng.sample(where, few))]
        columns.append(_Masks(rng, config, length).set([], places).weights)
    return _product([random_words(rng, config, length, 1.0)], columns)


def _few_matches(rng: random.Random, config: FTPConfig) -> Product:
    """Outputs of 0 to 3 matches back to back: one drains while the next is summed up."""
    length = _chunks(config, 2) * config.chunk
    columns = [_Masks(rng, config, length).set([], rng.sample(range(length), count % 4)).weights
               for count in range(24)]
    return _product([random_words(rng, config, length, 1.0)], columns)


def _special_words(rng: random.Random, config: FTPConfig) -> Product:
    """Only words of all ones; with one zero; with one spike: none, one, most corrected."""
    length, full = config.chunk, _full(config)
    spikes = [1 << rng.randrange(config.timesteps) for _ in range(length)]
    rows = [[full] * length, [full ^ spike or full for spike in spikes], spikes]
    return _product(rows, [random_weights(rng, config, length, 0.8) for _ in range(3)])


def _length_not_multiple(rng: random.Random, config: FTPConfig) -> Product:
    """The last chunk is padded: its mask bits beyond the fiber are 0."""
    length = max(1, _chunks(config, 2) * config.chunk - 3)
    return _product([random_words(rng, config, length, 1.0)],
                    [random_weights(rng, config, length, density) for density in (1.0, 0.4)])


def _one_position(rng: random.Random, config: FTPConfig) -> Product:
    """Fibers of a single position."""
    return _product([[word] for word in (0, *random_words(rng, config, 2, 1.0))],
                    [[weight] for weight in (0, *random_weights(rng, config, 5, 1.0))])


def _most_chunks(rng: random.Random, config: FTPConfig) -> Product:
    """The longest fibers: all spikes and weights, and a few."""
    length = config.max_fan_in
    return _product([random_words(rng, config, length, density) for density in (1.0, 0.1)],
                    [random_weights(rng, config, length, density) for density in (1.0, 0.1)])


def _extreme_psums(rng: random.Random, config: FTPConfig) -> Product:
    """All weights at either limit on the longest fibers: psums at both ends of their range.

    Words with one zero correct one timestep by the whole sum, words with one spike all others.
    """
    length, full = config.max_fan_in, _full(config)
    rows = [[full] * length, [full ^ 1 or full] * length, [1] * length]
    low, high = _weight_limits(config)
    return _product(rows, [[low] * length, [high] * length,
                           [low] * (length // 2) + [high] * (length - length // 2)])


CORNERS: dict[str, Callable[[random.Random, FTPConfig], Product]] = {
    "empty_and": _empty_and,
    "empty_weight_chunk": _empty_weight_chunk,
    "empty_spike_chunk": _empty_spike_chunk,
    "output_without_match": _output_without_match,
    "all_matches": _all_matches,
    "chunk_boundary": _chunk_boundary,
    "next_chunk_overtakes": _next_chunk_overtakes,
    "few_matches": _few_matches,
    "special_words": _special_words,
    "length_not_multiple": _length_not_multiple,
    "one_position": _one_position,
    "most_chunks": _most_chunks,
    "extreme_psums": _extreme_psums,
}
