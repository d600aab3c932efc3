# SPDX-License-Identifier: Apache-2.0
"""Training of networks of neurons that spike once."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from .training import STILL, TrainingConfig, augment
from .ttfs_network import FirstSpikeNetwork

__all__ = ["FirstSpikeTraining", "train_first_spike"]


@dataclass(frozen=True, kw_only=True)
class FirstSpikeTraining:
    """Course of a training, and what keeps neurons from falling silent.

    Parameters
    ----------
    course : TrainingConfig
        Epochs, learning rate, images.
    sharpness : tuple of float
        A class's logit falls by this in a time constant, at the start and at the end: less
        makes the first spike of the right class earlier than the others by a longer time.
    margin : float
        A neuron whose weights sum up to less than 1 plus this costs the difference.
    clip : float
        Largest norm of the gradient.
    resolution : int or None
        ``tau_shift`` of the integer network on whose grid the network learns: 8-bit weights and
        whole steps forward, gradients straight through the rounding, and the norm's statistics
        stay as they are. None for continuous times, the form of the paper.
    """

    course: TrainingConfig
    sharpness: tuple[float, float] = (20.0, 10.0)
    margin: float = 0.2
    clip: float = 1.0
    resolution: int | None = None


def train_first_spike(network: FirstSpikeNetwork, images: Tensor, labels: Tensor,
                      training: FirstSpikeTraining, generator: torch.Generator,
                      report: Callable[[int, int, float], None] = lambda *_: None) -> None:
    """Train a classifier with AdamW, cross entropy and the cost of reluctant neurons.

    Parameters
    ----------
    network : FirstSpikeNetwork
    images : Tensor[B, H, W]
        uint8.
    labels : Tensor[B]
        int64.
    training : FirstSpikeTraining
    generator : Generator
        Order and distortion of the images.
    report : callable, optional
        Called after each step with the step, the number of steps and the loss.
    """
    course = training.course
    network.resolution = training.resolution
    optimizer = torch.optim.AdamW(network.parameters(), weight_decay=course.weight_decay,
                                  fused=True)
    steps, step = course.steps(len(images)), 0
    for _ in range(course.epochs):
        network.train()
        order = torch.randperm(len(images), generator=generator)
        for chosen in order.split(course.batch)[:steps // course.epochs]:
            for group in optimizer.param_groups:
                group["lr"] = course.rate_at(step, steps)
            x = images[chosen]
            if course.augmentation != STILL:
                x = augment(x, course.augmentation, generator)
            first, last = training.sharpness
            logits = network(x.to(torch.float32) / 256) * (first + (last - first) * step / steps)
            loss = functional.cross_entropy(logits, labels[chosen],
                                            label_smoothing=course.smoothing)
            loss = loss + sum(layer.reluctance(training.margin) for layer in network.spiking)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), training.clip)
            optimizer.step()
            report(step, steps, float(loss.detach()))
            step += 1
