# SPDX-License-Identifier: Apache-2.0
"""Training loop, augmentation and evaluation for image classifiers."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils import deterministic

from .pruning import MagnitudePruner

__all__ = ["STILL", "Augmentation", "TrainingConfig", "accuracy", "augment", "operand",
           "repeatable", "train"]


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """Random affine distortion of an image; each is drawn uniformly from plus or minus."""

    degrees: float = 12.0  # rotation
    scale: float = 0.12    # of the size
    shear: float = 0.1
    shift: float = 2.0     # pixels
    flip: bool = False     # left and right, half of the images


STILL = Augmentation(degrees=0, scale=0, shear=0, shift=0)  # images as they are


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """Course of one training."""

    epochs: int
    rate: float                    # peak learning rate
    warmup: float = 0.05           # share of the steps in which the rate rises, then a cosine
    batch: int = 64
    images: int | None = None      # in an epoch, drawn at random; all if None
    weight_decay: float = 1e-4
    smoothing: float = 0.0         # of the labels
    augmentation: Augmentation = Augmentation()

    def steps(self, images: int) -> int:
        """Optimizer steps for a training split of that size."""
        return self.epochs * (min(images, self.images or images) // self.batch)

    def rate_at(self, step: int, steps: int) -> float:
        """Learning rate at a step."""
        rise = max(1.0, self.warmup * steps)
        if step < rise:
            return self.rate * (step + 1) / rise
        return self.rate * 0.5 * (1 + math.cos(math.pi * (step - rise) / (steps - rise)))


@contextmanager
def repeatable(seed: int) -> Iterator[torch.Generator]:
    """Make torch repeat itself on a CPU: one thread, deterministic algorithms, fixed seed.

    The settings before it come back afterwards.

    Parameters
    ----------
    seed : int
        Of torch's own generator and of the one that is given out.
    """
    threads, strict = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    switches: Any = deterministic  # the type checker sees no switch in this module
    fill = switches.fill_uninitialized_memory
    with torch.random.fork_rng(devices=[]):
        torch.set_num_threads(1)
        torch.use_deterministic_algorithms(True)
        switches.fill_uninitialized_memory = False  # costs a third of the time
        torch.manual_seed(seed)
        try:
            yield torch.Generator().manual_seed(seed)
        finally:
            torch.set_num_threads(threads)
            torch.use_deterministic_algorithms(strict)
            switches.fill_uninitialized_memory = fill


def augment(images: Tensor, config: Augmentation, generator: torch.Generator) -> Tensor:
    """Distort images at random.

    Parameters
    ----------
    images : Tensor[B, H, W]
        uint8.
    config : Augmentation
    generator : Generator

    Returns
    -------
    Tensor[B, H, W]
        uint8.
    """
    def uniform(limit: float) -> Tensor:
        return (torch.rand(len(images), generator=generator) * 2 - 1) * limit

    angle = uniform(math.radians(config.degrees))
    sx, sy = 1 + uniform(config.scale), 1 + uniform(config.scale)
    shear = uniform(config.shear)
    dx, dy = (uniform(2 * config.shift / side) for side in images.shape[1:])
    if config.flip:
        sx = sx * (2 * torch.randint(0, 2, sx.shape, generator=generator) - 1)
    cos, sin = angle.cos(), angle.sin()
    theta = torch.stack([
        torch.stack([sx * cos, sx * (shear * cos - sin), dx], 1),
        torch.stack([sy * sin, sy * (shear * sin + cos), dy], 1)], 1)
    x = images[:, None].to(torch.float32)
    grid = functional.affine_grid(theta, list(x.shape), align_corners=False)
    y = functional.grid_sample(x, grid, mode="bilinear", align_corners=False)
    return y[:, 0].round().clamp(0, 255).to(torch.uint8)


def operand(images: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """Return images as a network reads them.

    Parameters
    ----------
    images : Tensor[B, H, W], Tensor[B, C, H, W] or Tensor[B, T, C, H, W]
        uint8: pixels, which become multiples of 1/256; with timesteps spikes, 0 or 1.
    dtype : torch.dtype
        Of the result.
    """
    return images.to(dtype) if images.ndim == 5 else images.to(dtype) / 256


def train(network: nn.Module, images: Tensor, labels: Tensor, config: TrainingConfig,
          generator: torch.Generator, pruner: MagnitudePruner | None = None,
          report: Callable[[int, int, float], None] = lambda *_: None) -> None:
    """Train a classifier with AdamW and cross entropy.

    Parameters
    ----------
    network : Module
        From images, see `operand`, to logits.
    images : Tensor[B, ...]
        uint8.
    labels : Tensor[B]
        int64.
    config : TrainingConfig
    generator : Generator
        Order and distortion of the images.
    pruner : MagnitudePruner, optional
        Called after each step.
    report : callable, optional
        Called after each step with the step, the number of steps and the loss.
    """
    optimizer = torch.optim.AdamW(network.parameters(), weight_decay=config.weight_decay)
    steps, step = config.steps(len(images)), 0
    for _ in range(config.epochs):
        network.train()
        order = torch.randperm(len(images), generator=generator)
        for chosen in order.split(config.batch)[:steps // config.epochs]:
            for group in optimizer.param_groups:
                group["lr"] = config.rate_at(step, steps)
            x = images[chosen]
            if config.augmentation != STILL:
                x = augment(x, config.augmentation, generator)
            loss = functional.cross_entropy(network(operand(x)), labels[chosen],
                                            label_smoothing=config.smoothing)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if pruner:
                pruner.step(step)
            report(step, steps, float(loss.detach()))
            step += 1


@torch.no_grad()
def accuracy(network: nn.Module, images: Tensor, labels: Tensor, batch: int = 20) -> float:
    """Return the share of images that a classifier gets right, in evaluation mode."""
    network.eval()
    dtype = next(network.parameters()).dtype
    right = 0
    for x, y in zip(images.split(batch), labels.split(batch), strict=True):
        right += int((network(operand(x, dtype)).argmax(1) == y).sum())
    return right / len(images)
