# SPDX-License-Identifier: Apache-2.0
"""Max pooling of spikes: the OR over the window (LoAS, section 1.5)."""

import torch
from torch import Tensor

from .checks import check_bits, check_int
from .errors import GoldenError

__all__ = ["max_pool"]


def max_pool(spikes: Tensor, size: int, stride: int | None = None) -> Tensor:
    """Pool spikes: an output is 1 if any spike of its window is 1.

    Windows that do not fit are left out (floor mode).

    Parameters
    ----------
    spikes : Tensor[..., H, W]
        0 or 1.
    size : int
        Side of the window, at least 1 and at most ``H`` and ``W``.
    stride : int, optional
        Distance between windows; ``size`` if not given.

    Returns
    -------
    Tensor[..., H', W']
        bool, with ``H' = (H - size) // stride + 1``.

    Raises
    ------
    GoldenError
        If the window does not fit or a spike is neither 0 nor 1.
    """
    bits = check_bits("spikes", spikes)
    if bits.ndim < 2:
        raise GoldenError(f"spikes must be of shape [..., H, W], not {tuple(bits.shape)}")
    check_int("size", size, 1, min(bits.shape[-2:]))
    step = size if stride is None else stride
    check_int("stride", step, 1, max(bits.shape[-2:]))
    height, width = ((side - size) // step + 1 for side in bits.shape[-2:])
    pooled = torch.zeros(*bits.shape[:-2], height, width, dtype=torch.bool)
    for y in range(size):
        for x in range(size):
            pooled |= bits[..., y:y + (height - 1) * step + 1:step,
                           x:x + (width - 1) * step + 1:step]
    return pooled
