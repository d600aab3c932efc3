# SPDX-License-Identifier: Apache-2.0
"""A digit, a pause, a question: what was seen first must be kept until the end.

A handwritten digit of 28x28 pixels with a dark border of 2 is averaged four by four to 8x8; pixels
of 64 or more are spikes. Of eight steps the first two show the digit, the next four are dark, the
last two show the question: a bar of two rows at the top or at the bottom. Asked at the top, the
class is the digit; at the bottom it is the digit plus five, modulo ten. Digit and question say
nothing about the class by themselves but that it is one of two, and no sum of what each of them
votes for can tell which. Nothing is fetched beyond the images.
"""

import torch
from torch import Tensor
from torch.nn import functional

from . import digits
from .labelled import LabelledImages

__all__ = ["SIDE", "STEPS", "ask", "load_test", "load_training"]

SIDE, STEPS = 8, 8
_SHOWN = 2   # steps that digit and question are there
_BAR = 2     # rows
_BRIGHT = 64


def ask(images: LabelledImages, bottom: Tensor) -> LabelledImages:
    """Show digits, then ask.

    Parameters
    ----------
    images : LabelledImages
        Of 28x28 pixels.
    bottom : Tensor[B]
        bool, the questions.

    Returns
    -------
    LabelledImages
        uint8[B, STEPS, 1, SIDE, SIDE], 0 or 1.
    """
    padded = functional.pad(images.images[:, None].to(torch.float32), (2, 2, 2, 2))
    shown = torch.zeros(len(bottom), STEPS, 1, SIDE, SIDE, dtype=torch.uint8)
    shown[:, :_SHOWN] = (functional.avg_pool2d(padded, 4) >= _BRIGHT)[:, None]
    shown[~bottom, -_SHOWN:, :, :_BAR] = 1
    shown[bottom, -_SHOWN:, :, -_BAR:] = 1
    return LabelledImages(images=shown, labels=(images.labels + 5 * bottom) % 10)


def _asked(images: LabelledImages, seed: int) -> LabelledImages:
    """Ask each digit one question, drawn from a seed."""
    generator = torch.Generator().manual_seed(seed)
    return ask(images, torch.rand(len(images.labels), generator=generator) < 0.5)


def load_training() -> tuple[LabelledImages, LabelledImages]:
    """Ask both questions of the training split (2 times 7500), one of the validation split (500).

    For what is fetched and the errors see `digits.load_training`.
    """
    training, validation = digits.load_training()
    count = len(training.labels)
    both = [ask(training, torch.full((count,), bottom)) for bottom in (False, True)]
    return LabelledImages(images=torch.cat([one.images for one in both]),
                          labels=torch.cat([one.labels for one in both])), _asked(validation, 2)


def load_test() -> LabelledImages:
    """Ask a question of each digit of the test split, 2000 inputs."""
    return _asked(digits.load_test(), 1)
