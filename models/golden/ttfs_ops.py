# SPDX-License-Identifier: Apache-2.0
"""Operations on spike times besides the neurons: first layer, pooling, delays, skips, decision.

A time word is an integer; ``silent``, the largest, means never.
"""

import torch
from torch import Tensor

from .checks import check_int, check_integers, check_range, check_rank
from .conv import lift, lower, output_size, weight_matrix
from .errors import GoldenError

__all__ = ["add_times", "channel_shuffle", "decide", "delay", "first_layer", "min_pool"]


def first_layer(images: Tensor, weight: Tensor, bias: Tensor, *, shift: int, padding: int,
                window: int) -> Tensor:
    """Turn images into spike times: the larger the activation, the later the spike.

    ``time = min(max_pool(relu((conv(image) + bias) >> shift)), window)``; ``>>`` is the
    arithmetic shift (floor), the pooling is 2x2 and leaves out what does not fit, the
    convolution has stride 1, and padding is 0.

    Parameters
    ----------
    images : Tensor[B, C, H, W]
        Integers, 0..255.
    weight : Tensor[N, C, kh, kw]
        Integers, -128..127.
    bias : Tensor[N]
        Integers, 32 bits signed.
    shift : int
        0..31.
    padding : int
    window : int
        Latest time.

    Returns
    -------
    Tensor[B, N, H', W']
        int64, 0..window.

    Raises
    ------
    GoldenError
        If an operand is out of range or the kernel does not fit.
    """
    check_rank("images", images, 4)
    check_rank("weight", weight, 4)
    images, weight = check_integers("images", images), check_integers("weight", weight)
    bias = check_integers("bias", bias)
    check_range("images", images, 0, 255)
    check_range("weight", weight, -128, 127)
    check_range("bias", bias, -(1 << 31), (1 << 31) - 1)
    check_int("shift", shift, 0, 31)
    size = (weight.shape[2], weight.shape[3])
    sides = [output_size(images.shape[2 + axis], size[axis], 1, padding) for axis in (0, 1)]
    rows = lower(images[None].to(torch.float64), size, 1, padding)
    sums = (rows @ weight_matrix(weight).to(torch.float64)).to(torch.int64) + bias
    maps = lift(sums >> shift, len(images), *sides)[0].clamp(0, window)
    height, width = (side // 2 for side in sides)
    maps = maps[:, :, :2 * height, :2 * width]
    return maps.unflatten(3, (width, 2)).unflatten(2, (height, 2)).amax((3, 5))


def min_pool(times: Tensor, size: int, stride: int, padding: int, silent: int) -> Tensor:
    """Return the earliest spike of each window; padding is silent.

    Parameters
    ----------
    times : Tensor[B, C, H, W]
        Integers, 0..silent.
    size, stride, padding : int
        Of the windows.
    silent : int

    Returns
    -------
    Tensor[B, C, H', W']
        int64.
    """
    check_rank("times", times, 4)
    times = check_integers("times", times)
    check_range("times", times, 0, silent)
    height, width = (output_size(side, size, stride, padding) for side in times.shape[2:])
    padded = torch.nn.functional.pad(times, [padding] * 4, value=silent)
    pooled = torch.full((*times.shape[:2], height, width), silent, dtype=torch.int64)
    for y in range(size):
        for x in range(size):
            pooled = torch.minimum(pooled, padded[..., y:y + (height - 1) * stride + 1:stride,
                                                  x:x + (width - 1) * stride + 1:stride])
    return pooled


def delay(times: Tensor, delays: Tensor, silent: int) -> Tensor:
    """Delay each channel; what would come at ``silent`` or later never comes.

    Parameters
    ----------
    times : Tensor[B, C, H, W]
        Integers, 0..silent.
    delays : Tensor[C]
        Integers, at least 0.
    silent : int

    Returns
    -------
    Tensor[B, C, H, W]
        int64.
    """
    check_rank("times", times, 4)
    times, delays = check_integers("times", times), check_integers("delays", delays)
    check_range("times", times, 0, silent)
    if delays.shape != times.shape[1:2]:
        raise GoldenError(f"delays must be of shape ({times.shape[1]},), one for each channel, "
                          f"not {tuple(delays.shape)}")
    check_range("delays", delays, 0, silent)
    return (times + delays[:, None, None]).clamp(max=silent)


def add_times(one: Tensor, other: Tensor, silent: int) -> Tensor:
    """Add spike times; a sum of ``silent`` or more never comes.

    Parameters
    ----------
    one, other : Tensor
        Integers, 0..silent, of the same shape.
    silent : int

    Returns
    -------
    Tensor
        int64.
    """
    one, other = check_integers("one", one), check_integers("other", other)
    for name, times in (("one", one), ("other", other)):
        check_range(name, times, 0, silent)
    if one.shape != other.shape:
        raise GoldenError(f"times to add must be of shape {tuple(one.shape)}, "
                          f"not {tuple(other.shape)}")
    return (one + other).clamp(max=silent)


def channel_shuffle(times: Tensor, groups: int) -> Tensor:
    """Interleave the channels of ``groups`` equal parts; 1 leaves them as they are.

    Channel ``i`` of part ``g`` becomes channel ``i * groups + g``.

    Parameters
    ----------
    times : Tensor[B, C, H, W]
    groups : int
        Divides ``C``.

    Returns
    -------
    Tensor[B, C, H, W]
    """
    check_rank("times", times, 4)
    channels = times.shape[1]
    check_int("groups", groups, 1, channels)
    if channels % groups:
        raise GoldenError(f"groups must divide the channels ({channels}), not be {groups}")
    return times.unflatten(1, (groups, channels // groups)).transpose(1, 2).flatten(1, 2)


def decide(times: Tensor, silent: int) -> tuple[Tensor, Tensor]:
    """Return the class that fires first, the lowest of those that fire together.

    Parameters
    ----------
    times : Tensor[B, N]
        Integers, 0..silent.
    silent : int

    Returns
    -------
    classes : Tensor[B]
        int64; 0 where none fires.
    times : Tensor[B]
        int64; of the first spike, ``silent`` where none fires: undecided.
    """
    check_rank("times", times, 2)
    times = check_integers("times", times)
    check_range("times", times, 0, silent)
    first = times.amin(1)
    numbers = torch.arange(times.shape[1]).expand_as(times)
    return numbers.masked_fill(times != first[:, None], times.shape[1]).amin(1), first
