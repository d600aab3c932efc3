# SPDX-License-Identifier: Apache-2.0
"""What all layers of an integer network share: everything that follows a partial sum."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from . import requantize as requantization
from .checks import check_int, check_signed, check_table, integer_limits
from .conv import lift
from .errors import NetworkError
from .lane_word import drop_single
from .max_pool import max_pool
from .plif import LIF, plif
from .residual_add import RESIDUAL_BITS, RESIDUAL_LIMITS, residual_add
from .source import MapReader

__all__ = ["OUTPUTS", "PsumLayer"]

OUTPUTS = ("spikes", "integers", "readout")


@dataclass(frozen=True, kw_only=True, eq=False)
class PsumLayer(ABC):
    """Partial sums of integers, and what follows them.

    For each output position, channel and timestep, in this order: the partial sum,
    ``y = psum + bias``, requantization of ``y`` to 16 bits, the residual's addition, and then
    the neurons with pooling, or the clamped integers, or the readout.

    Parameters
    ----------
    name : str
        Of the layer.
    bias : Tensor[N]
        int64, signed, in units of the partial sum and within its width; added at each timestep.
    threshold : Tensor[N] or None
        int64, in units of ``y``; None unless the output is spikes.
    lif : LIF or None
        The neurons; None unless the output is spikes.
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
        Integers are ``y`` of the first timestep, clamped to ``out_bits``; the readout sums
        ``y`` over the timesteps.
    out_bits : int
        1..16, of integers.
    out_signed : bool
        Whether integers are two's complement.

    Raises
    ------
    GoldenError
        If a field does not fit; the message names layer and field.
    """

    name: str
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

    def __post_init__(self) -> None:
        for field, low, high in (("pool", 1, 255), ("out_bits", 1, 16)):
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
        if self.keep_residual and self.requantize is None and self.residual is None:
            raise NetworkError(f"{self.name}: keep_residual must come with requantize or residual")
        self._check_operands()
        self._check_tables()

    @abstractmethod
    def _check_operands(self) -> None:
        """Raise `GoldenError` unless what the partial sums are made of fits."""

    def _check_tables(self) -> None:
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

    @property
    @abstractmethod
    def readers(self) -> tuple[MapReader, ...]:
        """Maps that are read."""

    @property
    @abstractmethod
    def psum_bits(self) -> int:
        """Width of a signed partial sum that no input can overflow."""

    @property
    @abstractmethod
    def maps(self) -> tuple[int, int]:
        """Height and width of the output before pooling."""

    @property
    def channels(self) -> int:
        """Output channels, ``N``."""
        return self.bias.shape[0]

    @property
    def outputs(self) -> tuple[int, int, int]:
        """Channels, height and width of the output, after pooling."""
        height, width = self.maps
        return self.channels, height // self.pool, width // self.pool

    @abstractmethod
    def rows(self, inputs: Sequence[Tensor]) -> Tensor:
        """Gather the operands of the partial sums.

        Parameters
        ----------
        inputs : sequence of Tensor[T, B, C, H, W]
            The map of each of `readers`: spikes (bool) or integers (int64); the kept residual
            of a `PoolLayer`.

        Returns
        -------
        Tensor[T, M', K]
            Of the inputs' type; ``M'`` in the order (batch, y, x).
        """

    @abstractmethod
    def psums(self, rows: Tensor) -> Tensor:
        """Compute the partial sums, int64[T, M, N], without bias, from `rows`."""

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
            bool, pooled, without the words that are dropped; or int64, clamped, the same at
            each timestep.
        """
        if self.output == "readout":
            raise NetworkError(f"{self.name}: a readout gives no maps")
        maps = lift(out, batch, *self.maps)
        if self.output == "integers":
            limits = integer_limits(self.out_bits, self.out_signed)
            return maps[:1].clamp(*limits).expand_as(maps)
        if self.pool > 1:
            maps = max_pool(maps, self.pool)
        return drop_single(maps) if self.drop_single else maps
