# SPDX-License-Identifier: Apache-2.0
"""One chunk of a fiber as memory words: its bitmask, then its values in beats."""

from collections.abc import Sequence

from ...rtl.config import AcceleratorConfig, beat_slot_bits
from .errors import GoldenError

__all__ = ["chunk_words", "read_chunk"]


def chunk_words(mask: Sequence[int], values: Sequence[int], bits: int,
                config: AcceleratorConfig) -> list[int]:
    """Return the words of a chunk.

    Parameters
    ----------
    mask : Sequence[int]
        0 or 1 for each of the ``C`` positions.
    values : Sequence[int]
        Those that are not zero, lowest position first; negative ones as two's complement.
    bits : int
        Of a value: ``T`` for lane words, ``weight_bits`` for weights.
    config : AcceleratorConfig

    Raises
    ------
    GoldenError
        The mask is not of ``C`` positions, or the values are not as many as its bits.
    """
    if len(mask) != config.chunk or sum(mask) != len(values):
        raise GoldenError(f"mask must have {config.chunk} positions and {len(values)} bits, "
                          f"not {len(mask)} and {sum(mask)}")
    places = [bit << position for position, bit in enumerate(mask)]
    words = _words(sum(places), config.mask_words, config)
    slot_bits = beat_slot_bits(config.beat_values, bits)
    image = beats = 0
    for index, value in enumerate(values):
        beat, place = divmod(index, config.beat_values)
        image |= (value & ((1 << bits) - 1)) << (beat * slot_bits + place * bits)
        beats = beat + 1
    return words + _words(image, -(-beats * slot_bits // config.memory_bits), config)


def read_chunk(words: Sequence[int], bits: int, signed: bool,
               config: AcceleratorConfig) -> tuple[list[int], list[int], int]:
    """Return mask and values of the chunk that ``words`` begin with, and how many it takes.

    Raises
    ------
    GoldenError
        The words end within the chunk.
    """
    image = sum(word << (index * config.memory_bits)
                for index, word in enumerate(words[:config.mask_words]))
    mask = [image >> position & 1 for position in range(config.chunk)]
    slot_bits = beat_slot_bits(config.beat_values, bits)
    beats = -(-sum(mask) // config.beat_values)
    end = config.mask_words - (-beats * slot_bits // config.memory_bits)
    if len(words) < end:
        raise GoldenError(f"words of a chunk must be {end}, not {len(words)}")
    image = sum(word << (index * config.memory_bits)
                for index, word in enumerate(words[config.mask_words:end]))
    values = []
    for index in range(sum(mask)):
        beat, place = divmod(index, config.beat_values)
        value = image >> (beat * slot_bits + place * bits) & ((1 << bits) - 1)
        values.append(value - (1 << bits) if signed and value >> (bits - 1) else value)
    return mask, values, end


def _words(image: int, count: int, config: AcceleratorConfig) -> list[int]:
    """Return the lowest words of a number."""
    width = config.memory_bits
    return [image >> (index * width) & ((1 << width) - 1) for index in range(count)]
