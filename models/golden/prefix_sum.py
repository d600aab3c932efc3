# SPDX-License-Identifier: Apache-2.0
"""Prefix sum over a bitmask (LoAS, sections 2.2 and 2.3)."""

import torch
from torch import Tensor

from .checks import check_bits
from .errors import GoldenError

__all__ = ["prefix_sum"]


def prefix_sum(mask: Tensor) -> tuple[Tensor, Tensor]:
    """Count the set bits below each bit: where each position's value lies in the packed values.

    Parameters
    ----------
    mask : Tensor[..., C]
        0 or 1.

    Returns
    -------
    offsets : Tensor[..., C]
        int64, 0..C-1; ``offsets[p]`` is the number of bits set in ``mask[0..p-1]``.
    count : Tensor[...]
        int64, 0..C; the number of bits set.

    Raises
    ------
    GoldenError
        If the mask has no dimension or holds anything but 0 and 1.
    """
    if not mask.ndim:
        raise GoldenError("mask must have at least one dimension, not shape ()")
    bits = check_bits("mask", mask).to(torch.int64)
    return bits.cumsum(-1) - bits, bits.sum(-1)
