# SPDX-License-Identifier: Apache-2.0
"""Layers of a network of spike times: what each one holds, checked."""

from dataclasses import dataclass

import torch
from torch import Tensor

from .checks import check_int, check_range, check_table
from .conv import output_size
from .errors import NetworkError
from .ttfs_neuron import KERNELS, Kernel

__all__ = ["IMAGE", "TTFSAdd", "TTFSConcat", "TTFSDelay", "TTFSFirst", "TTFSLayer", "TTFSMinPool",
           "TTFSNeurons", "TTFSSplit"]

IMAGE = "image"  # the source of the first layer
Shape = tuple[int, int, int]


@dataclass(frozen=True, kw_only=True, eq=False)
class TTFSLayer:
    """A layer of any kind.

    Parameters
    ----------
    name : str
        Of the layer; unique in its network.
    sources : tuple of str
        The layers that it reads.
    """

    name: str
    sources: tuple[str, ...]

    COUNT = (1, 1)  # fewest and most sources

    def __post_init__(self) -> None:
        low, high = self.COUNT
        if not low <= len(self.sources) <= high:
            raise NetworkError(f"{self.name}: sources must be {low}..{high}, "
                               f"not {len(self.sources)}")

    def output_shape(self, shapes: list[Shape]) -> Shape:
        """Return channels, height and width of the output from those of the sources.

        Raises
        ------
        GoldenError
            The sources do not fit.
        """
        raise NotImplementedError

    def _check_weight(self, weight: Tensor, low: int) -> None:
        if weight.dtype != torch.int64 or weight.ndim != 4:
            raise NetworkError(f"{self.name}: weight must be int64 of rank 4, not {weight.dtype} "
                               f"of rank {weight.ndim}")
        check_range(f"{self.name}: weight", weight, low, 127)

    def _check_channels(self, weight: Tensor, shape: Shape) -> None:
        if weight.shape[1] != shape[0]:
            raise NetworkError(f"{self.name}: weight must have {shape[0]} input channels, "
                               f"not {weight.shape[1]}")


@dataclass(frozen=True, kw_only=True, eq=False)
class TTFSFirst(TTFSLayer):
    """Convolution of the image, ReLU, max-pool 2; the activation is the spike time.

    Parameters
    ----------
    weight : Tensor[N, C, kh, kw]
        int64, -128..127.
    bias : Tensor[N]
        int64, 32 bits signed.
    shift : int
        Right shift of the sum, floor.
    padding : int
    window : int
        Latest time.
    """

    weight: Tensor
    bias: Tensor
    shift: int
    padding: int
    window: int

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_weight(self.weight, -128)
        check_table(f"{self.name}: bias", self.bias, self.weight.shape[0])
        check_range(f"{self.name}: bias", self.bias, -(1 << 31), (1 << 31) - 1)
        check_int(f"{self.name}: shift", self.shift, 0, 31)
        check_int(f"{self.name}: window", self.window, 0, 65535)

    def output_shape(self, shapes: list[Shape]) -> Shape:
        """Return channels, height and width of the output."""
        self._check_channels(self.weight, shapes[0])
        sides = [output_size(side, kernel, 1, self.padding) // 2
                 for side, kernel in zip(shapes[0][1:], self.weight.shape[2:], strict=True)]
        return self.weight.shape[0], sides[0], sides[1]


@dataclass(frozen=True, kw_only=True, eq=False)
class TTFSNeurons(TTFSLayer):
    """Convolutional layer of neurons; fully connected if the kernel is as large as the map.

    Parameters
    ----------
    weight : Tensor[N, C, kh, kw]
        int64, -127..127.
    stride, padding : int
    kernel : "linear" or "exponential"
    threshold_shift : int
        The threshold is ``2**threshold_shift`` weight units.
    window : int
        Latest time of a spike.
    """

    weight: Tensor
    stride: int = 1
    padding: int = 0
    kernel: Kernel = "linear"
    threshold_shift: int
    window: int

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_weight(self.weight, -127)
        if self.kernel not in KERNELS:
            raise NetworkError(f"{self.name}: kernel must be one of {', '.join(KERNELS)}, "
                               f"not {self.kernel!r}")
        check_int(f"{self.name}: stride", self.stride, 1, 8)
        check_int(f"{self.name}: threshold_shift", self.threshold_shift, 0, 24)
        check_int(f"{self.name}: window", self.window, 1, 65534)

    def output_shape(self, shapes: list[Shape]) -> Shape:
        """Return channels, height and width of the output."""
        self._check_channels(self.weight, shapes[0])
        sides = [output_size(side, kernel, self.stride, self.padding)
                 for side, kernel in zip(shapes[0][1:], self.weight.shape[2:], strict=True)]
        return self.weight.shape[0], sides[0], sides[1]

    @property
    def charge(self) -> int:
        """Largest sum of the magnitudes of one neuron's weights."""
        return int(self.weight.abs().sum((1, 2, 3)).max())


