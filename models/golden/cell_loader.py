# SPDX-License-Identifier: Apache-2.0
"""Cell loader: from the words of a layer on crossbars to what each cell shall hold."""

from collections.abc import Sequence
from dataclasses import dataclass

from ...rtl.config import CrossbarConfig
from .errors import GoldenError

__all__ = ["Cell", "loaded_cells"]


@dataclass(frozen=True, kw_only=True)
class Cell:
    """What one cell of an engine shall hold.

    Attributes
    ----------
    tile : int
        Macro that has the cell.
    row : int
        R is the row of the offsets of the ADCs.
    column : int
    value : int
        Conductance; of an offset, two's complement.
    negative : bool
        The weight is below 0.
    end : bool
        Last cell of its block.
    """

    tile: int
    row: int
    column: int
    value: int
    negative: bool
    end: bool


def loaded_cells(words: Sequence[int], blocks: int, positions: int, memory_bits: int,
                 config: CrossbarConfig) -> list[Cell]:
    """Return the cells of all blocks, in the order of the words.

    Parameters
    ----------
    words : Sequence[int]
        Of the memory; a block begins with a new one.
    blocks : int
    positions : int
        Of a row: wordlines that the macros need.
    memory_bits : int
    config : CrossbarConfig

    Raises
    ------
    GoldenError
        There are more or fewer words than the blocks have.
    """
    rows = [(tile, row) for tile in range(-(-positions // config.rows))
            for row in [*range(min(config.rows, positions - tile * config.rows)), config.rows]]
    places = [(tile, row, column) for tile, row in rows for column in range(config.columns)]
    per_word = memory_bits // 16
    block_words = -(-len(places) // per_word)
    if len(words) != blocks * block_words:
        raise GoldenError(f"words must be {blocks * block_words}, not {len(words)}")
    found = []
    for block in range(blocks):
        held = words[block * block_words:(block + 1) * block_words]
        for number, (tile, row, column) in enumerate(places):
            cell = held[number // per_word] >> (number % per_word * 16) & 0xFFFF
            found.append(Cell(tile=tile, row=row, column=column, negative=cell >= 1 << 15,
                              value=cell & ((1 << config.cell_word_bits) - 1),
                              end=number == len(places) - 1))
    return found
