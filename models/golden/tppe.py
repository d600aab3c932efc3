# SPDX-License-Identifier: Apache-2.0
"""Temporal-parallel processing element (LoAS, sections 2.2 and 2.3), plain and slow."""

import torch
from torch import Tensor

from .checks import check_int, check_integers, check_rank, check_signed
from .compressor import compress
from .errors import GoldenError
from .inner_join import inner_join, pseudo_accumulate

__all__ = ["tppe"]


def tppe(words: Tensor, weights: Tensor, timesteps: int, psum_bits: int,
         chunk: int = 128) -> Tensor:
    """Multiply one row of lane words with a weight matrix by joining its fibers.

    Parameters
    ----------
    words : Tensor[K]
        Integers, unsigned lane words of ``timesteps`` bits.
    weights : Tensor[K, N]
        Integers, signed.
    timesteps : int
        ``T``, 1..16.
    psum_bits : int
        Width of a signed partial sum, 2..48.
    chunk : int
        Positions of one chunk, 1..256; the result does not depend on it.

    Returns
    -------
    Tensor[T, N]
        int64, signed, ``psum_bits`` wide.

    Raises
    ------
    GoldenError
        If shapes or operands do not fit.
    PsumOverflowError
        If a partial sum does not fit ``psum_bits``.
    """
    check_rank("weights", weights, 2)
    check_int("psum_bits", psum_bits, 2, 48)
    weights = check_integers("weights", weights)
    if words.shape != weights.shape[:1]:
        raise GoldenError(f"words must be of shape ({weights.shape[0]},), as the rows of weights, "
                          f"not {tuple(words.shape)}")
    row = compress(words, chunk)
    psums = torch.zeros(timesteps, weights.shape[1], dtype=torch.int64)
    for n, column in enumerate(weights.T):
        _, joined_weights, joined_words = inner_join(row, compress(column, chunk))
        pseudo, corrections = pseudo_accumulate(joined_weights, joined_words, timesteps)
        psums[:, n] = pseudo - corrections
    check_signed("psums", psums, psum_bits)
    return psums
