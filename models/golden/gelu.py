# SPDX-License-Identifier: Apache-2.0
"""GELU of integers of few bits: a table."""

import math

import torch
from torch import Tensor

from .checks import check_int, check_integers, check_range, check_table, integer_limits

__all__ = ["gelu", "gelu_table"]


def gelu_table(exponent: int, output_exponent: int, bits: int = 8) -> Tensor:
    """Return ``x * (1 + erf(x / sqrt(2))) / 2`` of every value, rounded half up and clipped.

    Parameters
    ----------
    exponent, output_exponent : int
        A value of 1 stands for ``2**-exponent``, a result for ``2**-output_exponent``.
    bits : int
        Of value and result, 2..8.

    Returns
    -------
    Tensor[2**bits]
        int64; the place of a value is that of its two's complement, read as unsigned.
    """
    check_int("bits", bits, 2, 8)
    low, high = integer_limits(bits, signed=True)
    table = torch.zeros(1 << bits, dtype=torch.int64)
    for value in range(low, high + 1):
        x = value * 2.0 ** -exponent
        y = x * (1 + math.erf(x / math.sqrt(2))) / 2
        table[value] = min(max(math.floor(y * 2.0 ** output_exponent + 0.5), low), high)
    return table


def gelu(x: Tensor, table: Tensor, bits: int = 8) -> Tensor:
    """Look values up.

    Parameters
    ----------
    x : Tensor[...]
        Integers, signed values of ``bits`` bits.
    table : Tensor[2**bits]
        See `gelu_table`.
    bits : int
        2..8.

    Returns
    -------
    Tensor[...]
        int64.

    Raises
    ------
    GoldenError
        An operand is out of range.
    """
    check_int("bits", bits, 2, 8)
    check_table("table", table, 1 << bits)
    x = check_integers("x", x)
    check_range("x", x, *integer_limits(bits, signed=True))
    return table[x]
