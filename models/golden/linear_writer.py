# SPDX-License-Identifier: Apache-2.0
"""Linear writer: items packed into memory words."""

from collections.abc import Iterable

__all__ = ["packed_words"]


def packed_words(items: Iterable[int], item_bits: int, memory_bits: int) -> list[int]:
    """Return the words that hold unsigned ``items``, the first one in the lowest bits.

    The rest of the last word is zero.
    """
    image = count = 0
    for item in items:
        image |= item << (count * item_bits)
        count += 1
    words = -(-count * item_bits // memory_bits)
    return [image >> (index * memory_bits) & ((1 << memory_bits) - 1) for index in range(words)]
