# SPDX-License-Identifier: Apache-2.0
"""Analog-to-digital converter of a crossbar's columns: round, shift, clip."""

import torch
from torch import Tensor

from .checks import check_int, check_integers

__all__ = ["adc"]


def adc(sums: Tensor, bits: int, shift: int) -> Tensor:
    """Convert the sums of columns to codes.

    ``code = min(max((sum + half) >> shift, 0), 2**bits - 1)``, where half is half a step,
    ``2**shift >> 1``; the range is fixed, whatever the data.

    Parameters
    ----------
    sums : Tensor[...]
        Integers, signed; with the offset of the ADC and its noise.
    bits : int
        Bits of a code, 1..16.
    shift : int
        Of a step, 0..30.

    Returns
    -------
    Tensor[...]
        int64.

    Raises
    ------
    GoldenError
        A parameter is out of range.
    """
    check_int("bits", bits, 1, 16)
    check_int("shift", shift, 0, 30)
    sums = check_integers("sums", sums)
    return torch.clamp((sums + ((1 << shift) >> 1)) >> shift, 0, (1 << bits) - 1)
