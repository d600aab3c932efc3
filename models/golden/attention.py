# SPDX-License-Identifier: Apache-2.0
"""Spatial-temporal attention of spikes, keys with values first (STAtten, D. Lee et al., 2024)."""

import torch
from torch import Tensor

from .checks import check_bits, check_int
from .errors import GoldenError

__all__ = ["attention", "attention_bits", "join_chunks", "key_value_sums", "split_chunks"]


def key_value_sums(spikes: Tensor, heads: int, chunk_steps: int) -> Tensor:
    """Count in each chunk, over steps and tokens, where a key and a value fire together.

    With ``t`` over the steps of chunk ``c`` and ``n`` over the tokens::

        M[c, h, i, j] = sum over t, n of k[t, n, h, i] & v[t, n, h, j]

    Parameters
    ----------
    spikes : Tensor[T, ..., N, 3 * D]
        0 or 1: of each token the channels of queries, keys and values, in this order; within
        each of them channel ``j`` of head ``h`` is ``h * d + j``, with ``d = D / heads``.
    heads : int
        Divides ``D``.
    chunk_steps : int
        Timesteps of a chunk, which attend to one another; divides ``T``.

    Returns
    -------
    Tensor[T / chunk_steps, ..., heads, d, d]
        int64, at most ``chunk_steps * N``.

    Raises
    ------
    GoldenError
        If shapes do not fit or a spike is neither 0 nor 1.
    """
    _, keys, values = _chunks(spikes, heads, chunk_steps)
    return (keys.transpose(-1, -2) @ values).to(torch.int64)


def attention(spikes: Tensor, heads: int, chunk_steps: int) -> Tensor:
    """Let the tokens of all steps in a chunk attend to each other.

    With the sums of `key_value_sums` and ``c`` the chunk of step ``t``::

        O[t, n, h * d + j] = sum over i of q[t, n, h, i] * M[c, h, i, j]

    There is no softmax, no scale and no rounding; ``(Q K^T) V`` is the same. With one step a
    chunk, tokens attend to those of their own timestep only.

    Parameters
    ----------
    spikes, heads, chunk_steps
        As of `key_value_sums`.

    Returns
    -------
    Tensor[T, ..., N, D]
        int64, at most ``d * chunk_steps * N``.

    Raises
    ------
    GoldenError
        If shapes do not fit or a spike is neither 0 nor 1.
    """
    queries, keys, values = _chunks(spikes, heads, chunk_steps)
    out = queries @ (keys.transpose(-1, -2) @ values)
    return join_chunks(out, chunk_steps).to(torch.int64)


def attention_bits(head_channels: int, tokens: int, chunk_steps: int) -> int:
    """Return the width of a signed integer that holds each result of `attention`."""
    return (head_channels * tokens * chunk_steps).bit_length() + 1


def _chunks(spikes: Tensor, heads: int, chunk_steps: int) -> Tensor:
    """Return queries, keys and values, float64[3, chunks, ..., heads, chunk_steps * N, d].

    Sums stay far below 2**53, so that floating point is exact.
    """
    bits = check_bits("spikes", spikes)
    if bits.ndim < 3 or 0 in bits.shape or bits.shape[-1] % 3:
        raise GoldenError(f"spikes must be of shape [T, ..., N, 3 * D], not {list(bits.shape)}")
    channels, timesteps = bits.shape[-1] // 3, len(bits)
    for name, value, whole in (("heads", heads, channels),
                               ("chunk_steps", chunk_steps, timesteps)):
        check_int(name, value, 1, whole)
        if whole % value:
            raise GoldenError(f"{name} must divide {whole}, not be {value}")
    return split_chunks(bits.to(torch.float64), heads, chunk_steps)


def split_chunks(tokens: Tensor, heads: int, chunk_steps: int) -> Tensor:
    """Arrange tokens by chunk and head; that is only addressing.

    Parameters
    ----------
    tokens : Tensor[T, ..., N, 3 * D]
        Of any type, see `key_value_sums`.
    heads, chunk_steps : int

    Returns
    -------
    Tensor[3, T / chunk_steps, ..., heads, chunk_steps * N, d]
        Queries, keys and values.
    """
    parts = tokens.unflatten(-1, (3, heads, -1)).unflatten(0, (-1, chunk_steps))
    # [chunks, steps, ..., N, 3, heads, d] to [3, chunks, steps, ..., heads, N, d]
    parts = parts.movedim((-3, -2), (0, -3))
    return parts.movedim(2, -3).flatten(-3, -2)


def join_chunks(tokens: Tensor, chunk_steps: int) -> Tensor:
    """Arrange what chunks and heads gave by timestep and token, [T, ..., N, D]."""
    steps = tokens.unflatten(-2, (chunk_steps, -1)).movedim(-3, 1).flatten(0, 1)
    return steps.movedim(-3, -2).flatten(-2)  # the heads behind one another
