# SPDX-License-Identifier: Apache-2.0
"""Cost of tiles that run one after the other, each as slow as its busiest element."""

import torch
from torch import Tensor

__all__ = ["blocks", "serial_tiles"]


def blocks(size: int, block: int) -> int:
    """Return the blocks that ``size`` takes, the last one perhaps not full."""
    return -(-size // block)


def serial_tiles(owned: Tensor, shared: Tensor, *, elements: int, positions: int,
                 lines: int) -> int:
    """Return the cycles of a matrix product, tile after tile (LoAS, section 4).

    An element owns one line of ``owned`` and adds one match in each cycle: a position where
    both its line and a line of ``shared`` are set. A tile is ``elements`` lines of ``owned`` by
    ``positions`` by ``lines`` of ``shared`` and takes as long as its busiest element; tiles are
    strictly serial. A match with the weight ``n`` counts ``n`` times, so that lines may be sums.

    Parameters
    ----------
    owned : Tensor[S, P, K]
        Bool or integers; ``S`` passes, one after the other.
    shared : Tensor[S, Q, K]
        The same; ``S`` may be 1 for the same in each pass, as in ``owned``.
    elements, positions, lines : int
        Size of a tile along ``P``, ``K`` and ``Q``.
    """
    summed = _split(shared.double(), 1, lines).sum(2)
    left = _split(owned.double(), 2, positions)
    right = _split(summed, 2, positions)
    matches = torch.einsum("spak,sqak->saqp", *_same_passes(left, right))
    return int(_split(matches, 3, elements).amax(4).sum())


def _same_passes(left: Tensor, right: Tensor) -> tuple[Tensor, Tensor]:
    passes = max(left.shape[0], right.shape[0])
    return left.expand(passes, -1, -1, -1), right.expand(passes, -1, -1, -1)


def _split(tensor: Tensor, dim: int, size: int) -> Tensor:
    """Return ``tensor`` with a dimension cut in blocks of ``size``, the last filled with 0."""
    missing = list(tensor.shape)
    missing[dim] = -missing[dim] % size
    return torch.cat([tensor, tensor.new_zeros(missing)], dim).unflatten(dim, (-1, size))
