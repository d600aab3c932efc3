# SPDX-License-Identifier: Apache-2.0
"""Lookup array: a matrix product, and which element computes which row."""

from dataclasses import dataclass

import torch
from torch import Tensor

from .ftp_array import ftp_matmul
from .lane_word import unpack
from .load_balancer import balance
from .row_dealer import DealtRow

__all__ = ["LookupProduct", "lookup_array"]


@dataclass(frozen=True, eq=False)
class LookupProduct:
    """What the array makes of a tile.

    Parameters
    ----------
    psums : Tensor[T, M, N]
        int64, signed.
    dealt : list[DealtRow]
        Where each row is computed.
    additions : Tensor[P]
        Of each element, if a weight is added to one row at a time.
    """

    psums: Tensor
    dealt: list[DealtRow]
    additions: Tensor


def lookup_array(words: Tensor, weights: Tensor, timesteps: int, psum_bits: int, elements: int,
                 rows_per_pe: int) -> LookupProduct:
    """Multiply the rows of a tile with the columns of a weight matrix.

    Parameters
    ----------
    words : Tensor[M, K]
        Integers, unsigned lane words of ``timesteps`` bits; ``P * r`` rows at most.
    weights : Tensor[K, N]
        Integers, signed.
    timesteps : int
        ``T``, 1..16.
    psum_bits : int
        Width of a signed partial sum, 2..48.
    elements : int
        ``P``.
    rows_per_pe : int
        ``r``.

    Raises
    ------
    GoldenError
        An operand is out of range.
    PsumOverflowError
        If a partial sum does not fit ``psum_bits``.
    """
    psums = ftp_matmul(unpack(words, timesteps), weights, psum_bits)
    values = words != 0
    dealt = balance(values.sum(1).tolist(), elements, rows_per_pe)
    matches = values.long() @ (weights != 0).sum(1)
    additions = torch.zeros(elements, dtype=torch.int64)
    for item in dealt:
        additions[item.element] += matches[item.row]
    return LookupProduct(psums, dealt, additions)
