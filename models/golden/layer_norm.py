# SPDX-License-Identifier: Apache-2.0
"""Layer normalization of integer tokens, with one square root and one division for each."""

import torch
from torch import Tensor

from .checks import check_int, check_integers, check_range, check_table, integer_limits
from .errors import GoldenError
from .reciprocal import reciprocal

__all__ = ["floor_sqrt", "layer_norm", "normalize"]


def floor_sqrt(x: Tensor) -> Tensor:
    """Return the largest integers whose squares are at most ``x``, int64, 0..2**60."""
    x = check_integers("x", x)
    check_range("x", x, 0, 1 << 60)
    root = x.to(torch.float64).sqrt().to(torch.int64)
    root = root - (root * root > x).to(torch.int64)
    return root + ((root + 1) * (root + 1) <= x).to(torch.int64)


def normalize(tokens: Tensor, *, token_bits: int = 16, fraction_bits: int = 8,
              reciprocal_bits: int = 15) -> Tensor:
    """Take from tokens their mean, and divide by their standard deviation.

    Of a token with D values, nothing is rounded before the root::

        d[i] = D*x[i] - sum(x)
        s    = floor(sqrt(D*sum(x*x) - sum(x)**2))      D times the standard deviation
        n[i] = d[i] * mantissa >> (exponent + reciprocal_bits - fraction_bits)

    with mantissa and exponent the `reciprocal` of ``max(s, 1)``. A constant token gives 0.

    Parameters
    ----------
    tokens : Tensor[..., D]
        Integers, signed; D at most 4096.
    token_bits : int
        Of one of them, 2..24.
    fraction_bits : int
        Of the result, at most ``reciprocal_bits``.
    reciprocal_bits : int
        1..20.

    Returns
    -------
    Tensor[..., D]
        int64, below ``2 * sqrt(D)`` in units of ``2**-fraction_bits``.

    Raises
    ------
    GoldenError
        An operand is out of range.
    """
    check_int("token_bits", token_bits, 2, 24)
    check_int("reciprocal_bits", reciprocal_bits, 1, 20)
    check_int("fraction_bits", fraction_bits, 0, reciprocal_bits)
    x = check_integers("tokens", tokens)
    check_range("tokens", x, *integer_limits(token_bits, signed=True))
    if not x.ndim or not 1 <= x.shape[-1] <= 4096:
        raise GoldenError(f"tokens must have 1..4096 channels, not the shape {tuple(x.shape)}")
    count, total = x.shape[-1], x.sum(-1, keepdim=True)
    spread = floor_sqrt(count * (x * x).sum(-1, keepdim=True) - total * total)
    mantissa, exponent = reciprocal(spread.clamp(min=1), reciprocal_bits)
    return (count * x - total) * mantissa >> (exponent + reciprocal_bits - fraction_bits)


def layer_norm(tokens: Tensor, gamma: Tensor, beta: Tensor, shift: int, *, value_bits: int = 8,
               token_bits: int = 16, fraction_bits: int = 8,
               reciprocal_bits: int = 15) -> Tensor:
    """Normalize tokens, scale them, and round them to few bits.

    ``y = clip((n*gamma + beta + half) >> shift)``, with n of `normalize` and ``half`` half of
    ``2**shift``; clipped to signed values of ``value_bits``.

    Parameters
    ----------
    tokens : Tensor[..., D]
        Integers, signed.
    gamma, beta : Tensor[D]
        int64.
    shift : int
        0..31.
    value_bits : int
        2..16.
    token_bits, fraction_bits, reciprocal_bits : int
        See `normalize`.

    Returns
    -------
    Tensor[..., D]
        int64.

    Raises
    ------
    GoldenError
        An operand is out of range.
    """
    check_int("shift", shift, 0, 31)
    check_int("value_bits", value_bits, 2, 16)
    normal = normalize(tokens, token_bits=token_bits, fraction_bits=fraction_bits,
                       reciprocal_bits=reciprocal_bits)
    check_table("gamma", gamma, normal.shape[-1])
    check_table("beta", beta, normal.shape[-1])
    rounded = (normal * gamma + beta + ((1 << shift) >> 1)) >> shift
    return rounded.clamp(*integer_limits(value_bits, signed=True))
