# SPDX-License-Identifier: Apache-2.0
"""Decompression of a fiber, the inverse of `compressor.compress` (LoAS, section 1.3)."""

import torch
from torch import Tensor

from .errors import FiberError
from .fiber import Fiber

__all__ = ["decompress"]


def decompress(fiber: Fiber) -> Tensor:
    """Decompress a fiber into the values of all its positions.

    Parameters
    ----------
    fiber : Fiber
        Checked: offsets are the running count of mask bits, as many values as mask bits, no
        value is zero, padding bits are 0.

    Returns
    -------
    Tensor[K]
        int64; 0 where the mask bit is 0.

    Raises
    ------
    FiberError
        If the fiber contradicts itself; the message names the chunk.
    """
    _check(fiber)
    values = torch.zeros(fiber.masks.numel(), dtype=torch.int64)
    values[fiber.masks.reshape(-1)] = fiber.values
    return values[:fiber.length]


def _check(fiber: Fiber) -> None:
    chunks, chunk = fiber.masks.shape
    needed = -(-fiber.length // chunk)
    if chunks != needed:
        raise FiberError(f"chunks must be {needed} for length {fiber.length}, not {chunks}")
    if len(fiber.offsets) != chunks:
        raise FiberError(f"offsets must be one for each of {chunks} chunks, "
                         f"not {len(fiber.offsets)}")
    start = 0
    for i, (offset, count) in enumerate(zip(fiber.offsets.tolist(), fiber.counts.tolist(),
                                            strict=True)):
        if offset != start:
            raise FiberError(f"offset of chunk {i} must be {start}, not {offset}")
        start += count
        if start > len(fiber.values):
            raise FiberError(f"values up to chunk {i} must be {start}, not {len(fiber.values)}")
    if start != len(fiber.values):
        raise FiberError(f"values up to chunk {chunks - 1} must be {start}, "
                         f"not {len(fiber.values)}")
    _check_bits(fiber)


def _check_bits(fiber: Fiber) -> None:
    padding = fiber.masks.reshape(-1)[fiber.length:]
    if padding.any():
        position = fiber.length + int(padding.nonzero()[0])
        raise FiberError(f"padding bits of chunk {len(fiber.masks) - 1} must be 0, "
                         f"not 1 at position {position}")
    zeros = (fiber.values == 0).nonzero()
    if len(zeros):
        index = int(zeros[0])
        chunk = int((fiber.offsets <= index).sum()) - 1
        raise FiberError(f"values of chunk {chunk} must be non-zero, not 0 at index {index}")
