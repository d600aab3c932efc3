# SPDX-License-Identifier: Apache-2.0
"""One layer as the accounting sees it: a matrix of lane words times a matrix of weights."""

from dataclasses import dataclass, replace

from torch import Tensor

from ...models.golden.checks import check_int, check_rank
from ...models.golden.errors import GoldenError
from ...models.golden.ftp_array import count_matches
from ...models.golden.lane_word import unpack

__all__ = ["Workload"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Workload:
    """A layer after lowering (LoAS, section 1.1): ``M`` rows of spikes, ``N`` columns of weights.

    Parameters
    ----------
    name : str
    words : Tensor[M, K]
        int64, unsigned lane words of ``timesteps`` bits; bit ``t`` is the spike at timestep
        ``t``. ``K`` is pixel-major: ky, kx, channel.
    weights : Tensor[K, N]
        int64, signed.
    timesteps : int
        ``T``.
    taps : int
        Pixels under the kernel, a divisor of ``K``.

    Raises
    ------
    GoldenError
        If the operands do not fit each other.
    """

    name: str
    words: Tensor
    weights: Tensor
    timesteps: int
    taps: int = 1

    def __post_init__(self) -> None:
        check_rank(f"{self.name}: words", self.words, 2)
        check_rank(f"{self.name}: weights", self.weights, 2)
        if self.words.shape[1] != self.weights.shape[0]:
            raise GoldenError(f"{self.name}: weights must have {self.words.shape[1]} rows, the "
                              f"length of a row of words, not {self.weights.shape[0]}")
        check_int(f"{self.name}: taps", self.taps, 1, max(1, self.positions))
        if self.positions % self.taps:
            raise GoldenError(f"{self.name}: taps must divide the positions "
                              f"({self.positions}), not be {self.taps}")
        unpack(self.words, self.timesteps)

    @property
    def rows(self) -> int:
        """Output positions, ``M``."""
        return self.words.shape[0]

    @property
    def positions(self) -> int:
        """Length of a row, ``K``."""
        return self.words.shape[1]

    @property
    def columns(self) -> int:
        """Output channels, ``N``."""
        return self.weights.shape[1]

    @property
    def mask(self) -> Tensor:
        """Whether a weight is not zero, bool[K, N]."""
        return self.weights != 0

    @property
    def nonzeros(self) -> int:
        """Weights that are not zero."""
        return int(self.mask.sum())

    @property
    def packed(self) -> Tensor:
        """Whether a lane word is not silent, bool[1, M, K]: all timesteps in one pass."""
        return (self.words != 0).unsqueeze(0)

    @property
    def spikes(self) -> Tensor:
        """Single spikes, bool[T, M, K]: one pass for each timestep."""
        return unpack(self.words, self.timesteps)

    @property
    def matches(self) -> int:
        """Pairs of a lane word that is not silent and a weight that is not zero."""
        return count_matches(self.words, self.weights)

    @property
    def pairs(self) -> int:
        """Pairs of a spike and a weight that is not zero: additions if timesteps are serial."""
        return count_matches(self.spikes.flatten(0, 1), self.weights)

    def channel_major(self) -> "Workload":
        """Return the same product with ``K`` in the order (channel, ky, kx).

        That is PyTorch's ``unfold``, the order of the authors' own simulations. It moves no
        match, but changes which of them share a tile.
        """
        def reorder(matrix: Tensor) -> Tensor:
            return matrix.unflatten(0, (self.taps, -1)).transpose(0, 1).flatten(0, 1)

        return replace(self, words=reorder(self.words.T).T, weights=reorder(self.weights))
