# SPDX-License-Identifier: Apache-2.0
"""Small images as spikes: each channel and timestep compares the pixel with its own threshold."""

import torch
from torch import Tensor

__all__ = ["encode", "shrink"]


def shrink(images: Tensor, side: int = 8) -> Tensor:
    """Return the means of square fields in the middle of images.

    Parameters
    ----------
    images : Tensor[B, H, W]
        uint8.
    side : int
        Fields along a side; what is left over at the border is cut off.

    Returns
    -------
    Tensor[B, side, side]
        uint8, rounded down.
    """
    field = min(images.shape[1:]) // side
    top, left = ((size - field * side) // 2 for size in images.shape[1:])
    middle = images[:, top:top + field * side, left:left + field * side].to(torch.int64)
    fields = middle.unflatten(2, (side, field)).unflatten(1, (side, field))
    return (fields.sum((2, 4)) // field ** 2).to(torch.uint8)


def encode(images: Tensor, channels: int, timesteps: int) -> Tensor:
    """Return spikes where a pixel is brighter than a threshold.

    The thresholds are evenly spaced: ``256 * (t * channels + c + 1) // (channels * timesteps + 1)``
    for channel ``c`` at timestep ``t``.

    Parameters
    ----------
    images : Tensor[B, H, W]
        uint8.
    channels, timesteps : int

    Returns
    -------
    Tensor[T, B, C, H, W]
        bool.
    """
    count = channels * timesteps
    thresholds = 256 * torch.arange(1, count + 1) // (count + 1)
    return images[None, :, None] > thresholds.view(timesteps, 1, channels, 1, 1)
