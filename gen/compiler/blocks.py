# SPDX-License-Identifier: Apache-2.0
"""How many columns make a weight block, and in which formats a block stays in the buffer."""

from ...rtl.config import AcceleratorConfig
from .errors import CompileError
from .weights import Weights

__all__ = ["choose_blocks", "stays"]


def stays(weights: Weights, tiles: int, block_columns: int, config: AcceleratorConfig) -> bool:
    """Return whether each block stays in the weight buffer until its last tile."""
    return (tiles == 1  # what is used once may be longer
            or (bool(config.bounds.buffers)
                and weights.largest_block(block_columns) <= config.weight_buffer_beats))


def choose_blocks(layers: list[tuple[str, list[Weights], int]], config: AcceleratorConfig,
                  fixed: int | None = None) -> int:
    """Choose the columns of a block, the same for all layers.

    The largest block whose weights stay in the buffer for all tiles, in some format, is best. If
    not even the smallest one does, there is a single block, and weights that do not stay are
    streamed: fetched again for each tile.

    Parameters
    ----------
    layers : list of tuple
        Name, weights in each format, and tiles; all have the same number of columns.
    config : AcceleratorConfig
    fixed : int or None
        Columns that crossbars leave no choice of, if one of the layers is on them.

    Raises
    ------
    CompileError
        There are too many columns for a single block, and smaller ones are too large; or those
        that are fixed are.
    """
    name, first, _ = layers[0]
    columns = len(first[0].column_beats)
    chunk, limit = fixed or config.chunk, fixed or config.max_columns

    def fits(block_columns: int) -> bool:
        return all(any(stays(weights, tiles, block_columns, config) for weights in formats)
                   for _, formats, tiles in layers)

    sizes = range(min(columns, limit) // chunk * chunk, 0, -chunk)
    for size in ([columns] if columns <= limit else []) + list(sizes):
        if fits(size):
            return size
    if columns <= limit:
        return columns
    worst = max(min(weights.largest_block(chunk) for weights in formats)
                for _, formats, _ in layers)
    field, way = ("crossbar.outputs", "have its layers all without crossbars") if fixed else (
        "max_columns", f"max_columns={columns} or higher")
    raise CompileError(
        name, "beats of a weight block", f"at most {config.weight_buffer_beats} "
        f"(weight_buffer_beats) where the output channels ({columns}) are more than {field} "
        f"({limit})", worst, f"set weight_buffer_beats higher, or {way}")
