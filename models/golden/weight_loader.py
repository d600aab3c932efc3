# SPDX-License-Identifier: Apache-2.0
"""Weight loader: from the words of a layer's weights to the columns as its tiles take them."""

from collections.abc import Sequence

import torch

from ...rtl.config import AcceleratorConfig
from .chunk_slot import read_chunk
from .errors import GoldenError
from .fiber import Fiber

__all__ = ["loaded_columns"]


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
    if rest:
        raise GoldenError(f"words must be {len(words) - len(rest)}, not {len(words)}")
    blocks = [fibers[first:first + block_columns] for first in range(0, columns, block_columns)]
    return [(fiber, place == len(block) - 1) for block in blocks for _ in range(tiles)
            for place, fiber in enumerate(block)]
