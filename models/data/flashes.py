# SPDX-License-Identifier: Apache-2.0
"""Handwritten digits as spikes: the brighter a pixel, the more timesteps it spikes at.

The digits of `digits` are averaged two by two to 14x14; at timestep ``t`` and in channel ``c`` a
pixel spikes if it is brighter than ``256 * (2 * t + c + 1) // 9``.
"""

from . import digits, thermometer
from .labelled import LabelledImages

__all__ = ["CHANNELS", "SIDE", "STEPS", "load_test", "load_training"]

SIDE, CHANNELS, STEPS = 14, 2, 4


def _encoded(data: LabelledImages) -> LabelledImages:
    spikes = thermometer.encode(thermometer.shrink(data.images, SIDE), CHANNELS, STEPS)
    return LabelledImages(images=spikes.transpose(0, 1).byte().contiguous(), labels=data.labels)


def load_training() -> tuple[LabelledImages, LabelledImages]:
    """Load the training split (7500 images) and the validation split (500).

    For what is fetched and the errors see `digits.load_training`.

    Returns
    -------
    training, validation : LabelledImages
        uint8[B, STEPS, CHANNELS, SIDE, SIDE], 0 or 1.
    """
    training, validation = map(_encoded, digits.load_training())
    return training, validation


def load_test() -> LabelledImages:
    """Load the test split, 2000 images, as those for training.

    For the errors see `digits.load_test`.
    """
    return _encoded(digits.load_test())
