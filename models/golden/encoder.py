# SPDX-License-Identifier: Apache-2.0
"""Encoder: integers as bit planes, ``T`` of them a lane word."""

import torch
from torch import Tensor

from .checks import check_int, check_integers
from .errors import GoldenError

__all__ = ["encode"]


def encode(integers: Tensor, timesteps: int, passes: int, signed: bool) -> Tensor:
    """Split 8-bit integers into lane words.

    Word ``p`` of an integer holds its bits ``p*T`` to ``p*T + T - 1``; beyond the eighth bit
    these are copies of the sign, or zero if unsigned.

    Parameters
    ----------
    integers : Tensor[...]
        0..255, or -128..127 if ``signed``.
    timesteps : int
        ``T``, bits of a lane word, 1..16.
    passes : int
        Lane words of an integer, 1..16.
    signed : bool
        Whether the integers are two's complement.

    Returns
    -------
    Tensor[passes, ...]
        int64, unsigned ``T``-bit words.

    Raises
    ------
    GoldenError
        If an integer is out of range.
    """
    check_int("timesteps", timesteps, 1, 16)
    check_int("passes", passes, 1, 16)
    integers = check_integers("integers", integers)
    low, high = (-128, 127) if signed else (0, 255)
    if integers.numel() and not low <= int(integers.min()) <= int(integers.max()) <= high:
        raise GoldenError(f"integers must be in {low}..{high}, not "
                          f"{int(integers.min())}..{int(integers.max())}")
    places = torch.arange(passes).view(-1, *[1] * integers.ndim) * timesteps
    return (integers >> places) & ((1 << timesteps) - 1)