@dataclass(frozen=True, kw_only=True, eq=False)
class TTFSMinPool(TTFSLayer):
    """Earliest spike of each window; padding is silent.

    Parameters
    ----------
    size, stride, padding : int
    """

    size: int = 3
    stride: int = 2
    padding: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        check_int(f"{self.name}: size", self.size, 1, 15)
        check_int(f"{self.name}: stride", self.stride, 1, 8)
        check_int(f"{self.name}: padding", self.padding, 0, 15)

    def output_shape(self, shapes: list[Shape]) -> Shape:
        """Return channels, height and width of the output."""
        channels, *sides = shapes[0]
        height, width = (output_size(side, self.size, self.stride, self.padding)
                         for side in sides)
        return channels, height, width


@dataclass(frozen=True, kw_only=True, eq=False)
class TTFSDelay(TTFSLayer):
    """A delay of each channel, in steps.

    Parameters
    ----------
    delays : Tensor[C]
        int64, at least 0.
    """

    delays: Tensor

    def __post_init__(self) -> None:
        super().__post_init__()
        check_table(f"{self.name}: delays", self.delays, self.delays.numel())
        check_range(f"{self.name}: delays", self.delays, 0, 65535)

    def output_shape(self, shapes: list[Shape]) -> Shape:
        """Return channels, height and width of the output."""
        if len(self.delays) != shapes[0][0]:
            raise NetworkError(f"{self.name}: delays must be {shapes[0][0]}, one for each "
                               f"channel, not {len(self.delays)}")
        return shapes[0]


@dataclass(frozen=True, kw_only=True, eq=False)
class TTFSAdd(TTFSLayer):
    """Sum of the spike times of two layers (addition skip)."""

    COUNT = (2, 2)

    def output_shape(self, shapes: list[Shape]) -> Shape:
        """Return channels, height and width of the output."""
        if shapes[0] != shapes[1]:
            raise NetworkError(f"{self.name}: sources must be of the same shape, "
                               f"not {shapes[0]} and {shapes[1]}")
        return shapes[0]


@dataclass(frozen=True, kw_only=True, eq=False)
class TTFSConcat(TTFSLayer):
    """Channels of several layers behind one another, then shuffled (concatenation skip).

    Parameters
    ----------
    groups : int
        Of the shuffle; 1 for none.
    """

    groups: int = 1

    COUNT = (1, 8)

    def output_shape(self, shapes: list[Shape]) -> Shape:
        """Return channels, height and width of the output."""
        if any(shape[1:] != shapes[0][1:] for shape in shapes):
            raise NetworkError(f"{self.name}: maps of the sources must be of the same size, not "
                               f"{', '.join(f'{shape[1]}x{shape[2]}' for shape in shapes)}")
        channels = sum(shape[0] for shape in shapes)
        check_int(f"{self.name}: groups", self.groups, 1, channels)
        if channels % self.groups:
            raise NetworkError(f"{self.name}: groups must divide the channels ({channels}), "
                               f"not be {self.groups}")
        return channels, *shapes[0][1:]


@dataclass(frozen=True, kw_only=True, eq=False)
class TTFSSplit(TTFSLayer):
    """Some of the channels of a layer.

    Parameters
    ----------
    first, channels : int
        The first of them, and how many.
    """

    first: int
    channels: int

    def output_shape(self, shapes: list[Shape]) -> Shape:
        """Return channels, height and width of the output."""
        check_int(f"{self.name}: first", self.first, 0, shapes[0][0] - 1)
        check_int(f"{self.name}: channels", self.channels, 1, shapes[0][0] - self.first)
        return self.channels, *shapes[0][1:]
