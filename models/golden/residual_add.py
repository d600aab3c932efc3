# SPDX-License-Identifier: Apache-2.0
"""Residual addition: the membrane shortcut, saturating at 16 bits."""

import torch
from torch import Tensor

from .checks import check_integers, check_range
from .errors import GoldenError

__all__ = ["RESIDUAL_BITS", "RESIDUAL_LIMITS", "residual_add"]

RESIDUAL_BITS = 16  # signed
RESIDUAL_LIMITS = (-(1 << (RESIDUAL_BITS - 1)), (1 << (RESIDUAL_BITS - 1)) - 1)


def residual_add(a: Tensor, b: Tensor) -> Tensor:
    """Add a stored residual to a current and clamp the sum to 16 bits signed.

    Parameters
    ----------
    a : Tensor[...]
        Integers, signed; the current.
    b : Tensor[...]
        Integers of the same shape, signed, 16 bits; the residual.

    Returns
    -------
    Tensor[...]
        int64.

    Raises
    ------
    GoldenError
        If the shapes differ or the residual does not fit 16 bits.
    """
    a, b = check_integers("a", a), check_integers("b", b)
    if a.shape != b.shape:
        raise GoldenError(f"b must be of shape {tuple(a.shape)}, as a, not {tuple(b.shape)}")
    low, high = RESIDUAL_LIMITS
    check_range("b", b, low, high)
    return torch.clamp(a + b, low, high)
