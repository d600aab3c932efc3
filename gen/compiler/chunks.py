# SPDX-License-Identifier: Apache-2.0
"""Chunks of fibers in memory: a bitmask, then the non-zero values in beats."""

from dataclasses import dataclass

import numpy as np

from ...rtl.config import AcceleratorConfig, beat_slot_bits

__all__ = ["ChunkFormat"]


@dataclass(frozen=True, kw_only=True)
class ChunkFormat:
    """How a chunk lies in memory words.

    ``mask_words`` words of bitmask come first, then beats of ``beat_values`` values each,
    lowest position first; a beat takes ``slot_bits`` bits and does not cross a word.

    Attributes
    ----------
    chunk : int
        Positions, C.
    beat_values : int
        Values of a beat, V.
    value_bits : int
        Bits of a value.
    signed : bool
        Whether values are two's complement.
    word_bits : int
        Bits of a memory word, W.
    """

    chunk: int
    beat_values: int
    value_bits: int
    signed: bool
    word_bits: int

    @classmethod
    def of_weights(cls, config: AcceleratorConfig) -> "ChunkFormat":
        """Return the format of weight fibers."""
        return cls(chunk=config.chunk, beat_values=config.beat_values,
                   value_bits=config.weight_bits, signed=True, word_bits=config.memory_bits)

    @classmethod
    def of_spikes(cls, config: AcceleratorConfig) -> "ChunkFormat":
        """Return the format of spike maps."""
        return cls(chunk=config.chunk, beat_values=config.beat_values,
                   value_bits=config.timesteps, signed=False, word_bits=config.memory_bits)

    @property
    def mask_words(self) -> int:
        """Words of a bitmask."""
        return -(-self.chunk // self.word_bits)

    @property
    def slot_bits(self) -> int:
        """Bits that a beat takes."""
        return beat_slot_bits(self.beat_values, self.value_bits)

    @property
    def beats_per_word(self) -> int:
        """Beats in a word."""
        return self.word_bits // self.slot_bits

    def beats(self, counts):
        """Return the beats of value words for so many non-zero values, int or array."""
        return -(-counts // self.beat_values)

    def words(self, counts):
        """Return the memory words of a chunk with so many non-zero values, int or array."""
        return self.mask_words + -(-self.beats(counts) // self.beats_per_word)

    def pack(self, values: np.ndarray) -> np.ndarray:
        """Return chunks behind one another, each as long as it needs.

        Parameters
        ----------
        values : ndarray[N, C]
            Integers.

        Returns
        -------
        ndarray
            uint8, whole words.
        """
        rows, positions = np.nonzero(values)
        counts = np.count_nonzero(values, axis=1)
        words = self.words(counts)
        starts = (np.cumsum(words) - words)[rows] * self.word_bits
        beat, place = np.divmod(np.arange(len(rows))
                                - np.repeat(np.cumsum(counts) - counts, counts),
                                self.beat_values)
        word, slot = np.divmod(beat, self.beats_per_word)
        first = (starts + (self.mask_words + word) * self.word_bits + slot * self.slot_bits
                 + place * self.value_bits)
        bits = np.zeros(int(words.sum()) * self.word_bits, dtype=np.uint8)
        bits[starts + positions] = 1
        flat = values[rows, positions]
        for bit in range(self.value_bits):
            bits[first + bit] = flat >> bit & 1
        return np.packbits(bits, bitorder="little")

    def unpack(self, memory: np.ndarray, addresses: np.ndarray) -> np.ndarray:
        """Return the chunks that lie at word addresses of a memory.

        Parameters
        ----------
        memory : ndarray
            uint8.
        addresses : ndarray[...]
            Integers.

        Returns
        -------
        ndarray[..., C]
            int64.
        """
        starts = np.asarray(addresses, dtype=np.int64).reshape(-1) * (self.word_bits // 8)
        masks = np.unpackbits(memory[starts[:, None] + np.arange(self.chunk // 8)], axis=1,
                              bitorder="little")
        rows, positions = np.nonzero(masks)
        counts = masks.sum(1, dtype=np.int64)
        beat, place = np.divmod(np.arange(len(rows))
                                - np.repeat(np.cumsum(counts) - counts, counts),
                                self.beat_values)
        word, slot = np.divmod(beat, self.beats_per_word)
        first = (starts[rows] * 8 + (self.mask_words + word) * self.word_bits
                 + slot * self.slot_bits + place * self.value_bits)
        padded = np.concatenate([memory, np.zeros(2, np.uint8)]).astype(np.int64)
        window = sum(padded[(first >> 3) + byte] << 8 * byte for byte in range(3))
        flat = window >> (first & 7) & ((1 << self.value_bits) - 1)
        if self.signed:
            flat -= flat >> (self.value_bits - 1) << self.value_bits
        values = np.zeros(masks.shape, dtype=np.int64)
        values[rows, positions] = flat
        return values.reshape(*np.shape(addresses), self.chunk)

    def unpack_run(self, memory: np.ndarray, address: int, count: int
                   ) -> tuple[np.ndarray, int]:
        """Return ``count`` chunks that lie behind one another, and the address behind them."""
        addresses = []
        for _ in range(count):
            addresses.append(address)
            start = address * self.word_bits // 8
            mask = memory[start:start + self.chunk // 8].tobytes()
            address += self.words(int.from_bytes(mask, "little").bit_count())
        return self.unpack(memory, np.array(addresses, dtype=np.int64)), address
