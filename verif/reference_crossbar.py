# SPDX-License-Identifier: Apache-2.0
"""Crossbars of the reference machine: cells read from the image, columns added up one by one."""

from typing import Any

import numpy as np

from ..rtl.config import AcceleratorConfig
from .reference_memory import MachineError, ReferenceMemory

__all__ = ["CrossbarBlock", "read_blocks"]


class CrossbarBlock:
    """The macros of a block of columns.

    Parameters
    ----------
    config : AcceleratorConfig
    words : list of ndarray[rows + 1, columns]
        Of each macro 16 bits for each cell, the offsets of the ADCs as the last row.
    columns : int
        Outputs that count.
    """

    def __init__(self, config: AcceleratorConfig, words: list[np.ndarray], columns: int):
        crossbar = config.crossbar
        assert crossbar is not None
        self.config, self.columns = crossbar, columns
        self.tables = [table[:-1] & 0x7FFF for table in words]
        self.negative = [table[:-1, ::crossbar.columns_per_output] >> 15 for table in words]
        sign = 1 << (crossbar.cell_word_bits - 1)
        self.offsets = [((table[-1] & 0x7FFF) ^ sign) - sign for table in words]
        if any(table.max() >= 2 * sign for table in self.tables):
            raise MachineError(f"a cell must be below {2 * sign}")

    def multiply(self, planes: np.ndarray) -> np.ndarray:
        """Return the results int64[..., columns] of wordlines [..., positions], 0 or 1."""
        total, first = 0, 0
        for table, negative, offsets in zip(self.tables, self.negative, self.offsets, strict=True):
            lines = planes[..., first:first + len(table)]
            first += len(table)
            total = total + self._macro(lines, table, negative, offsets)
        return np.asarray(total)[..., :self.columns]

    def _macro(self, lines: np.ndarray, table: np.ndarray, negative: np.ndarray,
               offsets: np.ndarray) -> np.ndarray:
        config = self.config
        sums = lines @ table - config.g_min * lines.sum(-1, keepdims=True) + offsets
        step = 2 ** config.adc_shift
        codes = np.clip(np.floor_divide(sums + step // 2, step), 0, 2 ** config.adc_bits - 1)
        scale, sign = step // 2 ** config.fraction_bits, 2 ** (config.weight_bits - 1)
        results = np.zeros((*sums.shape[:-1], config.outputs), np.int64)
        for output in range(config.outputs):
            for unit in range(config.columns_per_output):
                turn, place = divmod(unit, config.slices)
                code = codes[..., output * config.columns_per_output + unit]
                results[..., output] += (-1) ** turn * scale * code * 2 ** (
                    config.cell_bits * place)
            if config.encoding == "offset":
                results[..., output] -= sign * lines.sum(-1)
            elif config.encoding == "sign":
                results[..., output] -= sign * (lines @ negative[:, output])
        return results


def read_blocks(memory: ReferenceMemory, layer: dict[str, Any]) -> list[CrossbarBlock]:
    """Return the blocks of a layer's descriptor.

    Raises
    ------
    MachineError
        There are no crossbars, or the descriptor does not fit them.
    """
    config, crossbar = memory.config, memory.config.crossbar
    if crossbar is None:
        raise MachineError("crossbar must be 0 without crossbars, not 1")
    lines, address = layer["chunks"] * config.chunk, layer["weight_address"]
    if lines > crossbar.inputs or layer["block_columns"] > crossbar.outputs:
        raise MachineError(f"a block must have at most {crossbar.inputs} positions and "
                           f"{crossbar.outputs} columns, not {lines} and "
                           f"{layer['block_columns']}")
    if layer["weight_list"] or layer["flags"]["stream_weights"]:
        raise MachineError("weight_list and stream_weights must be 0 on crossbars")
    heights = [min(crossbar.rows, lines - first) + 1 for first in range(0, lines, crossbar.rows)]
    blocks = []
    for block in range(layer["blocks"]):
        size = sum(heights) * crossbar.columns * 2
        words = -(-size // memory.word_bytes)
        cells = np.frombuffer(memory.read(address, words)[:size], "<u2").astype(np.int64)
        tables = np.split(cells.reshape(-1, crossbar.columns), np.cumsum(heights)[:-1])
        blocks.append(CrossbarBlock(config, tables, min(
            layer["block_columns"], layer["columns"] - block * layer["block_columns"])))
        address += words
    if address != layer["weight_address"] + layer["weight_words"]:
        raise MachineError(f"weight_words must be {address - layer['weight_address']}, "
                           f"not {layer['weight_words']}")
    return blocks
