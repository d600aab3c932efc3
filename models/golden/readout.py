# SPDX-License-Identifier: Apache-2.0
"""Readout: logits of the last layer, and the class they vote for."""

import torch
from torch import Tensor

from .checks import check_integers, check_rank, check_signed
from .errors import GoldenError

__all__ = ["LOGIT_BITS", "readout"]

LOGIT_BITS = 32  # signed


def readout(values: Tensor) -> tuple[Tensor, int]:
    """Sum over the timesteps, then find the first of the largest.

    Parameters
    ----------
    values : Tensor[T, N]
        Integers, signed.

    Returns
    -------
    logits : Tensor[N]
        int64, 32 bits.
    winner : int
        Index of the largest logit, the first of equals.

    Raises
    ------
    GoldenError
        If there is no column.
    PsumOverflowError
        If a logit does not fit 32 bits.
    """
    check_rank("values", values, 2)
    logits = check_integers("values", values).sum(0)
    if not logits.numel():
        raise GoldenError("values must have at least 1 column, not 0")
    check_signed("logits", logits, LOGIT_BITS)
    return logits, int(torch.nonzero(logits == logits.max())[0])
