# SPDX-License-Identifier: Apache-2.0
"""Fibers: one compressed row of spikes or column of weights (LoAS, section 1.3)."""

from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor

__all__ = ["Fiber"]


@dataclass(frozen=True, eq=False)
class Fiber:
    """One row of lane words, or one column of weights, in chunks of ``C`` positions.

    Holds what it is given; `decompress` checks it.

    Parameters
    ----------
    masks : Tensor[chunks, C]
        bool; bit ``c`` of chunk ``i`` is set if position ``i * C + c`` holds a value.
    offsets : Tensor[chunks]
        int64; index into ``values`` of each chunk's first value.
    values : Tensor[nnz]
        int64; the non-zero values in ascending order of position.
    length : int
        Positions ``K``; those beyond it in the last chunk are padding, their bits are 0.
    """

    masks: Tensor
    offsets: Tensor
    values: Tensor
    length: int

    @property
    def chunk(self) -> int:
        """Positions of one chunk, ``C``."""
        return self.masks.shape[1]

    @property
    def counts(self) -> Tensor:
        """Values of each chunk, int64[chunks]."""
        return self.masks.sum(1)

    def chunks(self) -> Iterator[tuple[Tensor, int, Tensor]]:
        """Iterate over the chunks.

        Yields
        ------
        mask : Tensor[C]
            bool.
        offset : int
            Index of the chunk's first value.
        values : Tensor[count]
            int64, the chunk's values.
        """
        for mask, offset, count in zip(self.masks, self.offsets.tolist(), self.counts.tolist(),
                                       strict=True):
            yield mask, offset, self.values[offset:offset + count]
