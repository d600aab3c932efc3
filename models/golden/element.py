# SPDX-License-Identifier: Apache-2.0
"""Element that looks weights up in its rows: walk the list, look up, add."""

from collections.abc import Sequence

import torch
from torch import Tensor

from .checks import check_int, check_integers, check_rank
from .errors import GoldenError
from .lane_word import unpack
from .weight_list import Entry, position_of

__all__ = ["element"]


def element(words: Tensor, columns: Sequence[Sequence[Sequence[Entry]]], timesteps: int,
            psum_bits: int, slice_positions: int) -> Tensor:
    """Multiply rows of lane words with columns that are lists of weights.

    Parameters
    ----------
    words : Tensor[M, K]
        Integers, unsigned lane words of ``timesteps`` bits.
    columns : sequence of columns
        A column is a sequence of beats, a beat has for each bank a place and a weight, or None.
    timesteps : int
        ``T``, 1..16.
    psum_bits : int
        Width of a signed partial sum, 2..48; sums wrap around.
    slice_positions : int
        ``V``: consecutive positions in one bank.

    Returns
    -------
    Tensor[T, M, N]
        int64, signed, ``psum_bits`` wide.

    Raises
    ------
    GoldenError
        An operand is out of range, or a weight lies beyond the rows.
    """
    check_rank("words", words, 2)
    check_int("psum_bits", psum_bits, 2, 48)
    spikes = unpack(check_integers("words", words), timesteps)
    psums = torch.zeros(timesteps, len(words), len(columns), dtype=torch.int64)
    for number, column in enumerate(columns):
        for beat in column:
            for bank, entry in enumerate(beat):
                if entry is None:
                    continue
                place, weight = entry
                position = position_of(bank, place, len(beat), slice_positions)
                if not 0 <= position < words.shape[1]:
                    raise GoldenError(f"place {place} of bank {bank} must be of a position below "
                                      f"{words.shape[1]}, not {position}")
                psums[:, :, number] += weight * spikes[:, :, position]
    half = 1 << (psum_bits - 1)
    return (psums + half) % (2 * half) - half
