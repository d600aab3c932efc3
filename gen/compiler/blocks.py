# SPDX-License-Identifier: Apache-2.0
"""Weight fibers of a layer, and how many columns of them make a block."""

from dataclasses import dataclass

import numpy as np

from ...rtl.config import AcceleratorConfig
from .chunks import ChunkFormat
from .errors import CompileError

__all__ = ["Weights", "choose_blocks"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Weights:
    """The weight fibers of a layer, packed.

    Attributes
    ----------
    content : bytes
        All columns behind one another, whole words.
    counts : ndarray[columns, chunks]
        Non-zero weights of each chunk.
    column_beats : ndarray[columns]
        Beats that each column takes in the weight buffer.
    """

    content: bytes
    counts: np.ndarray
    column_beats: np.ndarray

    @classmethod
    def packed(cls, weights: np.ndarray, config: AcceleratorConfig) -> "Weights":
        """Return the fibers of weights [columns, chunks, C]."""
        chunk_format = ChunkFormat.of_weights(config)
        counts = np.count_nonzero(weights, axis=2)
        beats = np.maximum(1, chunk_format.beats(counts))  # an empty chunk is a beat, too
        content = chunk_format.pack(weights.reshape(-1, config.chunk)).tobytes()
        return cls(content=content, counts=counts, column_beats=beats.sum(1))

    def largest_block(self, block_columns: int) -> int:
        """Return the beats of the largest block."""
        starts = np.arange(0, len(self.column_beats), block_columns)
        return int(np.add.reduceat(self.column_beats, starts).max())


def choose_blocks(layers: list[tuple[str, Weights, int]], config: AcceleratorConfig
                  ) -> tuple[int, list[bool]]:
    """Choose the columns of a block, the same for all layers, and who streams its weights.

    The largest block whose weights stay in the buffer for all tiles is best. If not even the
    smallest one does, weights are streamed: fetched again for each tile, in a single block.

    Parameters
    ----------
    layers : list of tuple
        Name, weights and tiles; all have the same number of columns.
    config : AcceleratorConfig

    Returns
    -------
    block_columns : int
    streamed : list of bool
        For each layer.

    Raises
    ------
    CompileError
        There are too many columns for a single block, and smaller ones are too large.
    """
    name, first, _ = layers[0]
    columns = len(first.column_beats)
    chunk, limit = config.chunk, config.max_columns

    def fits(block_columns: int) -> list[bool]:
        return [tiles == 1 or weights.largest_block(block_columns) <= config.weight_buffer_beats
                for _, weights, tiles in layers]  # what is used once may be longer

    sizes = range(min(columns, limit) // chunk * chunk, 0, -chunk)
    for size in ([columns] if columns <= limit else []) + list(sizes):
        if all(fits(size)):
            return size, [False] * len(layers)
    if columns <= limit:
        return columns, [not fit for fit in fits(columns)]
    worst = max(weights.largest_block(chunk) for _, weights, _ in layers)
    raise CompileError(
        name, "beats of a weight block", f"at most {config.weight_buffer_beats} "
        f"(weight_buffer_beats) where the output channels ({columns}) are more than max_columns "
        f"({limit})", worst, f"set weight_buffer_beats higher, or max_columns={columns} or higher")
