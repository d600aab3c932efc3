# SPDX-License-Identifier: Apache-2.0
"""Gradual magnitude pruning over all layers (M. Zhu and S. Gupta, 2017)."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import nn

__all__ = ["MagnitudePruner", "PruningSchedule", "sparsity"]


@dataclass(frozen=True, kw_only=True)
class PruningSchedule:
    """Cubic rise of the sparsity from 0 at step ``start`` to ``sparsity`` at step ``stop``."""

    start: int
    stop: int
    interval: int    # steps between two prunings
    sparsity: float  # share of all weights that are zero in the end, 0..1

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.stop:
            raise ValueError(f"start must be in 0..{self.stop - 1}, not {self.start}")
        if not 0 <= self.sparsity < 1:
            raise ValueError(f"sparsity must be in 0..1, not {self.sparsity}")
        if self.interval < 1:
            raise ValueError(f"interval must be at least 1, not {self.interval}")

    def due(self, step: int) -> bool:
        """Whether to prune at a step."""
        if step == self.stop:
            return True
        return self.start <= step < self.stop and (step - self.start) % self.interval == 0

    def at(self, step: int) -> float:
        """Sparsity at a step."""
        progress = min(max((step - self.start) / (self.stop - self.start), 0.0), 1.0)
        return self.sparsity * (1 - (1 - progress) ** 3)


class MagnitudePruner:
    """Keeps the weights of smallest magnitude, over all layers, at zero.

    Parameters
    ----------
    weights : iterable of Parameter
        What is pruned; a weight that is zero now stays zero.
    schedule : PruningSchedule, optional
        Without one no further weight is pruned.
    """

    def __init__(self, weights: Iterable[nn.Parameter], schedule: PruningSchedule | None = None):
        self.weights = list(weights)
        self.schedule = schedule
        self.masks = [weight.detach() != 0 for weight in self.weights]

    @torch.no_grad()
    def step(self, step: int) -> None:
        """Prune if it is time to; zero what is pruned. Call after each optimizer step."""
        if self.schedule and self.schedule.due(step):
            self._prune(self.schedule.at(step))
        for weight, mask in zip(self.weights, self.masks, strict=True):
            weight.mul_(mask)

    def _prune(self, target: float) -> None:
        magnitudes = torch.cat([weight.abs().flatten() for weight in self.weights])
        count = round(target * len(magnitudes))
        keep = torch.ones(len(magnitudes), dtype=torch.bool)
        keep[magnitudes.argsort(stable=True)[:count]] = False
        parts = keep.split([weight.numel() for weight in self.weights])
        self.masks = [part.view_as(weight)
                      for part, weight in zip(parts, self.weights, strict=True)]


def sparsity(weights: Iterable[torch.Tensor]) -> float:
    """Share of all weights that are zero."""
    weights = list(weights)
    return sum(int((w == 0).sum()) for w in weights) / sum(w.numel() for w in weights)
