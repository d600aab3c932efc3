# SPDX-License-Identifier: Apache-2.0
"""One layer of an integer network."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from . import requantize as requantization
from .checks import check_int, check_range, check_signed, check_table, integer_limits
from .conv import lift
from .crossbar_layer import CrossbarLayer
from .errors import NetworkError
from .ftp_array import exact_matmul, ftp_matmul
from .lane_word import drop_single
from .max_pool import max_pool
from .plif import LIF, plif
from .residual_add import RESIDUAL_BITS, RESIDUAL_LIMITS, residual_add
from .source import IMAGE, Source, check_sources

__all__ = ["IMAGE", "OUTPUTS", "PIXEL_BITS", "IntegerLayer", "Source"]

PIXEL_BITS = 8  # of an image's unsigned integers
OUTPUTS = ("spikes", "integers", "readout")


@dataclass(frozen=True, kw_only=True, eq=False)
class IntegerLayer:
    """Matrix product of integers over one or two inputs, and what follows it.

    For each output position, channel and timestep, in this order: the partial sum over all
    sources, ``y = psum + bias``, requantization of ``y`` to 16 bits, the residual's addition,
    and then the neurons with pooling, or the clamped integers, or the readout.

    Parameters
    ----------
    name : str
        Of the layer.
    sources : tuple of Source
        One or two; all of them give maps of the same size and channels.
    bias : Tensor[N]
        int64, signed, in units of the partial sum and within its width; added at each timestep.
    threshold, lif : Tensor[N] and LIF, or None
        Threshold, int64, in units of ``y``; the neurons. None unless the output is spikes.
    requantize : tuple of Tensor[N] or None
        Multiplier (unsigned, 16 bits) and shift (0..31), int64; see `golden.requantize`.
    residual : str or None
        Layer whose kept residual is added to ``y``, position by position (membrane shortcut).
    keep_residual : bool
        Whether ``y`` is stored for later layers, 16 bits for each timestep.
    pool : int
        Side of the OR-pooling behind the neurons, 1 for none.
    drop_single : bool
        Whether output words with fewer than two spikes, after pooling, become silent (the
        fine-tuned mode of LoAS).
    output : "spikes", "integers" or "readout"
        Integers are ``y``, clamped to ``out_bits``; the readout sums ``y`` over the timesteps.
    out_bits : int
        1..16, of integers.
    out_signed, out_each_step : bool
        Whether integers are two's complement; whether those of each timestep are stored, not
        of the first only.
    weight_bits : int
        2..8.
    input_bits : int
        0 if the sources are spikes, else the bits of their integers, 1..16; images have 8.
    input_signed, input_each_step : bool
        Whether those integers are two's complement; whether they differ between timesteps,
        else they are the same (direct encoding).
    crossbars : CrossbarLayer or None
        Cells that hold the weights as a device would, in place of the exact product.

    Raises
    ------
    GoldenError
        If a field does not fit; the message names layer and field.
    """

    name: str
    sources: tuple[Source, ...]
    bias: Tensor
    threshold: Tensor | None = None
    lif: LIF | None = None
    requantize: tuple[Tensor, Tensor] | None = None
    residual: str | None = None
    keep_residual: bool = False
    pool: int = 1
    drop_single: bool = False
    output: Literal["spikes", "integers", "readout"] = "spikes"
    out_bits: int = 8
    out_signed: bool = False
    out_each_step: bool = False
    weight_bits: int = 8
    input_bits: int = 0
    input_signed: bool = False
    input_each_step: bool = False
    crossbars: CrossbarLayer | None = None

    def __post_init__(self) -> None:
        for field, low, high in (("pool", 1, 255), ("weight_bits", 2, 8), ("out_bits", 1, 16),
                                 ("input_bits", 0, 16)):
            check_int(f"{self.name}: {field}", getattr(self, field), low, high)
        if self.output not in OUTPUTS:
            raise NetworkError(f"{self.name}: output must be one of {', '.join(OUTPUTS)}, "
                               f"not {self.output!r}")
        for field in ("lif", "threshold"):
            if (getattr(self, field) is not None) != (self.output == "spikes"):
                raise NetworkError(f"{self.name}: {field} must be given if the output is spikes,"
                                   f" and only then; it is {self.output}")
        if self.output != "spikes" and (self.pool > 1 or self.drop_single):
            raise NetworkError(f"{self.name}: pool must be 1 and drop_single False if the output "
                               f"is {self.output}, not {self.pool} and {self.drop_single}")
        if self.out_each_step and self.output != "integers":
            raise NetworkError(f"{self.name}: out_each_step must be False for {self.output}")
        if self.keep_residual and self.requantize is None and self.residual is None:
            raise NetworkError(f"{self.name}: keep_residual must come with requantize or residual")
        self._check_tensors()

    def _check_tensors(self) -> None:
        check_sources(self.name, self.sources, self.weight_bits, self.input_bits)
        check_int(f"{self.name}: pool", self.pool, 1, min(self.maps))
        if self.output == "readout" and self.maps != (1, 1):
            raise NetworkError(f"{self.name}: output maps of a readout must be (1, 1), "
                               f"not {self.maps}")
        for field, table in (("bias", self.bias), ("threshold", self.threshold)):
            if table is not None:
                check_table(f"{self.name}: {field}", table, self.channels)
        check_signed(f"{self.name}: bias", self.bias, self.psum_bits)
        if self.threshold is not None:
            residual = self.requantize is not None or self.residual is not None
            check_signed(f"{self.name}: threshold", self.threshold,
                         max(self.psum_bits, RESIDUAL_BITS * residual))
        if self.requantize is not None:
            requantization.check_factors(self.name, self.requantize, self.channels)
        if self.crossbars is not None:
            self.crossbars.check(self.name, self.row_length, self.channels)

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

    @property
    def outputs(self) -> tuple[int, int, int]:
        """Channels, height and width of the output, after pooling."""
        height, width = self.maps
        return self.channels, height // self.pool, width // self.pool

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

    def currents(self, psums: Tensor, residual: Tensor | None = None) -> Tensor:
        """Add the bias, requantize, add the residual.

        Parameters
        ----------
        psums : Tensor[T, M, N]
            int64.
        residual : Tensor[T, M, N] or None
            int64, 16 bits; given if the layer adds one, and only then.

        Returns
        -------
        Tensor[T, M, N]
            int64, ``y``.

        Raises
        ------
        GoldenError
            If an operand does not fit.
        """
        if (residual is None) != (self.residual is None):
            raise NetworkError(f"{self.name}: residual must be that of {self.residual}, not "
                               f"{None if residual is None else tuple(residual.shape)}")
        y = psums + self.bias
        if self.requantize is not None:
            y = requantization.requantize(y, *self.requantize, *RESIDUAL_LIMITS)
        return y if residual is None else residual_add(y, residual)

    def spikes(self, currents: Tensor) -> Tensor:
        """Fire the neurons.

        Parameters
        ----------
        currents : Tensor[T, M, N]
            int64.

        Returns
        -------
        Tensor[T, M, N]
            bool.

        Raises
        ------
        NetworkError
            If the output is not spikes.
        """
        if self.lif is None or self.threshold is None:
            raise NetworkError(f"{self.name}: a layer of {self.output} has no neurons")
        return plif(currents, torch.zeros_like(self.bias), self.threshold, self.lif)

    def stored(self, out: Tensor, batch: int) -> Tensor:
        """Arrange spikes or currents as maps, as later layers read them.

        Parameters
        ----------
        out : Tensor[T, M, N]
            bool, the spikes; or int64, ``y``, where the output is integers.
        batch : int
            Images, ``B``.

        Returns
        -------
        Tensor[T, B, N, H', W']
            bool, pooled, without the words that are dropped; or int64, clamped.
        """
        if self.output == "readout":
            raise NetworkError(f"{self.name}: a readout gives no maps")
        maps = lift(out, batch, *self.maps)
        if self.output == "integers":
            maps = maps.clamp(*integer_limits(self.out_bits, self.out_signed))
            return maps if self.out_each_step else maps[:1].expand_as(maps)
        if self.pool > 1:
            maps = max_pool(maps, self.pool)
        return drop_single(maps) if self.drop_single else maps
