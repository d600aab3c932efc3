# SPDX-License-Identifier: Apache-2.0
"""Channel loader: from the words of a layer's channel records to the order of its tiles."""

from collections.abc import Sequence
from dataclasses import dataclass

from .errors import GoldenError

__all__ = ["ChannelRecord", "loaded_channels"]


@dataclass(frozen=True)
class ChannelRecord:
    """What is known of one output channel.

    Attributes
    ----------
    bias, threshold : int
        Signed, 32 bits.
    multiplier : int
        Unsigned, 16 bits.
    shift : int
        Unsigned, 8 bits.
    """

    bias: int
    threshold: int
    multiplier: int
    shift: int


def loaded_channels(words: Sequence[int], memory_bits: int, columns: int, block_columns: int,
                    tiles: int) -> list[ChannelRecord]:
    """Return the records in the order in which the tiles of a layer take them.

    Parameters
    ----------
    words : Sequence[int]
        Records of all columns, 128 bits each.
    memory_bits : int
        Bits of a word.
    columns : int
        Output channels of the layer.
    block_columns : int
        Output channels of a block; the last one may have fewer.
    tiles : int
        Tiles that take each block.

    Raises
    ------
    GoldenError
        The words are not those of so many columns.
    """
    if len(words) * memory_bits != columns * 128:
        raise GoldenError(f"words must be {columns * 128 // memory_bits}, not {len(words)}")
    image = b"".join(word.to_bytes(memory_bits // 8, "little") for word in words)
    records = []
    for first in range(0, len(image), 16):
        fields = [image[first:][begin:end] for begin, end in ((0, 4), (4, 8), (8, 10), (10, 11))]
        bias, threshold = (int.from_bytes(field, "little", signed=True) for field in fields[:2])
        multiplier, shift = (int.from_bytes(field, "little") for field in fields[2:])
        records.append(ChannelRecord(bias, threshold, multiplier, shift))
    return [record for first in range(0, columns, block_columns) for _ in range(tiles)
            for record in records[first:first + block_columns]]
