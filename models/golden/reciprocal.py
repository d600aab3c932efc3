# SPDX-License-Identifier: Apache-2.0
"""Reciprocal of a positive integer: a mantissa of fixed width and the bits of the integer."""

import torch
from torch import Tensor

from .checks import check_int, check_integers, check_range

__all__ = ["bit_length", "reciprocal"]


def bit_length(x: Tensor) -> Tensor:
    """Return the bits that each integer in 0..2**53 takes, int64; 0 takes none."""
    return torch.frexp(x.to(torch.float64)).exponent.to(torch.int64)


def reciprocal(x: Tensor, bits: int) -> tuple[Tensor, Tensor]:
    """Divide a power of two by integers.

    With ``e`` the bits of ``x`` the mantissa is ``2**(e + bits) // x``, in
    ``2**bits..2**(bits + 1)``; so ``a / x`` is about ``a * mantissa >> (e + bits)``.

    Parameters
    ----------
    x : Tensor[...]
        Integers, 1..2**40.
    bits : int
        1..20.

    Returns
    -------
    mantissa : Tensor[...]
        int64.
    exponent : Tensor[...]
        int64, the bits of x.

    Raises
    ------
    GoldenError
        An operand is out of range.
    """
    check_int("bits", bits, 1, 20)
    x = check_integers("x", x)
    check_range("x", x, 1, 1 << 40)
    exponent = bit_length(x)
    one = torch.ones((), dtype=torch.int64)
    return torch.div(one << (exponent + bits), x, rounding_mode="floor"), exponent
