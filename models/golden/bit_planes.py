# SPDX-License-Identifier: Apache-2.0
"""Bit planes: integers as lane words, ``T`` bits in each."""

import torch
from torch import Tensor

from .checks import check_int, check_integers
from .lane_word import pack

__all__ = ["bit_planes", "step_planes"]


def bit_planes(values: Tensor, timesteps: int, passes: int, bits: int, signed: bool) -> Tensor:
    """Clamp integers to ``bits`` bits and split them into lane words.

    Word ``p`` has bits ``p*T`` to ``p*T + T - 1`` of the integer, sign-extended.

    Parameters
    ----------
    values : Tensor[...]
        Integers.
    timesteps : int
        ``T``, bits of a lane word, 1..16.
    passes : int
        Lane words of an integer, 1..64.
    bits : int
        Bits of an integer, 1..32.
    signed : bool
        Whether the integers are two's complement.

    Returns
    -------
    Tensor[passes, ...]
        int64, unsigned ``T``-bit words.

    Raises
    ------
    GoldenError
        If a parameter is out of range.
    """
    check_int("timesteps", timesteps, 1, 16)
    clamped = _clamped(values, passes, bits, signed)
    # Beyond 63 places there is nothing but the sign.
    words = [clamped >> min(lane_pass * timesteps, 63) for lane_pass in range(passes)]
    return torch.stack(words) & ((1 << timesteps) - 1)


def step_planes(values: Tensor, passes: int, bits: int, signed: bool) -> Tensor:
    """Clamp integers of each timestep to ``bits`` bits and split them into lane words.

    Word ``p`` has bit ``p`` of the integers of all timesteps, sign-extended.

    Parameters
    ----------
    values : Tensor[T, ...]
        Integers.
    passes, bits, signed
        As of `bit_planes`.

    Returns
    -------
    Tensor[passes, ...]
        int64, unsigned ``T``-bit words.

    Raises
    ------
    GoldenError
        If a parameter is out of range.
    """
    clamped = _clamped(values, passes, bits, signed)
    return torch.stack([pack(clamped >> min(place, 63) & 1) for place in range(passes)])


def _clamped(values: Tensor, passes: int, bits: int, signed: bool) -> Tensor:
    values = check_integers("values", values)
    check_int("passes", passes, 1, 64)
    check_int("bits", bits, 1, 32)
    low, high = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)
    return values.clamp(low, high)
