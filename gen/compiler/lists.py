# SPDX-License-Identifier: Apache-2.0
"""Weight lists in memory: for each column beats of slots, one slot of each bank."""

from dataclasses import dataclass

import numpy as np

from ...rtl.config import AcceleratorConfig

__all__ = ["ListFormat", "WeightPlaces"]


@dataclass(frozen=True, kw_only=True, eq=False)
class WeightPlaces:
    """The weights of a layer that are not zero, bank by bank of each column, places ascending.

    Attributes
    ----------
    columns : int
        Of the layer.
    banks : int
        Of a column, b.
    lists : ndarray
        ``column * banks + bank`` of each weight.
    gaps : ndarray
        Places of the bank between the weight before, or the begin, and this one.
    values : ndarray
        The weights.
    """

    columns: int
    banks: int
    lists: np.ndarray
    gaps: np.ndarray
    values: np.ndarray

    @classmethod
    def located(cls, weights: np.ndarray, config: AcceleratorConfig) -> "WeightPlaces":
        """Return those of weights [columns, K].

        Position k is in slice ``s = k // V``, so in bank ``s % b`` at place
        ``(s // b) * V + k % V``.
        """
        banks, width = config.probes, config.beat_values
        columns, positions = np.nonzero(weights)
        slices, within = np.divmod(positions, width)
        lists = columns * banks + slices % banks
        order = np.argsort(lists, kind="stable")
        lists, places = lists[order], (slices // banks * width + within)[order]
        before = np.full_like(places, -1)
        same = lists[1:] == lists[:-1]
        before[1:][same] = places[:-1][same]
        return cls(columns=len(weights), banks=banks, lists=lists, gaps=places - before - 1,
                   values=weights[columns, positions][order])


@dataclass(frozen=True, kw_only=True)
class ListFormat:
    """How the lists of columns lie in memory words.

    A slot is a delta of ``delta_bits`` bits and above it a weight; a beat is a slot of each bank
    and above them one bit that ends its column; a word holds whole beats from its lowest bit on.
    Each block of columns begins with a new word.

    Attributes
    ----------
    delta_bits, weight_bits : int
    word_bits : int
        Bits of a memory word, W.
    beat_bits : int
    beats_per_word : int
    """

    delta_bits: int
    weight_bits: int
    word_bits: int
    beat_bits: int
    beats_per_word: int

    @classmethod
    def of(cls, config: AcceleratorConfig, delta_bits: int) -> "ListFormat":
        """Return the format with so many bits of a delta."""
        return cls(delta_bits=delta_bits, weight_bits=config.weight_bits,
                   word_bits=config.memory_bits,
                   beat_bits=config.probes * (delta_bits + config.weight_bits) + 1,
                   beats_per_word=config.list_beats_per_word(delta_bits))

    def column_beats(self, places: WeightPlaces) -> np.ndarray:
        """Return the beats of each column: as many as the slots of its fullest bank, or 1."""
        slots = np.bincount(places.lists, (places.gaps >> self.delta_bits) + 1,
                            places.columns * places.banks).astype(np.int64)
        return np.maximum(1, slots.reshape(places.columns, places.banks).max(1))

    def words(self, column_beats: np.ndarray, block_columns: int) -> int:
        """Return the words of all blocks."""
        return int(self._block_words(column_beats, block_columns).sum())

    def pack(self, places: WeightPlaces, block_columns: int) -> bytes:
        """Return the blocks behind one another."""
        beats = self.column_beats(places)
        words = self._block_words(beats, block_columns)
        bits = np.zeros(int(words.sum()) * self.word_bits, dtype=np.uint8)
        # where each beat begins, column after column
        starts = np.cumsum(beats) - beats
        blocks = np.arange(places.columns) // block_columns
        number = np.arange(beats.sum()) - np.repeat(starts[::block_columns][blocks], beats)
        word, slot = np.divmod(number, self.beats_per_word)
        word += np.repeat((np.cumsum(words) - words)[blocks], beats)
        begins = word * self.word_bits + slot * self.beat_bits
        bits[begins[starts + beats - 1] + self.beat_bits - 1] = 1

        # a gap too long for one delta takes slots before that of the weight
        escapes = places.gaps >> self.delta_bits
        slots = np.cumsum(escapes + 1)
        first = np.searchsorted(places.lists, places.lists)
        slots -= (slots - escapes - 1)[first] + 1  # of the weight, in its list
        columns, banks = np.divmod(places.lists, places.banks)
        width = self.delta_bits + self.weight_bits
        weights_at = begins[starts[columns] + slots] + banks * width
        longest = (1 << self.delta_bits) - 1
        self._put(bits, weights_at, self.delta_bits, places.gaps & longest)
        self._put(bits, weights_at + self.delta_bits, self.weight_bits, places.values)
        back = np.arange(escapes.sum()) - np.repeat(np.cumsum(escapes) - escapes, escapes) + 1
        escapes_at = begins[np.repeat(starts[columns] + slots, escapes) - back]
        self._put(bits, escapes_at + np.repeat(banks * width, escapes), self.delta_bits,
                  np.full_like(back, longest))
        return np.packbits(bits, bitorder="little").tobytes()

    def _block_words(self, column_beats: np.ndarray, block_columns: int) -> np.ndarray:
        """Return the words of each block."""
        starts = np.arange(0, len(column_beats), block_columns)
        return -(-np.add.reduceat(column_beats, starts) // self.beats_per_word)

    @staticmethod
    def _put(bits: np.ndarray, places: np.ndarray, width: int, values: np.ndarray) -> None:
        for bit in range(width):
            bits[places + bit] = values >> bit & 1
