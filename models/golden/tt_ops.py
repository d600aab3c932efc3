# SPDX-License-Identifier: Apache-2.0
"""Sums and shifts of training in integers: maps are Tensor[T, B, channels, H, W] of int64."""

import torch
from torch import Tensor

__all__ = ["mix", "next_shift", "outer", "outer_square", "outer_taps", "rescale", "square",
           "square_back", "taps", "taps_back"]


def rescale(x: Tensor, shift: int, limit: int = 127) -> Tensor:
    """Divide by ``2**shift``, round half up and clamp to ``-limit..limit``."""
    return ((x + (1 << shift >> 1)) >> shift).clamp(-limit, limit)


def next_shift(x: Tensor) -> int:
    """Return the shift that brings the largest magnitude to 7 bits."""
    return max(0, int(x.abs().max()).bit_length() - 7)


def mix(weight: Tensor, x: Tensor) -> Tensor:
    """Multiply the channels with ``weight[out, in]``."""
    return torch.einsum("oi,tbihw->tbohw", weight, x)


def _shifted(x: Tensor, by: int, axis: int) -> Tensor:
    """Return what lies ``by`` pixels further along an axis, zero beyond the border."""
    out = torch.zeros_like(x)
    size = x.shape[axis] - abs(by)
    if size > 0:
        out.narrow(axis, max(-by, 0), size).copy_(x.narrow(axis, max(by, 0), size))
    return out


def taps(weight: Tensor, x: Tensor, axis: int) -> Tensor:
    """Convolve along an axis, 3 down or 4 across, with ``weight[out, in, 3]``."""
    return sum((mix(weight[..., k], _shifted(x, k - 1, axis)) for k in range(3)),
               torch.zeros((), dtype=torch.int64))


def taps_back(weight: Tensor, error: Tensor, axis: int) -> Tensor:
    """Return the error of what `taps` reads."""
    return sum((mix(weight[..., k].T, _shifted(error, 1 - k, axis)) for k in range(3)),
               torch.zeros((), dtype=torch.int64))


def square(weight: Tensor, x: Tensor) -> Tensor:
    """Convolve with ``weight[out, in, 9]``, tap ``3 * row + column``."""
    return sum((taps(weight[..., 3 * row:3 * row + 3], _shifted(x, row - 1, 3), 4)
                for row in range(3)), torch.zeros((), dtype=torch.int64))


def square_back(weight: Tensor, error: Tensor) -> Tensor:
    """Return the error of what `square` reads."""
    return sum((_shifted(taps_back(weight[..., 3 * row:3 * row + 3], error, 4), 1 - row, 3)
                for row in range(3)), torch.zeros((), dtype=torch.int64))


def outer(error: Tensor, x: Tensor) -> Tensor:
    """Sum the products of each output's error with each input over all else."""
    return torch.einsum("tbohw,tbihw->oi", error, x)


def outer_taps(error: Tensor, x: Tensor, axis: int) -> Tensor:
    """Sum the products of each output's error with what each tap of `taps` reads."""
    return torch.stack([outer(error, _shifted(x, k - 1, axis)) for k in range(3)], 2)


def outer_square(error: Tensor, x: Tensor) -> Tensor:
    """Sum the products of each output's error with what each tap of `square` reads."""
    return torch.cat([outer_taps(error, _shifted(x, row - 1, 3), 4) for row in range(3)], 2)
