# SPDX-License-Identifier: Apache-2.0
"""Images as tokens: square patches, one token each."""

import torch

from .labelled import LabelledImages
from .recall import LabelledTokens

__all__ = ["cut"]


def cut(images: LabelledImages, side: int = 7) -> LabelledTokens:
    """Cut images into patches, row by row; pixels lose their lowest bit.

    Parameters
    ----------
    images : LabelledImages
    side : int
        Of a patch, in pixels; divides height and width.
    """
    rows = images.images.unfold(1, side, side).unfold(2, side, side)
    tokens = rows.flatten(1, 2).flatten(2).to(torch.int64) >> 1  # to 0..127
    return LabelledTokens(tokens=tokens, labels=images.labels)
