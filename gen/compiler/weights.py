# SPDX-License-Identifier: Apache-2.0
"""Weights of a layer in each of the formats in which they may lie in memory."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

from ...rtl.config import AcceleratorConfig
from ...rtl.soc.list_unpacker import delta_choices
from .chunks import ChunkFormat
from .lists import ListFormat, WeightPlaces

__all__ = ["FiberWeights", "ListWeights", "NoWeights", "Weights", "weight_formats"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Weights(ABC):
    """The weights of a layer in one format.

    Attributes
    ----------
    counts : ndarray[columns, chunks]
        Non-zero weights of each chunk.
    column_beats : ndarray[columns]
        Beats that each column takes in the weight buffer.
    """

    counts: np.ndarray
    column_beats: np.ndarray

    @property
    def delta_bits(self) -> int | None:
        """Bits of a delta of the lists; None if the weights are fibers with bitmasks."""
        return None

    @abstractmethod
    def words(self, block_columns: int) -> int:
        """Return the memory words of all blocks of so many columns."""

    @abstractmethod
    def pack(self, block_columns: int) -> bytes:
        """Return all blocks behind one another, whole words."""

    def largest_block(self, block_columns: int) -> int:
        """Return the beats of the largest block."""
        starts = np.arange(0, len(self.column_beats), block_columns)
        return int(np.add.reduceat(self.column_beats, starts).max())


@dataclass(frozen=True, kw_only=True, eq=False)
class NoWeights(Weights):
    """Those of a layer that has none."""

    @classmethod
    def of(cls, columns: int) -> "NoWeights":
        """Return them for so many columns."""
        return cls(counts=np.zeros((columns, 1), np.int64),
                   column_beats=np.zeros(columns, np.int64))

    def words(self, block_columns: int) -> int:
        """Return 0."""
        return 0

    def pack(self, block_columns: int) -> bytes:
        """Return nothing."""
        return b""


@dataclass(frozen=True, kw_only=True, eq=False)
class FiberWeights(Weights):
    """Fibers with bitmasks.

    Attributes
    ----------
    chunk_format : ChunkFormat
    values : ndarray[columns, chunks, C]
    """

    chunk_format: ChunkFormat
    values: np.ndarray

    @classmethod
    def of(cls, values: np.ndarray, config: AcceleratorConfig) -> "FiberWeights":
        """Return the fibers of weights [columns, chunks, C]."""
        chunk_format = ChunkFormat.of_weights(config)
        counts = np.count_nonzero(values, axis=2)
        if config.looks_up:  # listed one by one; an empty chunk at the end is a beat, too
            beats = counts.sum(1) + (counts[:, -1] == 0)
        else:                # each empty chunk is one
            beats = np.maximum(1, chunk_format.beats(counts)).sum(1)
        return cls(counts=counts, column_beats=beats, chunk_format=chunk_format, values=values)

    def words(self, block_columns: int) -> int:
        """Return the memory words, whatever the blocks."""
        return int(self.chunk_format.words(self.counts).sum())

    def pack(self, block_columns: int) -> bytes:
        """Return all columns behind one another, whatever the blocks."""
        return self.chunk_format.pack(
            self.values.reshape(-1, self.chunk_format.chunk)).tobytes()


@dataclass(frozen=True, kw_only=True, eq=False)
class ListWeights(Weights):
    """Lists.

    Attributes
    ----------
    list_format : ListFormat
    places : WeightPlaces
    """

    list_format: ListFormat
    places: WeightPlaces

    @property
    def delta_bits(self) -> int:
        """Bits of a delta."""
        return self.list_format.delta_bits

    def words(self, block_columns: int) -> int:
        """Return the memory words; each block begins with a new one."""
        return self.list_format.words(self.column_beats, block_columns)

    def pack(self, block_columns: int) -> bytes:
        """Return all blocks behind one another."""
        return self.list_format.pack(self.places, block_columns)


def weight_formats(values: np.ndarray, config: AcceleratorConfig) -> list[Weights]:
    """Return weights [columns, chunks, C] in each format that the hardware takes.

    First the lists, those with the shortest deltas before the others.
    """
    fibers = FiberWeights.of(values, config)
    if not config.looks_up:
        return [fibers]
    places = WeightPlaces.located(values.reshape(len(values), -1), config)
    formats = [ListFormat.of(config, bits) for bits in delta_choices(config)]
    return [*(ListWeights(counts=fibers.counts, column_beats=found.column_beats(places),
                          list_format=found, places=places) for found in formats), fibers]
