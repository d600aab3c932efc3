# SPDX-License-Identifier: Apache-2.0
"""Images as sequences: a quarter of the image at each of four timesteps, as spikes."""

import torch

from .labelled import LabelledImages

__all__ = ["TIMESTEPS", "look"]

TIMESTEPS = 4
_BRIGHT = 128


def look(images: LabelledImages) -> LabelledImages:
    """Return the quarters, above left, above right, below left, below right, one after another.

    Parameters
    ----------
    images : LabelledImages
        Of even height and width.

    Returns
    -------
    LabelledImages
        uint8[B, TIMESTEPS, 1, H / 2, W / 2], 1 where a pixel is 128 or more.
    """
    bright = (images.images >= _BRIGHT).to(torch.uint8)
    quarters = [part for half in bright.chunk(2, 1) for part in half.chunk(2, 2)]
    return LabelledImages(images=torch.stack(quarters, 1)[:, :, None], labels=images.labels)
