# SPDX-License-Identifier: Apache-2.0
"""Requantization: a partial sum to another unit, by an integer multiplier and a shift."""

import torch
from torch import Tensor

from .checks import check_integers, check_range, check_table
from .errors import GoldenError

__all__ = ["MULTIPLIER_BITS", "SHIFT_LIMIT", "check_factors", "requantize"]

MULTIPLIER_BITS = 16  # unsigned
SHIFT_LIMIT = 31
_LIMIT = 1 << 46      # of a magnitude that is scaled; the product stays below 2**62


def requantize(x: Tensor, multiplier: Tensor, shift: Tensor, low: int, high: int) -> Tensor:
    """Scale integers by ``multiplier / 2**shift``, round half up and clamp.

    For each channel::

        y = clamp((x * multiplier + (1 << shift >> 1)) >> shift, low, high)

    ``>>`` is the arithmetic shift (floor).

    Parameters
    ----------
    x : Tensor[..., N]
        Integers, signed.
    multiplier : Tensor[N]
        Integers, unsigned, 16 bits.
    shift : Tensor[N]
        Integers, 0..31.
    low, high : int
        Smallest and largest result.

    Returns
    -------
    Tensor[..., N]
        int64.

    Raises
    ------
    GoldenError
        If shapes do not fit or an operand is out of range.
    """
    x = check_integers("x", x)
    check_range("x", x, -_LIMIT, _LIMIT)
    tables = []
    for name, table, limit in (("multiplier", multiplier, (1 << MULTIPLIER_BITS) - 1),
                               ("shift", shift, SHIFT_LIMIT)):
        if not x.ndim or table.shape != x.shape[-1:]:
            raise GoldenError(f"{name} must be of shape ({x.shape[-1] if x.ndim else 'N'},), "
                              f"one for each channel, not {tuple(table.shape)}")
        tables.append(check_integers(name, table))
        check_range(name, tables[-1], 0, limit)
    if low > high:
        raise GoldenError(f"low must be at most high ({high}), not {low}")
    factor, places = tables
    half = torch.ones_like(places) << places >> 1
    return ((x * factor + half) >> places).clamp(low, high)


def check_factors(name: str, factors: tuple[Tensor, Tensor], channels: int) -> None:
    """Raise `GoldenError` unless multiplier and shift of a layer are as `requantize` takes them.

    Parameters
    ----------
    name : str
        Of the layer.
    factors : tuple of Tensor[N]
        Multiplier and shift, int64.
    channels : int
        ``N``.
    """
    for field, table, limit in zip(("multiplier", "shift"), factors,
                                   ((1 << MULTIPLIER_BITS) - 1, SHIFT_LIMIT), strict=True):
        check_table(f"{name}: {field}", table, channels)
        check_range(f"{name}: {field}", table, 0, limit)
