# SPDX-License-Identifier: Apache-2.0
"""3x3 convolutions as four tensor-train cores: decomposition, the chain of cores, the merge.

After D. Lee et al., "TT-SNN: tensor train decomposition for efficient spiking neural network
training" (2024). A kernel ``W[o, i, h, w]`` of one rank ``r`` is

    sum over a, b, c of  G1[a, i] * G2[b, a, h] * G3[c, b, w] * G4[o, c],

that is a convolution of 1x1, one of 3x1, one of 1x3 and one of 1x1, without norm, bias or
neuron between. The modes run the cores in different ways:

- ``stt``, sequential: one after the other;
- ``ptt``, parallel: G2 and G3 side by side, and their mean;
- ``htt``, half: parallel at some timesteps, at the others G1 and G4 alone.

All are linear, so the cores merge into one kernel: dense, plus-shaped, or one of 1x1.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from .evbmf import evbmf

__all__ = ["MODES", "TensorTrain", "chain", "choose_rank", "core_shapes", "decompose", "merge",
           "plus_kernel", "short_chain", "short_merge"]

MODES = ("stt", "ptt", "htt")


@dataclass(frozen=True, kw_only=True)
class TensorTrain:
    """How the kernel of a layer is made of cores.

    Raises
    ------
    ValueError
        If a field does not fit.
    """

    mode: Literal["stt", "ptt", "htt"]
    rank: int

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise ValueError(f"mode must be one of {', '.join(MODES)}, not {self.mode!r}")
        if self.rank < 1:
            raise ValueError(f"rank must be at least 1, not {self.rank}")


def core_shapes(inputs: int, outputs: int, rank: int) -> tuple[tuple[int, int, int, int], ...]:
    """Return the shapes of the cores, as weights of convolutions."""
    return ((rank, inputs, 1, 1), (rank, rank, 3, 1), (rank, rank, 1, 3), (outputs, rank, 1, 1))


def choose_rank(kernel: Tensor) -> int:
    """Return the rank that variational Bayes finds in a trained kernel ``[O, I, 3, 3]``.

    It looks at the kernels of the output channels, one a row; if they are noise, at those of the
    input channels. Kernels that are not trained are noise: the rank is 0.
    """
    return evbmf(kernel.flatten(1)).rank or evbmf(kernel.transpose(0, 1).flatten(1)).rank


def decompose(kernel: Tensor, rank: int) -> list[Tensor]:
    """Decompose a kernel by truncated singular value decompositions, bond after bond.

    Parameters
    ----------
    kernel : Tensor[O, I, 3, 3]
        Floating point.
    rank : int
        Of all bonds; a bond that needs less is filled up with zeros.

    Returns
    -------
    list of Tensor
        The cores, of the shapes of `core_shapes`.
    """
    outputs, inputs = kernel.shape[:2]
    rest, cores = kernel.permute(1, 2, 3, 0), []  # (i, h, w, o)
    before = 1
    for size in (inputs, 3, 3):
        left, values, right = torch.linalg.svd(rest.reshape(before * size, -1),
                                               full_matrices=False)
        kept = min(rank, len(values))
        core = left.new_zeros(before * size, rank)
        core[:, :kept] = left[:, :kept]
        rest = left.new_zeros(rank, right.shape[1])
        rest[:kept] = values[:kept, None] * right[:kept]
        cores.append(core.view(before, size, rank))
        before = rank
    first, second, third = cores
    return [first[0].T.reshape(rank, inputs, 1, 1),
            second.permute(2, 0, 1).reshape(rank, rank, 3, 1),
            third.permute(2, 0, 1).reshape(rank, rank, 1, 3),
            rest.T.reshape(outputs, rank, 1, 1)]


def chain(x: Tensor, cores: Sequence[Tensor], mode: str, stride: int = 1) -> Tensor:
    """Run the cores on maps Tensor[B, I, H, W], the parallel ones unless ``mode`` is ``stt``.

    The stride is in the middle cores: down in G2 and across in G3 where one follows the other,
    both ways in each of them where they are parallel. So it is the stride of the merged kernel.
    """
    first, second, third, last = cores
    h = functional.conv2d(x, first)
    if mode == "stt":
        h = functional.conv2d(h, second, stride=(stride, 1), padding=(1, 0))
        h = functional.conv2d(h, third, stride=(1, stride), padding=(0, 1))
    else:
        h = (functional.conv2d(h, second, stride=stride, padding=(1, 0))
             + functional.conv2d(h, third, stride=stride, padding=(0, 1))) / 2
    return functional.conv2d(h, last)


def short_chain(x: Tensor, cores: Sequence[Tensor], stride: int = 1) -> Tensor:
    """Run the first and the last core alone."""
    return functional.conv2d(functional.conv2d(x[..., ::stride, ::stride], cores[0]), cores[3])


def merge(cores: Sequence[Tensor], mode: str) -> Tensor:
    """Return the kernel Tensor[O, I, 3, 3] that does what `chain` does.

    It is plus-shaped unless ``mode`` is ``stt``. Of integers in floating point it is exact.
    """
    first, second, third, last = cores
    if mode == "stt":
        return torch.einsum("ai,bah,cbw,oc->oihw", first[..., 0, 0], second[..., 0],
                            third[..., 0, :], last[..., 0, 0])
    return torch.einsum("ai,cahw,oc->oihw", first[..., 0, 0], plus_kernel(second, third),
                        last[..., 0, 0])


def plus_kernel(second: Tensor, third: Tensor) -> Tensor:
    """Return the mean of the middle cores as one kernel Tensor[r, r, 3, 3], zero in its corners."""
    plus = second.new_zeros(*second.shape[:2], 3, 3)
    plus[..., :, 1] += second[..., 0] / 2
    plus[..., 1, :] += third[..., 0, :] / 2
    return plus


def short_merge(cores: Sequence[Tensor]) -> Tensor:
    """Return the kernel Tensor[O, I, 1, 1] that does what `short_chain` does."""
    return torch.einsum("aihw,oahw->oihw", cores[0], cores[3])
