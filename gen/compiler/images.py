# SPDX-License-Identifier: Apache-2.0
"""Images as the octets that the hardware encodes."""

import numpy as np

__all__ = ["OCTET_BITS", "as_octets"]

OCTET_BITS = 8


def as_octets(images: np.ndarray, shape: tuple[int, int, int], timesteps: int) -> np.ndarray:
    """Return images as uint8[B, H * W * C].

    Parameters
    ----------
    images : ndarray[B, C, H, W] or ndarray[B, H, W]
        uint8; without channels if there is one only. Spikes: ndarray[B, T, C, H, W], 0 or 1, which
        become the bits of octets.
    shape : tuple of int
        Channels, height and width.
    timesteps : int
        0 if these are pixels.

    Raises
    ------
    ValueError
        The images are not of that kind.
    """
    expected = (timesteps, *shape) if timesteps else shape
    if images.ndim == 3 and expected[0] == 1:
        images = images[:, None]
    if images.dtype != np.uint8 or images.shape[1:] != expected or (
            timesteps and images.max(initial=0) > 1):
        raise ValueError(f"images must be uint8[B, {', '.join(map(str, expected))}]"
                         f"{', 0 or 1' if timesteps else ''}, not "
                         f"{images.dtype}{list(images.shape)}")
    if timesteps:
        steps = np.arange(timesteps, dtype=np.uint8)[:, None, None, None]
        images = (images << steps).sum(1, dtype=np.uint8)
    return images.transpose(0, 2, 3, 1).reshape(len(images), -1)
