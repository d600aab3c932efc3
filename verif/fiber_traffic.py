# SPDX-License-Identifier: Apache-2.0
"""Chunks of spike fibers as they pass compressor and decompressor, from the golden ops."""

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch

from ..models.golden.compressor import compress
from ..models.golden.decompressor import decompress
from ..rtl.config import FTPConfig
from .fibers import Beat, spike_beats
from .stimuli import random_words

__all__ = ["CORNERS", "Chunk", "fiber_chunks", "interleaved", "random_chunks", "word_slices"]


def word_slices(words: list[int], config: FTPConfig, *, row: int = 0, last: bool = True,
                drop_single: bool = False) -> list[dict[str, Any]]:
    """Return words of a fiber as slices; with ``last`` they end it."""
    size = config.beat_values
    found: list[dict[str, Any]] = []
    for start in range(0, len(words), size):
        part = words[start:start + size]
        found.append({"words": part + [0] * (size - len(part)), "row": row,
                      "last": int(last and start + size >= len(words)),
                      "drop_single": int(drop_single)})
    return found


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """One chunk of a spike fiber, uncompressed and compressed."""

    row: int
    last: bool         # of its fiber
    drop_single: bool  # words with fewer than two spikes count as silent
    words: list[int]   # as they came, without padding
    kept: list[int]    # of all positions; silent ones and padding are 0
    beats: list[Beat]

    def slices(self, config: FTPConfig) -> list[dict[str, Any]]:
        """Return what the compressor takes."""
        return word_slices(self.words, config, row=self.row, last=self.last,
                           drop_single=self.drop_single)

    def expanded(self) -> list[dict[str, Any]]:
        """Return what the decompressor gives."""
        final = len(self.kept) - 1
        return [{"word": word, "row": self.row, "last": int(self.last and place == final)}
                for place, word in enumerate(self.kept)]


def fiber_chunks(words: list[int], config: FTPConfig, *, row: int = 0, drop_single: bool = False,
                 noise: random.Random | None = None) -> list[Chunk]:
    """Return the chunks of the fiber that the golden op makes of ``words``.

    Parameters
    ----------
    words : list[int]
        Lane words, one or more.
    config : FTPConfig
        Gives the sizes of chunk and beat.
    row : int
        Row of the fiber.
    drop_single : bool
        Whether words with fewer than two spikes count as silent.
    noise : random.Random, optional
        See `fibers.spike_beats`.
    """
    size = config.chunk
    fiber = compress(torch.tensor(words), size, 2 if drop_single else 1)
    kept = decompress(fiber).tolist()
    kept += [0] * (fiber.masks.numel() - len(kept))
    beats = spike_beats(fiber, config, row=row, offsets=True, noise=noise)
    ends = [index + 1 for index, beat in enumerate(beats) if beat["end"]]
    starts = [0, *ends[:-1]]
    return [Chunk(row=row, last=index == len(ends) - 1, drop_single=drop_single,
                  words=words[index * size:(index + 1) * size],
                  kept=kept[index * size:(index + 1) * size], beats=beats[start:end])
            for index, (start, end) in enumerate(zip(starts, ends, strict=True))]


def interleaved(queues: Iterable[list[Chunk]], rng: random.Random) -> list[Chunk]:
    """Return the chunks of all queues in random order, each queue's in its own."""
    waiting = [list(queue) for queue in queues if queue]
    found = []
    while waiting:
        queue = rng.choice(waiting)
        found.append(queue.pop(0))
        waiting = [queue for queue in waiting if queue]
    return found


def random_chunks(rng: random.Random, config: FTPConfig, positions: int,
                  noise: random.Random | None = None) -> list[Chunk]:
    """Return interleaved fibers of all lengths and sparsities.

    Parameters
    ----------
    rng : random.Random
        Draws the fibers; there are a full and an empty chunk among them.
    config : FTPConfig
        Gives sizes and rows.
    positions : int
        How many there are in all, or a few more.
    noise : random.Random, optional
        See `fibers.spike_beats`.
    """
    queues: list[list[Chunk]] = [[] for _ in range(config.tppes)]
    plans = [(config.chunk, 1.0, False), (config.chunk, 0.0, False)]
    while sum(length for length, _, _ in plans) < positions:
        chunks = rng.choice([1, rng.randint(1, config.max_chunks)])
        density = rng.choice([0.0, 1.0, rng.random(), rng.random()])
        plans.append((rng.randint(1, chunks * config.chunk), density, rng.random() < 0.3))
    for length, density, drop_single in rng.sample(plans, len(plans)):
        words = random_words(rng, config, length, density)
        row = rng.randrange(config.tppes)
        queues[row] += fiber_chunks(words, config, row=row, drop_single=drop_single, noise=noise)
    return interleaved(queues, rng)


def _word(rng: random.Random, config: FTPConfig) -> int:
    return rng.randrange(1, 1 << config.timesteps)


def _scattered(count: int, rng: random.Random, config: FTPConfig) -> list[int]:
    """Return a chunk with ``count`` words that are not silent, anywhere."""
    places = rng.sample(range(config.chunk), count)
    return [_word(rng, config) * (place in places) for place in range(config.chunk)]


