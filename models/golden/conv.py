# SPDX-License-Identifier: Apache-2.0
"""Lowering of a convolution to a matrix product, without arithmetic (LoAS, section 1.1)."""

import torch
from torch import Tensor

from .checks import check_int, check_rank
from .errors import GoldenError

__all__ = ["lift", "lower", "output_size", "weight_matrix"]


def output_size(size: int, kernel: int, stride: int, padding: int) -> int:
    """Return the outputs of a convolution along one side.

    Raises
    ------
    GoldenError
        If an operand is out of range or the kernel does not fit the padded input.
    """
    check_int("padding", padding, 0, 255)
    check_int("stride", stride, 1, 255)
    check_int("kernel", kernel, 1, size + 2 * padding)
    return (size + 2 * padding - kernel) // stride + 1


def lower(spikes: Tensor, kernel: int | tuple[int, int], stride: int,
          padding: int | tuple[int, int]) -> Tensor:
    """Gather the input of each output position as one row.

    Rows are ordered (batch, y, x), the positions of a row (ky, kx, channel), so that a row is
    the pixel fibers under the kernel behind one another.

    Parameters
    ----------
    spikes : Tensor[T, B, C, H, W]
        Any type; padding is 0.
    kernel : int or tuple of int
        Height and width; one number if they are the same.
    stride : int
        The same along both sides.
    padding : int or tuple of int
        Above and below, left and right; one number if they are the same.

    Returns
    -------
    Tensor[T, M, K]
        Of the input's type; ``M = B * H' * W'``, ``K = kh * kw * C``.

    Raises
    ------
    GoldenError
        If the kernel does not fit.
    """
    check_rank("spikes", spikes, 5)
    steps, batch, channels, height, width = spikes.shape
    kh, kw = (kernel, kernel) if isinstance(kernel, int) else kernel
    top, left = (padding, padding) if isinstance(padding, int) else padding
    rows, columns = output_size(height, kh, stride, top), output_size(width, kw, stride, left)
    padded = spikes.new_zeros(steps, batch, height + 2 * top, width + 2 * left, channels)
    padded[:, :, top:top + height, left:left + width] = spikes.movedim(2, 4)
    taps = [padded[:, :, ky:ky + (rows - 1) * stride + 1:stride,
                   kx:kx + (columns - 1) * stride + 1:stride]
            for ky in range(kh) for kx in range(kw)]
    return torch.stack(taps, 4).reshape(steps, batch * rows * columns, -1)


def lift(out: Tensor, batch: int, height: int, width: int) -> Tensor:
    """Arrange the rows of a matrix product as feature maps.

    Parameters
    ----------
    out : Tensor[T, M, N]
        Any type, rows in the order of `lower`.
    batch, height, width : int
        Images, and the size of a feature map; their product is ``M``.

    Returns
    -------
    Tensor[T, B, N, H, W]
        Of the input's type.

    Raises
    ------
    GoldenError
        If the product is not ``M``.
    """
    check_rank("out", out, 3)
    steps, rows, channels = out.shape
    if batch * height * width != rows:
        raise GoldenError(f"batch * height * width must be {rows}, not "
                          f"{batch} * {height} * {width}")
    return out.reshape(steps, batch, height, width, channels).movedim(4, 2)


def weight_matrix(weight: Tensor) -> Tensor:
    """Arrange the weights of a convolution as a matrix, in the row order of `lower`.

    Parameters
    ----------
    weight : Tensor[N, C, kh, kw]
        Any type.

    Returns
    -------
    Tensor[K, N]
        ``K = kh * kw * C`` in the order (ky, kx, channel).
    """
    check_rank("weight", weight, 4)
    return weight.permute(2, 3, 1, 0).reshape(-1, weight.shape[0])
