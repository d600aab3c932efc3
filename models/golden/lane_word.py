# SPDX-License-Identifier: Apache-2.0
"""Lane words: the ``T`` spikes of one position as one integer (LoAS, section 1.3)."""

import torch
from torch import Tensor

from .checks import check_bits, check_int, check_integers
from .errors import GoldenError

__all__ = ["MAX_TIMESTEPS", "drop_single", "pack", "popcount", "unpack"]

MAX_TIMESTEPS = 16  # lanes of the widest lane word


def pack(spikes: Tensor) -> Tensor:
    """Pack spikes into lane words; bit ``t`` of a word is the spike at timestep ``t``.

    Parameters
    ----------
    spikes : Tensor[T, ...]
        0 or 1, ``T`` in 1..16.

    Returns
    -------
    Tensor[...]
        int64, unsigned ``T``-bit words.

    Raises
    ------
    GoldenError
        If ``T`` is out of range or a spike is neither 0 nor 1.
    """
    bits = check_bits("spikes", spikes)
    if not bits.ndim:
        raise GoldenError("spikes must have a timestep dimension, not shape ()")
    check_int("timesteps", bits.shape[0], 1, MAX_TIMESTEPS)
    words = torch.zeros(bits.shape[1:], dtype=torch.int64)
    for t, lane in enumerate(bits):
        words |= lane.to(torch.int64) << t
    return words


def unpack(words: Tensor, timesteps: int) -> Tensor:
    """Unpack lane words into spikes, the inverse of `pack`.

    Parameters
    ----------
    words : Tensor[...]
        Integers, unsigned ``timesteps``-bit words.
    timesteps : int
        ``T``, 1..16.

    Returns
    -------
    Tensor[T, ...]
        bool.

    Raises
    ------
    GoldenError
        If ``timesteps`` is out of range or a word has a bit beyond ``timesteps``.
    """
    check_int("timesteps", timesteps, 1, MAX_TIMESTEPS)
    words = check_integers("words", words)
    wrong = words[(words < 0) | (words >= 1 << timesteps)]
    if wrong.numel():
        raise GoldenError(f"words must be in 0..{(1 << timesteps) - 1}, not {int(wrong[0])}")
    return torch.stack([(words >> t) & 1 for t in range(timesteps)]).to(torch.bool)


def popcount(words: Tensor) -> Tensor:
    """Count the spikes of each lane word.

    Parameters
    ----------
    words : Tensor[...]
        Integers, unsigned words of at most 16 bits.

    Returns
    -------
    Tensor[...]
        int64, 0..16.
    """
    return unpack(words, MAX_TIMESTEPS).sum(0)


def drop_single(spikes: Tensor) -> Tensor:
    """Silence the neurons that fire once only (the fine-tuned mode of LoAS).

    Parameters
    ----------
    spikes : Tensor[T, ...]
        0 or 1.

    Returns
    -------
    Tensor[T, ...]
        bool, with no or at least two spikes along ``T``.

    Raises
    ------
    GoldenError
        If a spike is neither 0 nor 1.
    """
    bits = check_bits("spikes", spikes)
    return bits & (bits.sum(0) >= 2)
