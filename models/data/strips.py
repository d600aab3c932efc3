# SPDX-License-Identifier: Apache-2.0
"""Digits in strips: two rows of an image at a time, the others dark.

A handwritten digit of 28x28 pixels with a dark border of 2 is averaged two by two to 16x16; pixels
of 64 or more are spikes. Step ``t`` of eight shows rows ``2t`` and ``2t + 1``, at their place. A
strip alone is not a digit: what is seen at different steps must be brought together. Nothing is
fetched beyond the images.
"""

import torch
from torch import Tensor
from torch.nn import functional

from . import digits
from .labelled import LabelledImages

__all__ = ["SIDE", "STEPS", "cut", "load_test", "load_training"]

SIDE, STEPS = 16, 8
_BRIGHT = 64


def cut(images: Tensor) -> Tensor:
    """Cut images into strips, one for each step.

    Parameters
    ----------
    images : Tensor[B, 28, 28]
        uint8.

    Returns
    -------
    Tensor[B, STEPS, 1, SIDE, SIDE]
        uint8, 0 or 1.
    """
    padded = functional.pad(images[:, None].to(torch.float32), (2, 2, 2, 2))
    bright = functional.avg_pool2d(padded, 2) >= _BRIGHT
    shown = torch.arange(SIDE) // (SIDE // STEPS) == torch.arange(STEPS)[:, None]
    return (bright[:, None] & shown[None, :, None, :, None]).to(torch.uint8)


def _cut(images: LabelledImages) -> LabelledImages:
    return LabelledImages(images=cut(images.images), labels=images.labels)


def load_training() -> tuple[LabelledImages, LabelledImages]:
    """Cut the training split (7500 images) and the validation split (500).

    For what is fetched and the errors see `digits.load_training`.
    """
    training, validation = digits.load_training()
    return _cut(training), _cut(validation)


def load_test() -> LabelledImages:
    """Cut the test split, 2000 images."""
    return _cut(digits.load_test())
