# SPDX-License-Identifier: Apache-2.0
"""Fully temporal-parallel matrix product (LoAS, section 1.2), fast."""

import torch
from torch import Tensor

from .checks import check_bits, check_int, check_integers, check_rank, check_signed
from .errors import GoldenError

__all__ = ["count_matches", "exact_matmul", "ftp_matmul"]

_EXACT = {torch.float32: 1 << 24, torch.float64: 1 << 53}  # integers add exactly below this


def ftp_matmul(spikes: Tensor, weights: Tensor, psum_bits: int) -> Tensor:
    """Multiply spikes with weights: ``O[t, m, n] = sum_k A[t, m, k] * B[k, n]``.

    Parameters
    ----------
    spikes : Tensor[T, M, K]
        0 or 1.
    weights : Tensor[K, N]
        Integers, signed.
    psum_bits : int
        Width of a signed partial sum, 2..48.

    Returns
    -------
    Tensor[T, M, N]
        int64, signed, ``psum_bits`` wide.

    Raises
    ------
    GoldenError
        If shapes or operands do not fit.
    PsumOverflowError
        If a partial sum does not fit ``psum_bits``.
    """
    check_rank("spikes", spikes, 3)
    check_int("psum_bits", psum_bits, 2, 48)
    psums = exact_matmul(check_bits("spikes", spikes), weights, 1)
    check_signed("psums", psums, psum_bits)
    return psums


def exact_matmul(values: Tensor, weights: Tensor, limit: int) -> Tensor:
    """Multiply integers with weights in floating point, where the bound proves it exact.

    Every product and every partial sum, in whatever order, is an integer within the bound.

    Parameters
    ----------
    values : Tensor[..., K]
        Integers or bool, magnitude at most ``limit``; the caller's promise.
    weights : Tensor[K, N]
        Integers, signed.
    limit : int
        Largest magnitude of a value.

    Returns
    -------
    Tensor[..., N]
        int64.

    Raises
    ------
    GoldenError
        If shapes do not fit, or a sum could reach 2**53.
    """
    check_rank("weights", weights, 2)
    weights = check_integers("weights", weights)
    if values.shape[-1] != weights.shape[0]:
        raise GoldenError(f"rows of weights must be {values.shape[-1]}, as the row length, "
                          f"not {weights.shape[0]}")
    bound = int(weights.to(torch.float64).abs().sum(0).max()) * limit if weights.numel() else 0
    if bound >= _EXACT[torch.float64]:
        raise GoldenError(f"column sum of weight magnitudes must be below "
                          f"{_EXACT[torch.float64] // limit}, not {bound // limit}")
    single = bound < _EXACT[torch.float32] and torch.get_float32_matmul_precision() == "highest"
    dtype = torch.float32 if single else torch.float64
    return (values.to(dtype) @ weights.to(dtype)).to(torch.int64)


def count_matches(words: Tensor, weights: Tensor) -> int:
    """Count the positions, over all rows and columns, where a word meets a weight.

    Parameters
    ----------
    words : Tensor[M, K]
        Integers; lane words.
    weights : Tensor[K, N]
        Integers.

    Returns
    -------
    int
        Matches of the whole product, the work of an ideal inner join.

    Raises
    ------
    GoldenError
        If shapes do not fit.
    """
    check_rank("words", words, 2)
    check_rank("weights", weights, 2)
    if words.shape[1] != weights.shape[0]:
        raise GoldenError(f"rows of weights must be {words.shape[1]}, as the row length, "
                          f"not {weights.shape[0]}")
    return int(((words != 0).sum(0) * (weights != 0).sum(1)).sum())
