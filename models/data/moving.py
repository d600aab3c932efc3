# SPDX-License-Identifier: Apache-2.0
"""Moving digits as an event camera sees them: where did pixels brighten, where did they darken?

A handwritten digit, its pixels averaged two by two to 14x14, moves over a dark square of 24x24
with a constant velocity of -2, -1, 0, 1 or 2 pixels a step along each side, not 0 along both. It
is rendered six times; between two renderings, one step apart, a pixel gives an ON event if its
brightness (0..255) rises by 64 or more, and an OFF event if it falls by 64 or more. The class is
the digit. Velocity and start, at which the digit never leaves the square, are drawn at random;
all else follows from the images. Nothing is fetched beyond them.
"""

import torch
from torch import Tensor
from torch.nn import functional

from . import digits
from .labelled import LabelledImages

__all__ = ["SIDE", "STEPS", "load_test", "load_training", "render", "see"]

SIDE, STEPS = 24, 5
_FASTEST = 2
_CONTRAST = 64
_COPIES = 2  # of each training image, each with a motion of its own


def see(frames: Tensor) -> Tensor:
    """Return the events between the frames of an image sequence.

    Parameters
    ----------
    frames : Tensor[B, T + 1, H, W]
        uint8.

    Returns
    -------
    Tensor[B, T, 2, H, W]
        uint8, 0 or 1; ON events, then OFF events.
    """
    change = frames[:, 1:].to(torch.int16) - frames[:, :-1].to(torch.int16)
    return torch.stack([change >= _CONTRAST, change <= -_CONTRAST], 2).to(torch.uint8)


def render(images: Tensor, start: Tensor, velocity: Tensor) -> Tensor:
    """Draw digits at each step of their way.

    Parameters
    ----------
    images : Tensor[B, 28, 28]
        uint8.
    start : Tensor[B, 2]
        int64, row and column of the upper left corner at first.
    velocity : Tensor[B, 2]
        int64, pixels a step.

    Returns
    -------
    Tensor[B, STEPS + 1, SIDE, SIDE]
        uint8.
    """
    small = functional.avg_pool2d(images[:, None].to(torch.float32), 2)[:, 0]
    small = small.round().to(torch.uint8)
    side = small.shape[1]
    frames = torch.zeros(len(images), STEPS + 1, SIDE, SIDE, dtype=torch.uint8)
    for image in range(len(images)):
        for step in range(STEPS + 1):
            row, column = (start[image] + step * velocity[image]).tolist()
            frames[image, step, row:row + side, column:column + side] = small[image]
    return frames


def _moved(images: LabelledImages, seed: int) -> LabelledImages:
    """Return the events of images with motions drawn from a seed."""
    generator = torch.Generator().manual_seed(seed)
    count = len(images.labels)
    ways = torch.tensor([(y, x) for y in range(-_FASTEST, _FASTEST + 1)
                         for x in range(-_FASTEST, _FASTEST + 1) if y or x])
    velocity = ways[torch.randint(len(ways), (count,), generator=generator)]
    first = (-STEPS * velocity).clamp(min=0)
    room = SIDE - images.images.shape[1] // 2 - STEPS * velocity.abs()
    chance = torch.rand(count, 2, generator=generator, dtype=torch.float64)
    start = first + (chance * (room + 1)).to(torch.int64)
    return LabelledImages(images=see(render(images.images, start, velocity)),
                          labels=images.labels)


def load_training() -> tuple[LabelledImages, LabelledImages]:
    """Render the training split (2 times 7500) and the validation split (500).

    For what is fetched and the errors see `digits.load_training`.
    """
    training, validation = digits.load_training()
    copies = [_moved(training, seed) for seed in range(3, 3 + _COPIES)]
    return LabelledImages(images=torch.cat([copy.images for copy in copies]),
                          labels=torch.cat([copy.labels for copy in copies])), _moved(
        validation, 2)


def load_test() -> LabelledImages:
    """Render the test split, 2000 inputs, from the digits that are committed."""
    return _moved(digits.load_test(), 1)
