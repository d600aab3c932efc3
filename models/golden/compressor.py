# SPDX-License-Identifier: Apache-2.0
"""Compression of lane words or weights into a fiber (LoAS, sections 1.3, 1.4 and 2.6)."""

import torch
from torch import Tensor

from .checks import check_int, check_integers, check_rank
from .errors import GoldenError
from .fiber import Fiber
from .lane_word import MAX_TIMESTEPS, popcount

__all__ = ["MAX_CHUNK", "compress"]

MAX_CHUNK = 256  # positions of the widest chunk


def compress(values: Tensor, chunk: int, min_spikes: int = 1) -> Fiber:
    """Compress a row of lane words or a column of weights into a fiber.

    Zeros are dropped. With ``min_spikes=2`` words with a single spike are dropped too (the
    fine-tuned mode of LoAS). The last chunk is padded with zeros.

    Parameters
    ----------
    values : Tensor[K]
        Integers: unsigned lane words of at most 16 bits, or signed weights.
    chunk : int
        Positions of one chunk, ``C``, 1..256.
    min_spikes : int
        Lane words with fewer spikes are dropped, 1..16; weights take 1 only.

    Returns
    -------
    Fiber
        With ``ceil(K / C)`` chunks.

    Raises
    ------
    GoldenError
        If an operand is out of range, or ``min_spikes`` above 1 meets a value that is not a
        lane word.
    """
    check_rank("values", values, 1)
    check_int("chunk", chunk, 1, MAX_CHUNK)
    check_int("min_spikes", min_spikes, 1, MAX_TIMESTEPS)
    values = check_integers("values", values)
    keep = values != 0
    if min_spikes > 1:
        wrong = values[(values < 0) | (values >= 1 << MAX_TIMESTEPS)]
        if wrong.numel():
            raise GoldenError(f"values must be lane words in 0..{(1 << MAX_TIMESTEPS) - 1} "
                              f"where min_spikes is above 1, not {int(wrong[0])}")
        keep &= popcount(values) >= min_spikes
    chunks = -(-len(values) // chunk)
    masks = torch.zeros(chunks * chunk, dtype=torch.bool)
    masks[:len(values)] = keep
    masks = masks.reshape(chunks, chunk)
    counts = masks.sum(1)
    return Fiber(masks, counts.cumsum(0) - counts, values[keep], len(values))
