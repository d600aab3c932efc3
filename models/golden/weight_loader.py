# SPDX-License-Identifier: Apache-2.0
"""Weight loader: from the words of a layer's weights to the columns as its tiles take them."""

from collections.abc import Sequence
from typing import TypeVar

import torch

from ...rtl.config import AcceleratorConfig
from .chunk_slot import read_chunk
from .errors import GoldenError
from .fiber import Fiber
from .list_words import read_lists
from .weight_list import Column

__all__ = ["loaded_columns", "loaded_lists"]

_Item = TypeVar("_Item")


def loaded_columns(words: Sequence[int], columns: int, block_columns: int, chunks: int,
                   tiles: int, config: AcceleratorConfig) -> list[tuple[Fiber, bool]]:
    """Return the columns in the order in which the tiles of a layer take them.

    Block after block, and within a block once for each tile.

    Parameters
    ----------
    words : Sequence[int]
        Weight fibers of all columns, chunk by chunk.
    columns : int
        Output channels of the layer.
    block_columns : int
        Output channels of a block; the last one may have fewer.
    chunks : int
        Chunks of a fiber.
    tiles : int
        Tiles that take each block.
    config : AcceleratorConfig

    Returns
    -------
    list[tuple[Fiber, bool]]
        Each column, and whether it is the last one of its tile.

    Raises
    ------
    GoldenError
        There are more or fewer words than the columns have.
    """
    fibers, rest = [], list(words)
    for _ in range(columns):
        masks, values, offsets = [], [], []
        for _ in range(chunks):
            mask, found, used = read_chunk(rest, config.weight_bits, True, config)
            offsets.append(len(values))
            masks.append(mask)
            values += found
            rest = rest[used:]
        fibers.append(Fiber(torch.tensor(masks, dtype=torch.bool), torch.tensor(offsets),
                            torch.tensor(values, dtype=torch.int64), chunks * config.chunk))
    _check_end(words, rest)
    return _in_turn([fibers[first:first + block_columns]
                     for first in range(0, columns, block_columns)], tiles)


def loaded_lists(words: Sequence[int], columns: int, block_columns: int, delta_bits: int,
                 tiles: int, config: AcceleratorConfig) -> list[tuple[Column, bool]]:
    """Return the columns of weight lists in the order in which the tiles of a layer take them.

    Parameters
    ----------
    words : Sequence[int]
        Weight lists of all blocks.
    delta_bits : int
        Bits of their deltas.

    The rest is as for `loaded_columns`.
    """
    blocks, rest = [], list(words)
    for first in range(0, columns, block_columns):
        block, used = read_lists(rest, min(block_columns, columns - first), delta_bits, config)
        blocks.append(block)
        rest = rest[used:]
    _check_end(words, rest)
    return _in_turn(blocks, tiles)


def _check_end(words: Sequence[int], rest: Sequence[int]) -> None:
    if rest:
        raise GoldenError(f"words must be {len(words) - len(rest)}, not {len(words)}")


def _in_turn(blocks: Sequence[Sequence[_Item]], tiles: int) -> list[tuple[_Item, bool]]:
    """Return each block once for each tile, and for each column whether it is its last one."""
    return [(column, place == len(block) - 1) for block in blocks for _ in range(tiles)
            for place, column in enumerate(block)]
