# SPDX-License-Identifier: Apache-2.0
"""One input of a layer: which map it reads, through which kernel."""

from dataclasses import dataclass

import torch
from torch import Tensor

from .checks import check_int, check_signed
from .conv import lower, output_size, weight_matrix
from .errors import NetworkError

__all__ = ["IMAGE", "SOURCES", "MapReader", "Source", "check_sources"]

IMAGE = "image"  # name of the network's input
SOURCES = 2      # most inputs of a layer


@dataclass(frozen=True)
class MapReader:
    """What a layer takes a map for.

    Parameters
    ----------
    input : str
        Name of the layer that is read, or ``"image"``.
    inputs : tuple of int
        Channels, height and width.
    bits : int
        Of integers; 0 for spikes.
    signed : bool
        Whether the integers are two's complement.
    """

    input: str
    inputs: tuple[int, int, int]
    bits: int = 0
    signed: bool = False


@dataclass(frozen=True, kw_only=True, eq=False)
class Source:
    """A convolution over the output of one layer; its products add to the layer's partial sums.

    A linear layer is a convolution whose kernel covers the map. A shortcut of spikes is a
    kernel of 1x1 with one power of two for each channel (``groups`` equal to the channels).

    Parameters
    ----------
    input : str
        Name of the layer that is read, or ``"image"``.
    weight : Tensor[N, C / groups, kh, kw]
        int64, signed.
    height, width : int
        Of the input's maps.
    stride : int
        Of the convolution, in pixels of the pooled map.
    padding : tuple of int
        Silent rows above and below, silent columns left and right, in the same pixels.
    sum_pool : int
        Side ``p`` of the windows whose integer sum the kernel reads, 1 for single pixels. This
        is average pooling but for its divisor, which weights and threshold take in.
    groups : int
        Output channels of a group read the input channels of the same group only.

    Raises
    ------
    GoldenError
        If a field does not fit.
    """

    input: str
    weight: Tensor
    height: int
    width: int
    stride: int = 1
    padding: tuple[int, int] = (0, 0)
    sum_pool: int = 1
    groups: int = 1

    def __post_init__(self) -> None:
        for field, low, high in (("height", 1, 4096), ("width", 1, 4096), ("stride", 1, 255),
                                 ("sum_pool", 1, 255), ("groups", 1, 1 << 16)):
            check_int(f"{self._place}: {field}", getattr(self, field), low, high)
        if len(self.padding) != 2:
            raise NetworkError(f"{self._place}: padding must be two numbers, "
                               f"not {self.padding!r}")
        for pixels in self.padding:
            check_int(f"{self._place}: padding", pixels, 0, 255)
        if self.weight.dtype != torch.int64 or self.weight.ndim != 4 or not self.weight.numel():
            raise NetworkError(f"{self._place}: weight must be int64 of rank 4, not "
                               f"{self.weight.dtype} of shape {tuple(self.weight.shape)}")
        if self.weight.shape[0] % self.groups:
            raise NetworkError(f"{self._place}: groups must divide the output channels "
                               f"({self.weight.shape[0]}), not be {self.groups}")
        for field in ("height", "width"):
            if getattr(self, field) % self.sum_pool:
                raise NetworkError(f"{self._place}: {field} must be a multiple of sum_pool "
                                   f"({self.sum_pool}), not {getattr(self, field)}")
        _ = self.maps  # the kernel must fit

    @property
    def _place(self) -> str:
        return f"source {self.input}"

    @property
    def inputs(self) -> tuple[int, int, int]:
        """Channels, height and width of the input."""
        return self.weight.shape[1] * self.groups, self.height, self.width

    @property
    def kernel(self) -> tuple[int, int]:
        """Height and width of the kernel in pixels of the input, pooling included."""
        return (self.weight.shape[2] * self.sum_pool, self.weight.shape[3] * self.sum_pool)

    @property
    def pixel_stride(self) -> int:
        """Stride in pixels of the input."""
        return self.stride * self.sum_pool

    @property
    def pixel_padding(self) -> tuple[int, int]:
        """Padding (top, left) in pixels of the input."""
        return self.padding[0] * self.sum_pool, self.padding[1] * self.sum_pool

    @property
    def row_length(self) -> int:
        """Positions that this source adds to a row: pixels of the kernel times channels."""
        return self.kernel[0] * self.kernel[1] * self.inputs[0]

    @property
    def maps(self) -> tuple[int, int]:
        """Height and width of the output."""
        height, width = (
            output_size(side // self.sum_pool, kernel, self.stride, padding)
            for side, kernel, padding in zip((self.height, self.width), self.weight.shape[2:],
                                             self.padding, strict=True))
        return height, width

    @property
    def outputs(self) -> tuple[int, int, int]:
        """Channels, height and width of the output."""
        return self.weight.shape[0], *self.maps

    @property
    def dense_weight(self) -> Tensor:
        """Weights without groups and pooling, int64[N, C, kernel height, kernel width].

        A convolution of the input with them, `pixel_stride` and `pixel_padding`, is the same.
        """
        outputs, inputs = self.weight.shape[0] // self.groups, self.weight.shape[1]
        dense = self.weight.new_zeros(self.weight.shape[0], self.inputs[0],
                                      *self.weight.shape[2:])
        for group in range(self.groups):
            rows = slice(group * outputs, (group + 1) * outputs)
            dense[rows, group * inputs:(group + 1) * inputs] = self.weight[rows]
        return dense.repeat_interleave(self.sum_pool, 2).repeat_interleave(self.sum_pool, 3)

    def rows(self, maps: Tensor) -> Tensor:
        """Gather the rows of the matrix product.

        Parameters
        ----------
        maps : Tensor[T, B, C, H, W]
            Spikes or integers.

        Returns
        -------
        Tensor[T, M, K]
            Of the input's type; ``M`` in the order (batch, y, x), ``K`` in the order
            (ky, kx, channel).

        Raises
        ------
        NetworkError
            If the input is not of the source's shape.
        """
        if maps.ndim != 5 or tuple(maps.shape[2:]) != self.inputs:
            raise NetworkError(f"{self._place}: input must be of shape [T, B, "
                               f"{', '.join(map(str, self.inputs))}], not {list(maps.shape)}")
        return lower(maps, self.kernel, self.pixel_stride, self.pixel_padding)

    def weight_matrix(self) -> Tensor:
        """Arrange the dense weights as int64[K, N], in the order of `rows`."""
        return weight_matrix(self.dense_weight)


def check_sources(name: str, sources: tuple[Source, ...], weight_bits: int) -> None:
    """Raise `GoldenError` unless a layer can have these sources.

    Parameters
    ----------
    name : str
        Of the layer.
    sources : tuple of Source
    weight_bits : int
        That each signed weight must fit.
    """
    if not 1 <= len(sources) <= SOURCES:
        raise NetworkError(f"{name}: sources must be 1..{SOURCES}, not {len(sources)}")
    first = sources[0]
    for source in sources:
        if source.outputs != first.outputs:
            raise NetworkError(f"{name}: outputs of source {source.input} must be "
                               f"{first.outputs}, as of {first.input}, not {source.outputs}")
        check_signed(f"{name}: weight of source {source.input}", source.weight, weight_bits)