def _empty_chunk(rng: random.Random, config: FTPConfig) -> list[Chunk]:
    """A chunk without a word, alone, at the start, within and at the end of a fiber."""
    empty, some = [0] * config.chunk, _scattered(config.chunk // 2, rng, config)
    fibers = [empty, empty + some, some + empty, [0] * 3]
    if config.max_chunks > 2:
        fibers.append(some + empty + some)
    return [chunk for words in fibers for chunk in fiber_chunks(words, config)]


def _full_chunk(rng: random.Random, config: FTPConfig) -> list[Chunk]:
    """Chunks without a silent word, one after another."""
    return [chunk for _ in range(3) for chunk in fiber_chunks(
        _scattered(config.chunk, rng, config) * min(2, config.max_chunks), config)]


def _full_beats(rng: random.Random, config: FTPConfig) -> list[Chunk]:
    """The words of a chunk fill its beats without a rest."""
    return [chunk for beats in range(1, config.chunk_beats + 1) for chunk in fiber_chunks(
        _scattered(beats * config.beat_values, rng, config), config)]


def _word_at_end_after_full_beat(rng: random.Random, config: FTPConfig) -> list[Chunk]:
    """The last position of a chunk overflows a full beat; a chunk of one beat has no such."""
    found = []
    for beats in range(1, config.chunk_beats):
        count = beats * config.beat_values
        for first in (0, config.chunk - 1 - count):  # silent words follow the full beat, or none
            words = [_word(rng, config) * (first <= place < first + count)
                     for place in range(config.chunk - 1)]
            found += fiber_chunks([*words, _word(rng, config)], config)
    return found or _full_chunk(rng, config)


def _one_position(rng: random.Random, config: FTPConfig) -> list[Chunk]:
    """Fibers of a single position, silent and not, back to back."""
    return [chunk for index in range(20) for chunk in fiber_chunks(
        [_word(rng, config) * rng.getrandbits(1)], config, row=index % config.tppes)]


def _length_not_multiple(rng: random.Random, config: FTPConfig) -> list[Chunk]:
    """The last chunk of a fiber is short: its padding is silent."""
    size = config.chunk
    lengths = [size - 1, size + 1, 2 * size - 1, 2, size * config.max_chunks - 1]
    return [chunk for length in lengths if length <= config.max_chunks * size
            for chunk in fiber_chunks([_word(rng, config) for _ in range(length)], config)]


def _uneven_slices(rng: random.Random, config: FTPConfig) -> list[Chunk]:
    """Slices with any number of words follow one another, so beats end at any word of a slice."""
    size = config.beat_values

    def words() -> list[int]:
        kept = rng.sample(range(size), rng.randint(0, size))
        return [_word(rng, config) * (place in kept) for place in range(size)]

    return [chunk for _ in range(10) for chunk in fiber_chunks(
        [word for _ in range(config.chunk_beats) for word in words()], config)]


def _drop_single(rng: random.Random, config: FTPConfig) -> list[Chunk]:
    """Words of no, one, two and all spikes with and without the option."""
    single = [1 << t for t in range(config.timesteps)]
    double = [word | 1 << t for word in single for t in range(config.timesteps)]
    every = (1 << config.timesteps) - 1
    kinds = [single, double, [0, every], [*single, *double, 0, every]]
    return [chunk for kind in kinds for drop in (True, False) for chunk in fiber_chunks(
        [rng.choice(kind) for _ in range(config.chunk)], config, drop_single=drop)]


def _interleaved_rows(rng: random.Random, config: FTPConfig) -> list[Chunk]:
    """Chunk by chunk a fiber of each row, then another: offsets continue, then start anew."""
    def words() -> list[int]:
        return [_word(rng, config) * (rng.random() < 0.4)
                for _ in range(min(config.max_chunks, 3) * config.chunk)]

    rounds = []
    for _ in range(2):
        rows = [fiber_chunks(words(), config, row=row) for row in range(config.tppes)]
        rounds += [chunk for chunks in zip(*rows, strict=True) for chunk in chunks]
    return rounds


def _most_chunks(rng: random.Random, config: FTPConfig) -> list[Chunk]:
    """The longest fiber, full: its offsets reach their largest; then one more."""
    return [chunk for _ in range(2) for chunk in fiber_chunks(
        [_word(rng, config) for _ in range(config.max_chunks * config.chunk)], config,
        row=config.tppes - 1)]


CORNERS: dict[str, Callable[[random.Random, FTPConfig], list[Chunk]]] = {
    "empty_chunk": _empty_chunk,
    "full_chunk": _full_chunk,
    "full_beats": _full_beats,
    "word_at_end_after_full_beat": _word_at_end_after_full_beat,
    "one_position": _one_position,
    "length_not_multiple": _length_not_multiple,
    "uneven_slices": _uneven_slices,
    "drop_single": _drop_single,
    "interleaved_rows": _interleaved_rows,
    "most_chunks": _most_chunks,
}
