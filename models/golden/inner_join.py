# SPDX-License-Identifier: Apache-2.0
"""Inner join of a spike fiber and a weight fiber (LoAS, section 2.3)."""

import torch
from torch import Tensor

from .checks import check_integers, check_rank
from .errors import GoldenError
from .fiber import Fiber
from .lane_word import unpack
from .prefix_sum import prefix_sum

__all__ = ["inner_join", "pseudo_accumulate"]


def inner_join(spikes: Fiber, weights: Fiber) -> tuple[Tensor, Tensor, Tensor]:
    """Match the positions that hold both a lane word and a weight.

    Parameters
    ----------
    spikes : Fiber
        A row of lane words.
    weights : Fiber
        A column of weights, of the same length and chunk width.

    Returns
    -------
    positions : Tensor[matches]
        int64, ascending.
    weights : Tensor[matches]
        int64, signed; the weight of each position.
    words : Tensor[matches]
        int64; the lane word of each position.

    Raises
    ------
    GoldenError
        If length or chunk width of the fibers differ.
    """
    if spikes.length != weights.length:
        raise GoldenError(f"length of weights must be {spikes.length}, as of spikes, "
                          f"not {weights.length}")
    if spikes.chunk != weights.chunk:
        raise GoldenError(f"chunk of weights must be {spikes.chunk}, as of spikes, "
                          f"not {weights.chunk}")
    empty = torch.zeros(0, dtype=torch.int64)
    positions, joined_weights, joined_words = [empty], [empty], [empty]
    pairs = zip(spikes.chunks(), weights.chunks(), strict=True)
    for i, ((mask_a, _, words), (mask_b, _, values)) in enumerate(pairs):
        matches = (mask_a & mask_b).nonzero()[:, 0]
        offsets_a, _ = prefix_sum(mask_a)
        offsets_b, _ = prefix_sum(mask_b)
        positions.append(matches + i * spikes.chunk)
        joined_words.append(words[offsets_a[matches]])
        joined_weights.append(values[offsets_b[matches]])
    return torch.cat(positions), torch.cat(joined_weights), torch.cat(joined_words)


def pseudo_accumulate(weights: Tensor, words: Tensor, timesteps: int) -> tuple[int, Tensor]:
    """Accumulate matches as if all words were all ones, and what corrects it.

    ``psum[t] = pseudo - corrections[t]``, exactly.

    Parameters
    ----------
    weights : Tensor[matches]
        Integers, signed.
    words : Tensor[matches]
        Integers, unsigned lane words of ``timesteps`` bits.
    timesteps : int
        ``T``, 1..16.

    Returns
    -------
    pseudo : int
        Sum of all weights.
    corrections : Tensor[T]
        int64; for each timestep the sum of the weights whose word has a 0 there.

    Raises
    ------
    GoldenError
        If weights and words differ in number or a word is too wide.
    """
    check_rank("weights", weights, 1)
    weights = check_integers("weights", weights)
    if words.shape != weights.shape:
        raise GoldenError(f"words must be of shape {tuple(weights.shape)}, as weights, "
                          f"not {tuple(words.shape)}")
    silent = ~unpack(words, timesteps)
    return int(weights.sum()), (silent * weights).sum(1)
