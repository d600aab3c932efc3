# SPDX-License-Identifier: Apache-2.0
"""One layer of an integer network."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from .checks import check_int, check_signed
from .conv import lift, lower, output_size, weight_matrix
from .errors import NetworkError
from .ftp_array import exact_matmul, ftp_matmul
from .max_pool import max_pool
from .plif import LIF, plif

__all__ = ["PIXEL_BITS", "IntegerLayer"]

PIXEL_BITS = 8  # unsigned pixels, the encoder's input


@dataclass(frozen=True, kw_only=True, eq=False)
class IntegerLayer:
    """Convolution or linear layer of integers, with its neurons and its pooling.

    Bias and threshold are in units of the partial sum and fit its width.

    Parameters
    ----------
    name : str
        Of the layer.
    kind : "conv" or "linear"
    weight : Tensor[N, C, k, k] or Tensor[N, K]
        int64, signed, ``weight_bits`` wide; those of a linear layer that follows a convolution
        take its output in the order (y, x, channel).
    bias : Tensor[N]
        int64, signed; added at each timestep.
    threshold : Tensor[N] or None
        int64; None for the readout.
    lif : LIF or None
        The neurons; None for the readout.
    height, width : int
        Of the input's feature maps, 1 for a vector.
    stride, padding : int
        Of a convolution.
    pool : int
        Side of the OR-pooling behind the neurons, 0 for none.
    encoder : bool
        Whether the input is unsigned 8-bit pixels instead of spikes.
    weight_bits : int
        2..8.

    Raises
    ------
    GoldenError
        If a field does not fit; the message names layer and field.
    """

    name: str
    kind: Literal["conv", "linear"]
    weight: Tensor
    bias: Tensor
    threshold: Tensor | None
    lif: LIF | None
    height: int = 1
    width: int = 1
    stride: int = 1
    padding: int = 0
    pool: int = 0
    encoder: bool = False
    weight_bits: int = 8

    def __post_init__(self) -> None:
        if self.kind not in ("conv", "linear"):
            raise NetworkError(f"{self.name}: kind must be 'conv' or 'linear', not {self.kind!r}")
        for field, low, high in (("height", 1, 4096), ("width", 1, 4096), ("stride", 1, 255),
                                 ("padding", 0, 255), ("pool", 0, 255), ("weight_bits", 2, 8)):
            check_int(f"{self.name}: {field}", getattr(self, field), low, high)
        if (self.lif is None) != (self.threshold is None):
            raise NetworkError(f"{self.name}: lif and threshold must both be given or both None")
        self._check_tensors()

    def _check_tensors(self) -> None:
        rank = 4 if self.kind == "conv" else 2
        if self.weight.ndim != rank or (rank == 4 and len(set(self.weight.shape[2:])) > 1):
            raise NetworkError(f"{self.name}: weight must be of rank {rank} with a square kernel, "
                               f"not of shape {tuple(self.weight.shape)}")
        if self.weight.ndim == 2 and self.weight.shape[1] % (self.height * self.width):
            raise NetworkError(f"{self.name}: weight columns must be a multiple of height * width,"
                               f" not {self.weight.shape[1]}")
        for field in ("weight", "bias", "threshold"):
            tensor = getattr(self, field)
            if tensor is None:
                continue
            if tensor.dtype != torch.int64:
                raise NetworkError(f"{self.name}: {field} must be int64, not {tensor.dtype}")
            if field != "weight" and tensor.shape != self.weight.shape[:1]:
                raise NetworkError(f"{self.name}: {field} must be of shape "
                                   f"({self.weight.shape[0]},), not {tuple(tensor.shape)}")
            bits = self.weight_bits if field == "weight" else self.psum_bits
            check_signed(f"{self.name}: {field}", tensor, bits)

    @property
    def row_length(self) -> int:
        """Positions of a row, ``K``."""
        return self.weight[0].numel()

    @property
    def psum_bits(self) -> int:
        """Width of a signed partial sum that no input can overflow."""
        return (self.weight_bits + (self.row_length - 1).bit_length()
                + PIXEL_BITS * self.encoder)

    @property
    def sparsity(self) -> float:
        """Share of the weights that are zero."""
        return int((self.weight == 0).sum()) / self.weight.numel()

    @property
    def inputs(self) -> tuple[int, int, int]:
        """Channels, height and width of the input."""
        if self.kind == "conv":
            return self.weight.shape[1], self.height, self.width
        return self.row_length // (self.height * self.width), self.height, self.width

    @property
    def maps(self) -> tuple[int, int]:
        """Height and width of the output before pooling."""
        if self.kind == "linear":
            return 1, 1
        height, width = (output_size(side, self.weight.shape[2], self.stride, self.padding)
                         for side in (self.height, self.width))
        return height, width

    @property
    def outputs(self) -> tuple[int, int, int]:
        """Channels, height and width of the output, after pooling."""
        height, width = self.maps
        return self.weight.shape[0], height // (self.pool or 1), width // (self.pool or 1)

    def rows(self, spikes_in: Tensor) -> Tensor:
        """Gather the rows of the matrix product.

        Parameters
        ----------
        spikes_in : Tensor[T, B, C, H, W]
            Spikes, or int64 pixels for the encoder.

        Returns
        -------
        Tensor[T, M, K]
            Of the input's type; ``M`` in the order (batch, y, x), ``K`` in the order
            (ky, kx, channel), or (y, x, channel) for a linear layer.

        Raises
        ------
        NetworkError
            If the input is not of the layer's shape.
        """
        if spikes_in.ndim != 5 or tuple(spikes_in.shape[2:]) != self.inputs:
            raise NetworkError(f"{self.name}: input must be of shape [T, B, "
                               f"{', '.join(map(str, self.inputs))}], not "
                               f"{list(spikes_in.shape)}")
        if self.kind == "conv":
            return lower(spikes_in, self.weight.shape[2], self.stride, self.padding)
        return spikes_in.movedim(2, 4).flatten(2)

    def weight_matrix(self) -> Tensor:
        """Arrange the weights as int64[K, N], in the order of `rows`."""
        return weight_matrix(self.weight) if self.kind == "conv" else self.weight.T

    def psums(self, rows: Tensor) -> Tensor:
        """Multiply rows with the weights.

        Parameters
        ----------
        rows : Tensor[T, M, K]
            bool, or int64 pixels for the encoder.

        Returns
        -------
        Tensor[T, M, N]
            int64, signed, `psum_bits` wide, without bias.

        Raises
        ------
        GoldenError
            If the rows do not fit.
        """
        if not self.encoder:
            return ftp_matmul(rows, self.weight_matrix(), self.psum_bits)
        if rows.numel() and not 0 <= int(rows.min()) <= int(rows.max()) < 1 << PIXEL_BITS:
            raise NetworkError(f"{self.name}: pixels must be in 0..{(1 << PIXEL_BITS) - 1}, not "
                               f"{int(rows.min())}..{int(rows.max())}")
        return exact_matmul(rows, self.weight_matrix(), (1 << PIXEL_BITS) - 1)

    def spikes(self, psums: Tensor) -> Tensor:
        """Fire the neurons.

        Parameters
        ----------
        psums : Tensor[T, M, N]
            int64.

        Returns
        -------
        Tensor[T, M, N]
            bool.

        Raises
        ------
        NetworkError
            If the layer is the readout.
        """
        if self.lif is None or self.threshold is None:
            raise NetworkError(f"{self.name}: a readout has no neurons")
        return plif(psums, self.bias, self.threshold, self.lif)

    def spatial(self, out: Tensor, batch: int) -> Tensor:
        """Arrange spikes as feature maps and pool them.

        Parameters
        ----------
        out : Tensor[T, M, N]
            bool.
        batch : int
            Images, ``B``.

        Returns
        -------
        Tensor[T, B, N, H', W']
            bool, the input of the next layer.
        """
        maps = lift(out, batch, *self.maps)
        return max_pool(maps, self.pool) if self.pool else maps
