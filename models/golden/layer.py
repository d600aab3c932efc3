# SPDX-License-Identifier: Apache-2.0
"""Layers of an integer network: matrix products, attention, pooling of residuals."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from .attention import attention, attention_bits
from .checks import check_int, check_range, integer_limits
from .conv import lift, lower
from .crossbar_layer import CrossbarLayer
from .errors import NetworkError
from .ftp_array import exact_matmul, ftp_matmul
from .psum_layer import OUTPUTS, PsumLayer
from .residual_pool import POOLS, pool_bits, pool_maps, residual_pool
from .source import IMAGE, MapReader, Source, check_sources

__all__ = ["IMAGE", "OUTPUTS", "PIXEL_BITS", "AttentionLayer", "IntegerLayer", "PoolLayer",
           "PsumLayer", "Source"]

PIXEL_BITS = 8  # of an image's unsigned integers


@dataclass(frozen=True, kw_only=True, eq=False)
class IntegerLayer(PsumLayer):
    """Matrix product of integers over one or two inputs, and what follows it.

    Parameters
    ----------
    sources : tuple of Source
        One or two; all of them give maps of the same size and channels.
    weight_bits : int
        2..8.
    input_bits : int
        0 if the sources are spikes, else the bits of their integers, 1..16; images have 8. The
        integers are the same at each timestep (direct encoding).
    input_signed : bool
        Whether those integers are two's complement.
    crossbars : CrossbarLayer or None
        Cells that hold the weights as a device would, in place of the exact product.
    **fields
        Of `PsumLayer`; the partial sum is over all sources.

    Raises
    ------
    GoldenError
        If a field does not fit; the message names layer and field.
    """

    sources: tuple[Source, ...]
    weight_bits: int = 8
    input_bits: int = 0
    input_signed: bool = False
    crossbars: CrossbarLayer | None = None

    def _check_operands(self) -> None:
        for field, low, high in (("weight_bits", 2, 8), ("input_bits", 0, 16)):
            check_int(f"{self.name}: {field}", getattr(self, field), low, high)
        check_sources(self.name, self.sources, self.weight_bits)
        if self.crossbars is not None:
            self.crossbars.check(self.name, self.row_length, self.channels)

    @property
    def readers(self) -> tuple[MapReader, ...]:
        """Maps that are read, one for each source."""
        return tuple(MapReader(source.input, source.inputs, self.input_bits, self.input_signed)
                     for source in self.sources)

    @property
    def channels(self) -> int:
        """Output channels, ``N``."""
        return self.sources[0].weight.shape[0]

    @property
    def row_length(self) -> int:
        """Positions of a row, ``K``, over all sources."""
        return sum(source.row_length for source in self.sources)

    @property
    def psum_bits(self) -> int:
        """Width of a signed partial sum that no input can overflow."""
        return self.weight_bits + (self.row_length - 1).bit_length() + self.input_bits

    @property
    def zeros(self) -> int:
        """Weights that are zero."""
        return sum(int((source.weight == 0).sum()) for source in self.sources)

    @property
    def weights(self) -> int:
        """Number of weights; those between groups, which are always zero, do not count."""
        return sum(source.weight.numel() for source in self.sources)

    @property
    def sparsity(self) -> float:
        """Share of the weights that are zero."""
        return self.zeros / self.weights

    @property
    def maps(self) -> tuple[int, int]:
        """Height and width of the output before pooling."""
        return self.sources[0].maps

    def rows(self, inputs: Sequence[Tensor]) -> Tensor:
        """Gather the rows of the matrix product, source after source.

        Parameters
        ----------
        inputs : sequence of Tensor[T, B, C, H, W]
            The map that each source reads: spikes (bool) or integers (int64).

        Returns
        -------
        Tensor[T, M, K]
            Of the inputs' type; ``M`` in the order (batch, y, x), ``K`` in the order (source,
            ky, kx, channel).
        """
        if len(inputs) != len(self.sources):
            raise NetworkError(f"{self.name}: inputs must be {len(self.sources)}, one for each "
                               f"source, not {len(inputs)}")
        return torch.cat([source.rows(maps) for source, maps
                          in zip(self.sources, inputs, strict=True)], 2)

    def weight_matrix(self) -> Tensor:
        """Arrange the weights as int64[K, N], in the order of `rows`."""
        return torch.cat([source.weight_matrix() for source in self.sources])

    def psums(self, rows: Tensor) -> Tensor:
        """Multiply rows with the weights.

        Parameters
        ----------
        rows : Tensor[T, M, K]
            bool, or int64 if the layer reads integers.

        Returns
        -------
        Tensor[T, M, N]
            int64, signed, without bias; `psum_bits` wide unless from crossbars.
        """
        if self.input_bits:
            check_range(f"{self.name}: integers", rows,
                        *integer_limits(self.input_bits, self.input_signed))
        if self.crossbars is not None:
            return self.crossbars.psums(rows, self.input_bits, self.input_signed)
        if not self.input_bits:
            return ftp_matmul(rows, self.weight_matrix(), self.psum_bits)
        return exact_matmul(rows, self.weight_matrix(), 1 << self.input_bits)


@dataclass(frozen=True, kw_only=True, eq=False)
class AttentionLayer(PsumLayer):
    """Attention of spikes over tokens and steps, see `golden.attention`; what follows it.

    The tokens are the pixels of one map, which has the channels of queries, keys and values.

    Parameters
    ----------
    input : str
        Name of the layer that is read, of spikes with ``3 * N`` channels.
    height, width : int
        Of its map; their product are the tokens.
    heads : int
        Divides ``N``.
    chunk_steps : int
        Timesteps of a chunk; divides those of the network. With 1, tokens attend to those of
        their own timestep only.
    **fields
        Of `PsumLayer`.

    Raises
    ------
    GoldenError
        If a field does not fit; the message names layer and field.
    """

    input: str
    height: int
    width: int
    heads: int
    chunk_steps: int

    def _check_operands(self) -> None:
        for field, high in (("height", 4096), ("width", 4096), ("heads", self.channels),
                            ("chunk_steps", 16)):
            check_int(f"{self.name}: {field}", getattr(self, field), 1, high)
        if self.channels % self.heads:
            raise NetworkError(f"{self.name}: heads must divide the channels ({self.channels}), "
                               f"not be {self.heads}")

    @property
    def readers(self) -> tuple[MapReader, ...]:
        """The map that is read."""
        return (MapReader(self.input, (3 * self.channels, self.height, self.width)),)

    @property
    def psum_bits(self) -> int:
        """Width of a signed partial sum that no input can overflow."""
        return attention_bits(self.channels // self.heads, self.height * self.width,
                              self.chunk_steps)

    @property
    def maps(self) -> tuple[int, int]:
        """Height and width of the output before pooling."""
        return self.height, self.width

    def rows(self, inputs: Sequence[Tensor]) -> Tensor:
        """Arrange the tokens, bool[T, M, 3 * N], ``M`` in the order (batch, y, x)."""
        return lower(inputs[0], 1, 1, 0)

    def psums(self, rows: Tensor) -> Tensor:
        """Compute the attention, int64[T, M, N], without bias."""
        tokens = rows.unflatten(1, (-1, self.height * self.width))
        return attention(tokens, self.heads, self.chunk_steps).flatten(1, 2)


@dataclass(frozen=True, kw_only=True, eq=False)
class PoolLayer(PsumLayer):
    """Pooling of the residuals that an earlier layer kept, and what follows it.

    The largest or the sum of the residuals in each window, see `golden.residual_pool`; the
    channels are those of the earlier layer.

    Parameters
    ----------
    pooled : str
        Layer whose kept residual is pooled.
    height, width : int
        Of that layer's maps, before its own pooling.
    kind : "max" or "sum"
    window : tuple of int
        Height and width.
    stride : int
        Distance between windows, the same along both sides.
    padding : tuple of int
        Above and below, left and right; it is not there.
    **fields
        Of `PsumLayer`.

    Raises
    ------
    GoldenError
        If a field does not fit; the message names layer and field.
    """

    pooled: str
    height: int
    width: int
    kind: Literal["max", "sum"]
    window: tuple[int, int]
    stride: int = 1
    padding: tuple[int, int] = (0, 0)

    def _check_operands(self) -> None:
        for field in ("height", "width"):
            check_int(f"{self.name}: {field}", getattr(self, field), 1, 4096)
        if self.kind not in POOLS:
            raise NetworkError(f"{self.name}: kind must be one of {', '.join(POOLS)}, "
                               f"not {self.kind!r}")
        _ = self.maps  # the window must fit

    @property
    def readers(self) -> tuple[MapReader, ...]:
        """None; no map is read."""
        return ()

    @property
    def psum_bits(self) -> int:
        """Width of a signed partial sum that no input can overflow."""
        return pool_bits(self.kind, self.window)

    @property
    def maps(self) -> tuple[int, int]:
        """Height and width of the output before pooling."""
        return pool_maps((self.height, self.width), self.window, self.stride, self.padding)

    def rows(self, inputs: Sequence[Tensor]) -> Tensor:
        """Arrange the residuals, int64[T, M', N], ``M'`` in the order (batch, y, x)."""
        return lower(inputs[0], 1, 1, 0)

    def psums(self, rows: Tensor) -> Tensor:
        """Pool the residuals, int64[T, M, N], without bias."""
        batch = rows.shape[1] // (self.height * self.width)
        residuals = lift(rows, batch, self.height, self.width)
        return lower(residual_pool(residuals, self.kind, self.window, self.stride, self.padding),
                     1, 1, 0)
