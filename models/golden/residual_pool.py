# SPDX-License-Identifier: Apache-2.0
"""Pooling of kept residuals: the largest or the sum of the membranes in a window."""

import torch
from torch import Tensor

from .checks import check_int, check_integers, check_range, check_rank
from .conv import output_size
from .errors import GoldenError
from .residual_add import RESIDUAL_BITS, RESIDUAL_LIMITS

__all__ = ["POOLS", "pool_bits", "pool_maps", "residual_pool"]

POOLS = ("max", "sum")


def residual_pool(residuals: Tensor, kind: str, window: tuple[int, int], stride: int = 1,
                  padding: tuple[int, int] = (0, 0)) -> Tensor:
    """Pool residuals of each timestep and channel.

    Padding is not there: it neither is the largest nor adds to a sum.

    Parameters
    ----------
    residuals : Tensor[T, B, C, H, W]
        Integers, signed, 16 bits.
    kind : "max" or "sum"
        Of the values in a window.
    window : tuple of int
        Height and width.
    stride : int
        Distance between windows, the same along both sides.
    padding : tuple of int
        Above and below, left and right; less than the window's side, so that none is empty.

    Returns
    -------
    Tensor[T, B, C, H', W']
        int64, with ``H' = (H + 2 * padding - window) // stride + 1``.

    Raises
    ------
    GoldenError
        If the window does not fit or a residual does not fit 16 bits.
    """
    values = check_integers("residuals", residuals)
    check_rank("residuals", values, 5)
    low, high = RESIDUAL_LIMITS
    check_range("residuals", values, low, high)
    if kind not in POOLS:
        raise GoldenError(f"kind must be one of {', '.join(POOLS)}, not {kind!r}")
    (height, width), (top, left) = values.shape[3:], padding
    rows, columns = pool_maps((height, width), window, stride, padding)
    padded = values.new_full((*values.shape[:3], height + 2 * top, width + 2 * left),
                             low if kind == "max" else 0)
    padded[..., top:top + height, left:left + width] = values
    taps = torch.stack([padded[..., y:y + (rows - 1) * stride + 1:stride,
                               x:x + (columns - 1) * stride + 1:stride]
                        for y in range(window[0]) for x in range(window[1])])
    return taps.amax(0) if kind == "max" else taps.sum(0)


def pool_maps(maps: tuple[int, int], window: tuple[int, int], stride: int,
              padding: tuple[int, int]) -> tuple[int, int]:
    """Return height and width of the result for `maps` of that height and width.

    Raises
    ------
    GoldenError
        If the window does not fit.
    """
    height, width = (output_size(size, side, stride, outside) for size, side, outside
                     in zip(maps, window, padding, strict=True))
    for side, outside in zip(window, padding, strict=True):
        check_int("padding", outside, 0, side - 1)
    return height, width


def pool_bits(kind: str, window: tuple[int, int]) -> int:
    """Return the width of a signed integer that holds each result of `residual_pool`."""
    values = window[0] * window[1] if kind == "sum" else 1
    return RESIDUAL_BITS + (values - 1).bit_length()
