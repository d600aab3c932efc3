# SPDX-License-Identifier: Apache-2.0
"""Trainable networks of neurons that spike once, with and without skip connections.

The four networks of Y. Kim et al., "Rethinking skip connections in spiking neural networks with
time-to-first-spike coding" (2023): the activations of a convolution that does not spike *are*
the times of the first spikes; two stages follow, each of two spiking convolutions that halve
the size, and a linear layer, whose earliest spike decides.

With a resolution the whole network computes on the grid of the integer one, see `ttfs_grid`: the
first convolution too has 8-bit weights, with the norm's factors and its stored statistics in
them, delays are whole steps, and the lowest of the classes that fire first is the highest score.
"""

from dataclasses import dataclass
from typing import Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..golden.layer import PIXEL_BITS
from .ttfs_grid import eight_bits, power_of_two, rounded, steps_per_tau
from .ttfs_neuron import FirstSpikeLayer, Kernel, min_pool

__all__ = ["LONGEST_DELAY", "FirstSpikeNetwork", "FirstSpikeShape", "Skip", "channel_shuffle"]

Skip = Literal["none", "addition", "concatenation"]

_GROUPS = 2      # of the channel shuffle
LONGEST_DELAY = 31 / 16  # 5 bits at 16 steps in a time constant


@dataclass(frozen=True, kw_only=True)
class FirstSpikeShape:
    """Shape of a network; times in units of the time constant.

    With ``concatenation`` the first convolution has twice the channels, half of which skip.
    """

    skip: Skip
    delay: bool = False            # whether skips of a concatenation have learnable delays
    kernel: Kernel = "exponential"
    width: int = 8                # channels of the first stage; the second has twice as many
    side: int = 28                 # of the images
    classes: int = 10
    gain: float = 3.0              # see `FirstSpikeLayer`
    jitter: float = 1 / 16         # see `FirstSpikeLayer`
    windows: tuple[float, float, float] = (6.0, 6.0, 6.0)  # of both stages, of the linear layer

    @property
    def sides(self) -> tuple[int, int, int]:
        """Sides of the maps behind the first convolution and behind both stages."""
        pooled = self.side // 2
        return pooled, -(-pooled // 2), -(-pooled // 4)

    @property
    def features(self) -> int:
        """Channels that the linear layer reads."""
        return self.width * (3 if self.skip == "concatenation" else 2)


class FirstSpikeNetwork(nn.Module):
    """Network of neurons that spike once.

    Parameters
    ----------
    shape : FirstSpikeShape

    Attributes
    ----------
    resolution : int or None
        ``tau_shift`` of the integer network that this one computes like; None, at first, for
        continuous times and exact weights, the form of the paper.
    """

    def __init__(self, shape: FirstSpikeShape):
        super().__init__()
        self.shape = shape
        width, concatenates = shape.width, shape.skip == "concatenation"
        first = width * (2 if concatenates else 1)
        self.stem = nn.Conv2d(1, first, 5, padding=2, bias=False)
        self.stem.weight.data = self.stem.weight.data.contiguous(
            memory_format=torch.channels_last)
        self.norm = nn.BatchNorm2d(first)
        stages = ((width, width, 2, 0), (width, width, 1, 0),
                  (width, 2 * width, 2, 1), (2 * width, 2 * width, 1, 1))
        self.convolutions = nn.ModuleList([
            FirstSpikeLayer(inputs, outputs, 3, stride=stride, padding=1, kernel=shape.kernel,
                      window=shape.windows[stage], gain=shape.gain, jitter=shape.jitter)
            for inputs, outputs, stride, stage in stages])
        self.linear = FirstSpikeLayer(shape.features, shape.classes, shape.sides[2],
                                kernel=shape.kernel, window=shape.windows[2], gain=shape.gain,
                                      jitter=shape.jitter, patient=True)
        self.delays = nn.ParameterList(
            [nn.Parameter(torch.full((width,), 0.5)) for _ in range(2 * shape.delay)])

    @property
    def resolution(self) -> int | None:
        """Resolution of time of all layers."""
        return self.linear.resolution

    @resolution.setter
    def resolution(self, resolution: int | None) -> None:
        for layer in self.spiking:
            layer.resolution = resolution

    @property
    def spiking(self) -> list[FirstSpikeLayer]:
        """The layers of spiking neurons, in order."""
        return [cast(FirstSpikeLayer, layer) for layer in (*self.convolutions, self.linear)]

    def forward(self, images: Tensor) -> Tensor:
        """Return scores, the negative times of the output spikes.

        Parameters
        ----------
        images : Tensor[B, H, W]
            Pixels in units of 1/256.

        Returns
        -------
        Tensor[B, classes]
        """
        scores = -self.times(images)["linear"]
        return scores if self.resolution is not None else scores.clamp(min=-self.shape.windows[2])

    def times(self, images: Tensor) -> dict[str, Tensor]:
        """Return the spike times, infinite for never, of each layer and skip.

        Parameters
        ----------
        images : Tensor[B, H, W]

        Returns
        -------
        dict
            Tensor[B, C, H, W] by name; ``linear`` is Tensor[B, classes], its window for never,
            or with a resolution the step behind it.
        """
        seen = {"stem": self._encode(images)}
        stage = getattr(self, f"_{self.shape.skip}")
        x = stage(seen["stem"], 1, seen)
        x = stage(x, 2, seen)
        seen["linear"] = self.linear(x).flatten(1)
        return seen

    def _encode(self, images: Tensor) -> Tensor:
        """Pool before the norm, whose factor is held positive: the same, and less work."""
        if self.resolution is not None:
            return self._encode_steps(images, steps_per_tau(self.shape.kernel, self.resolution))
        x = images[:, None].contiguous(memory_format=torch.channels_last)
        x = functional.max_pool2d(self.stem(x), 2)
        norm = self.norm
        x = functional.batch_norm(x, norm.running_mean, norm.running_var, norm.weight.abs(),
                                  norm.bias, self.training, cast(float, norm.momentum), norm.eps)
        return x.contiguous().clamp(0, self.shape.windows[0])

    def _encode_steps(self, images: Tensor, steps: float) -> Tensor:
        weight, bias = self.folded(steps)
        weight, bias = eight_bits(weight), rounded(bias, 0.5 ** power_of_two(weight))
        pixels = images[:, None] * (1 << PIXEL_BITS)
        x = functional.max_pool2d(functional.conv2d(pixels, weight, padding=2), 2)
        x = rounded(x + bias[:, None, None], floor=True)
        return x.clamp(0, round(self.shape.windows[0] * steps)) / steps

    def folded(self, steps: float) -> tuple[Tensor, Tensor]:
        """Return weights and bias that make steps from whole pixels, the norm in them.

        Parameters
        ----------
        steps : float
            In a time constant.
        """
        norm = self.norm
        mean, variance = cast(Tensor, norm.running_mean), cast(Tensor, norm.running_var)
        factor = norm.weight.abs() / (variance + norm.eps).sqrt() * steps
        weight = self.stem.weight * (factor / (1 << PIXEL_BITS))[:, None, None, None]
        return weight, norm.bias * steps - mean * factor + 0.5  # half: the floor rounds

    def _none(self, x: Tensor, stage: int, seen: dict[str, Tensor]) -> Tensor:
        for number in (2 * stage, 2 * stage + 1):
            x = seen[f"conv{number}"] = self.convolutions[number - 2](x)
        return x

    def _addition(self, x: Tensor, stage: int, seen: dict[str, Tensor]) -> Tensor:
        skip = seen[f"skip{stage}"] = min_pool(x)
        x = self._none(x, stage, seen)
        seen[f"sum{stage}"] = x = x + skip.repeat(1, x.shape[1] // skip.shape[1], 1, 1)
        return x

    def _concatenation(self, x: Tensor, stage: int, seen: dict[str, Tensor]) -> Tensor:
        straight, x = x.chunk(2, dim=1)
        skip = min_pool(straight)
        if self.shape.delay:
            delay = self.delay(stage)
            if self.resolution is not None:
                delay = rounded(delay, 1 / steps_per_tau(self.shape.kernel, self.resolution))
            skip = skip + delay[:, None, None]
        seen[f"skip{stage}"] = skip
        return channel_shuffle(torch.cat([skip, self._none(x, stage, seen)], 1))

    def delay(self, stage: int) -> Tensor:
        """Delay of each channel of a skip."""
        return self.delays[stage - 1].clamp(0, LONGEST_DELAY)


def channel_shuffle(x: Tensor) -> Tensor:
    """Interleave both halves of the channels, Tensor[B, C, H, W]."""
    return x.unflatten(1, (_GROUPS, -1)).transpose(1, 2).flatten(1, 2)
