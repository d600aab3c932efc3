# SPDX-License-Identifier: Apache-2.0
"""Rounding through which gradients pass."""

import torch
from torch import Tensor

__all__ = ["RoundHalfUp", "fake_quantize"]


class _Round(torch.autograd.Function):
    """Rounding to the nearest integer, ties to even; the gradient passes unchanged."""

    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:
        return x.round()

    @staticmethod
    def backward(ctx, *grads: Tensor) -> Tensor:
        return grads[0]


class RoundHalfUp(torch.autograd.Function):
    """Rounding to the nearest integer, ties upwards; the gradient passes unchanged."""

    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:
        return (x + 0.5).floor_()

    @staticmethod
    def backward(ctx, *grads: Tensor) -> Tensor:
        return grads[0]


def fake_quantize(x: Tensor, scale: Tensor, limit: int) -> Tensor:
    """Round to multiples of a scale, at most ``limit`` of them, with a gradient.

    Parameters
    ----------
    x : Tensor[N, ...]
        Floating point.
    scale : Tensor[N]
        Of each channel, of the same type.
    limit : int
        Largest magnitude of the integer.

    Returns
    -------
    Tensor[N, ...]
        Of the input's type.
    """
    scale = scale.view(-1, *[1] * (x.ndim - 1))
    return _Round.apply(x / scale).clamp(-limit, limit) * scale
