# SPDX-License-Identifier: Apache-2.0
"""Softmax of integer scores: powers of two from a table, one division for each row."""

import torch
from torch import Tensor

from .checks import check_int, check_integers, check_range, integer_limits
from .errors import GoldenError
from .reciprocal import reciprocal

__all__ = ["power_table", "softmax"]


def power_table(index_bits: int = 6, power_bits: int = 15) -> Tensor:
    """Return ``2**(power_bits - j / 2**index_bits)`` for each j, rounded, int64."""
    count = 1 << index_bits
    return torch.tensor([round(2.0 ** (power_bits - j / count)) for j in range(count)])


def softmax(scores: Tensor, gain: int, shift: int, *, score_bits: int = 32, index_bits: int = 6,
            power_bits: int = 15, reciprocal_bits: int = 15,
            probability_bits: int = 8) -> Tensor:
    """Turn rows of scores into probabilities.

    ::

        t[i] = (max(x) - x[i]) * gain >> shift
        e[i] = table[t[i] % 2**index_bits] >> (t[i] // 2**index_bits)
        p[i] = (e[i] * mantissa + half) >> (exponent + reciprocal_bits - probability_bits)

    with the `power_table`, and mantissa and exponent the `reciprocal` of the sum of all e. So
    ``gain / 2**(shift + index_bits) * log(2)`` is the factor of a score in the exponent of e; a
    probability of 1 is ``2**probability_bits``, clipped to one less.

    Parameters
    ----------
    scores : Tensor[..., N]
        Integers, signed; N at most 4096.
    gain : int
        1..255.
    shift : int
        0..31.
    score_bits : int
        2..32.
    index_bits, power_bits : int
        Of the table: 1..8 of its index, 8..16 fraction bits of its values.
    reciprocal_bits : int
        1..20.
    probability_bits : int
        2..8.

    Returns
    -------
    Tensor[..., N]
        int64, 0..2**probability_bits - 1.

    Raises
    ------
    GoldenError
        An operand is out of range.
    """
    for name, value, low, high in (
            ("gain", gain, 1, 255), ("shift", shift, 0, 31), ("score_bits", score_bits, 2, 32),
            ("index_bits", index_bits, 1, 8), ("power_bits", power_bits, 8, 16),
            ("probability_bits", probability_bits, 2, 8)):
        check_int(name, value, low, high)
    x = check_integers("scores", scores)
    check_range("scores", x, *integer_limits(score_bits, signed=True))
    if not x.ndim or not 1 <= x.shape[-1] <= 4096:
        raise GoldenError(f"scores must have 1..4096 in a row, not the shape {tuple(x.shape)}")
    steps = (x.amax(-1, keepdim=True) - x) * gain >> shift
    halvings = (steps >> index_bits).clamp(max=power_bits + 1)
    powers = power_table(index_bits, power_bits)[steps & ((1 << index_bits) - 1)] >> halvings
    mantissa, exponent = reciprocal(powers.sum(-1, keepdim=True), reciprocal_bits)
    places = exponent + reciprocal_bits - probability_bits
    half = torch.ones_like(places) << (places - 1)
    return ((powers * mantissa + half) >> places).clamp(max=(1 << probability_bits) - 1)
