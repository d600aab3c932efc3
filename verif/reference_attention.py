# SPDX-License-Identifier: Apache-2.0
"""Attention and pooling of residuals of the reference machine: plain loops over tokens, windows."""

import itertools
from typing import Any

import numpy as np

from .reference_memory import MachineError, ReferenceMemory

__all__ = ["attend", "pool_residuals"]


def attend(words: np.ndarray, timesteps: int, layer: dict[str, Any]) -> np.ndarray:
    """Return the psums int64[T, tokens, columns] of the lane words of all tokens."""
    source, steps, columns = layer["sources"][0], layer["chunk_steps"], layer["columns"]
    heads, channels = source["heads"], source["head_channels"]
    if heads * channels != columns or not steps or timesteps % steps:
        raise MachineError(f"heads * head_channels must be {columns}, and chunk_steps divide "
                           f"{timesteps}, not {heads} * {channels} and {steps}")
    spikes = words[:, :3 * columns] >> np.arange(timesteps)[:, None, None] & 1
    queries, keys, values = np.split(spikes, 3, axis=2)
    psums = np.zeros((timesteps, len(words), columns), np.int64)
    for first, head in itertools.product(range(0, timesteps, steps), range(heads)):
        chunk = slice(first, first + steps)
        part = slice(head * channels, (head + 1) * channels)
        scores = np.einsum("tnc,smc->tnsm", queries[chunk, :, part], keys[chunk, :, part])
        psums[chunk, :, part] = np.einsum("tnsm,smc->tnc", scores, values[chunk, :, part])
    return psums


def pool_residuals(memory: ReferenceMemory, layer: dict[str, Any], block: int,
                   rows: list[tuple[int, int, int]]) -> np.ndarray:
    """Return the psums int64[T, positions, columns of the block] of the windows of ``rows``."""
    config, source, size = memory.config, layer["sources"][0], layer["block_columns"]
    columns = min(size, layer["columns"] - block * size)
    psums = np.zeros((config.timesteps, len(rows), columns), np.int64)
    for index, (oy, ox, _) in enumerate(rows):
        members = []
        for ky, kx in itertools.product(range(source["kernel_height"]),
                                        range(source["kernel_width"])):
            y = oy * source["stride"] - source["padding_top"] + ky
            x = ox * source["stride"] - source["padding_left"] + kx
            if 0 <= y < source["height"] and 0 <= x < source["width"]:
                members.append([_residual(memory, layer, block, columns, column,
                                          y * source["width"] + x) for column in range(columns)])
        found = np.array(members)
        pooled = found.sum(0) if layer["pool_sum"] else found.max(0)
        psums[:, index] = pooled.T
    return psums


def _residual(memory: ReferenceMemory, layer: dict[str, Any], block: int, columns: int,
              column: int, position: int) -> list[int]:
    """Return the residuals of a neuron, one for each timestep."""
    config, source = memory.config, layer["sources"][0]
    pixels, tile = source["height"] * source["width"], 1 << layer["tile_bits"]
    first = position // tile * tile
    neuron = (block * layer["block_columns"] * pixels + first * columns
              + column * min(tile, pixels - first) + position - first)
    octet = neuron * config.residual_bits // 8
    word, place = divmod(octet, config.memory_bits // 8)
    words = -(-config.residual_bits // config.memory_bits)
    content = memory.read(source["address"] + word, words)
    return np.frombuffer(content, "<i2", config.timesteps, place).astype(np.int64).tolist()
