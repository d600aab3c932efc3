# SPDX-License-Identifier: Apache-2.0
"""Images as sequences: a quarter of the image at each of four timesteps, as events."""

from torch import Tensor

from .labelled import LabelledImages

__all__ = ["TIMESTEPS", "look"]

TIMESTEPS = 4
_THRESHOLD = 128  # a brighter pixel is an event


def look(images: LabelledImages) -> LabelledImages:
    """Return the quarters, above left, above right, below left, below right, one after another.

    Parameters
    ----------
    images : LabelledImages
        Of even height and width.

    Returns
    -------
    LabelledImages
        Of half the height and width; bit ``t`` of a pixel tells whether that pixel of quarter
        ``t`` is bright.
    """
    bright = (images.images >= _THRESHOLD).to(images.images.dtype)
    quarters: list[Tensor] = [part for half in bright.chunk(2, 1) for part in half.chunk(2, 2)]
    packed = quarters[0].clone()
    for step, quarter in enumerate(quarters[1:], 1):
        packed |= quarter << step
    return LabelledImages(images=packed, labels=images.labels)
