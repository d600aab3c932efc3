# SPDX-License-Identifier: Apache-2.0
"""Rank of a noisy matrix by variational Bayes: the analytic solution of empirical VB.

After S. Nakajima, M. Sugiyama, S. D. Babacan and R. Tomioka, "Global analytic solution of
fully-observed variational Bayesian matrix factorization" (2013). A matrix of ``L x M``,
``L <= M``, is a product of two Gaussian factors plus noise of variance ``s``. With
``a = L / M`` and the singular values ``g``, a component is kept if ``g**2 / (M * s)`` exceeds
``x = (1 + t) * (1 + a / t)``, where ``t`` is the zero of ``phi(t) + phi(t / a)`` and
``phi(z) = log(1 + z) / z - 1/2``. If the noise is unknown it is what minimizes the free energy.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Factorization", "evbmf"]

_GRID = 400      # points at which the free energy is tried first
_NARROWINGS = 60  # steps of the golden-section search around the best of them


@dataclass(frozen=True)
class Factorization:
    """What variational Bayes keeps of a matrix.

    Attributes
    ----------
    values : Tensor[rank]
        float64, the singular values that remain, shrunk, in falling order.
    noise : float
        Variance of the noise, given or estimated.
    """

    values: Tensor
    noise: float

    @property
    def rank(self) -> int:
        """Number of components."""
        return len(self.values)


def evbmf(matrix: Tensor, noise: float | None = None) -> Factorization:
    """Factorize a matrix and find how many components stand out from the noise.

    Parameters
    ----------
    matrix : Tensor[rows, columns]
        Floating point, not all zero.
    noise : float, optional
        Variance of the noise; estimated if not given.

    Raises
    ------
    ValueError
        If the matrix has not rank 2, or is zero, or the noise is not positive.
    """
    if matrix.ndim != 2 or not matrix.any():
        raise ValueError(f"matrix must have 2 dimensions and a value that is not zero, "
                         f"not shape {tuple(matrix.shape)}")
    if noise is not None and noise <= 0:
        raise ValueError(f"noise must be positive, not {noise}")
    rows, columns = sorted(matrix.shape)
    values = torch.linalg.svdvals(matrix.detach().double())
    limit = _limit(rows / columns)
    if noise is None:
        noise = _estimate(values, columns, limit)
    kept = values[values ** 2 > columns * noise * limit]
    signal = 1 - (rows + columns) * noise / kept ** 2
    spread = (signal ** 2 - 4 * rows * columns * noise ** 2 / kept ** 4).clamp(min=0)
    return Factorization(kept / 2 * (signal + spread.sqrt()), noise)


def _limit(ratio: float) -> float:
    """Return ``x``, the least ``g**2 / (M * s)`` of a component that is kept."""
    low, high = 1e-12, 16.0  # the zero is about 2.5 * sqrt(ratio)
    for _ in range(200):
        middle = (low + high) / 2
        if _phi(middle) + _phi(middle / ratio) > 0:
            low = middle
        else:
            high = middle
    return (1 + low) * (1 + ratio / low)


def _phi(z: float) -> float:
    return math.log1p(z) / z - 0.5


def _estimate(values: Tensor, columns: int, limit: float) -> float:
    """Return the variance of the noise with the least free energy."""
    rows, squares = len(values), values ** 2 / columns
    # Not more than these components can be signal; the others bound the noise.
    most = min(math.ceil(rows / (1 + rows / columns)), rows) - 1
    high = float(squares.sum()) / rows
    low = max(float(squares[min(most, rows - 1)]) / limit, float(squares[most:].mean()))
    low = min(max(low, high * 1e-12), high)
    grid = torch.linspace(math.log(low), math.log(high), _GRID, dtype=torch.float64)
    energies = torch.stack([_free_energy(squares, point.exp(), columns, limit)
                            for point in grid])
    best = int(energies.argmin())
    left, right = float(grid[max(best - 1, 0)]), float(grid[min(best + 1, _GRID - 1)])
    golden = (math.sqrt(5) - 1) / 2
    for _ in range(_NARROWINGS):
        first, second = right - golden * (right - left), left + golden * (right - left)
        energy, other = (float(_free_energy(squares, torch.tensor(point).double().exp(), columns,
                                            limit)) for point in (first, second))
        left, right = (left, second) if energy < other else (first, right)
    return math.exp((left + right) / 2)


def _free_energy(squares: Tensor, noise: Tensor, columns: int, limit: float) -> Tensor:
    """Return the free energy but for constants, over ``M``."""
    ratio = len(squares) / columns
    x = squares / noise
    energy = (x - torch.log(x.clamp(min=1e-300))).sum()
    kept = x[x > limit]
    excess = kept - (1 + ratio)
    t = (excess + (excess ** 2 - 4 * ratio).sqrt()) / 2
    return energy + (torch.log1p(t) + ratio * torch.log1p(t / ratio) - t).sum()
