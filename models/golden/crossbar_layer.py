# SPDX-License-Identifier: Apache-2.0
"""A layer on crossbars: the psums of its columns as the macros give them, in whole batches."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ...rtl.config import CrossbarConfig
from .adc import adc
from .bit_planes import bit_planes, step_planes
from .checks import check_bits, check_int, check_range, check_rank
from .combine_lanes import combine_lanes, combine_steps
from .conductance import Image
from .crossbar import check_image, crossbar
from .errors import GoldenError
from .lane_word import unpack
from .shift_add import shift_add

__all__ = ["CrossbarLayer"]

_READS = 2048  # at once; more leave the caches


@dataclass(frozen=True, kw_only=True, eq=False)
class CrossbarLayer:
    """The weights of a layer in crossbars, in place of its matrix product.

    Blocks of outputs are in macros one after the other; within a block macro ``k`` has the
    wordlines ``k*R`` to ``k*R + R - 1``, and the results of all its macros are added up. A
    wordline that no input has stays silent.

    Parameters
    ----------
    config : CrossbarConfig
        Without read noise; each read gives the same.
    positions : Tensor[K]
        int64, wordline of each input, in the order of the layer's rows.
    images : tuple of tuple of Image
        Of each block the macros in use.
    outputs : int
        Of the layer, ``N``.
    block_outputs : int
        Of each block but the last, which has what is left.

    Raises
    ------
    GoldenError
        A field does not fit; the message names it.
    """

    config: CrossbarConfig
    positions: Tensor
    images: tuple[tuple[Image, ...], ...]
    outputs: int
    block_outputs: int

    def __post_init__(self) -> None:
        check_int("noise_bits of a layer's crossbars", self.config.noise_bits, 0, 0)
        check_int("block_outputs", self.block_outputs, 1, self.config.outputs)
        blocks = -(-self.outputs // self.block_outputs)
        if len(self.images) != blocks:
            raise GoldenError(f"images must be of {blocks} blocks, not {len(self.images)}")
        for block in self.images:
            if len(block) != self.tiles:
                raise GoldenError(f"tiles must be as many in each block ({self.tiles}), "
                                  f"not {len(block)}")
            for image in block:
                check_image(image, self.config)
        check_int("tiles", self.tiles, 1, self.config.tiles)
        check_rank("positions", self.positions, 1)
        check_range("positions", self.positions, 0, self.tiles * self.config.rows - 1)
        if len(self.positions.unique()) != len(self.positions):
            raise GoldenError("positions must differ from one another")

    @property
    def tiles(self) -> int:
        """Macros in use by a block."""
        return len(self.images[0])

    def check(self, name: str, inputs: int, outputs: int) -> None:
        """Raise `GoldenError` unless a layer of that name and size can be on these crossbars."""
        for field, found, expected in (("positions", len(self.positions), inputs),
                                       ("outputs", self.outputs, outputs)):
            if found != expected:
                raise GoldenError(f"{name}: {field} of crossbars must be {expected}, not {found}")

    def planes(self, bits: int) -> int:
        """Return the bit planes that integers of so many bits are read as: whole lane words."""
        return -(-bits // self.config.timesteps) * self.config.timesteps

    def wordlines(self, rows: Tensor) -> Tensor:
        """Lay spikes, bool[..., K], on the wordlines, bool[..., tiles * R]."""
        lines = torch.zeros(*rows.shape[:-1], self.tiles * self.config.rows, dtype=torch.bool)
        lines[..., self.positions] = rows
        return lines

    def pulses(self, rows: Tensor, bits: int, signed: bool, each_step: bool = False) -> Tensor:
        """Return integers, [1, M, K] or [T, M, K], as bit planes, bool[T, passes, M, K]."""
        timesteps = self.config.timesteps
        if each_step:
            return unpack(step_planes(rows, bits, bits, signed), timesteps)
        words = bit_planes(rows[0], timesteps, self.planes(bits) // timesteps, bits, signed)
        return unpack(words, timesteps)

    def psums(self, rows: Tensor, bits: int = 0, signed: bool = False,
              each_step: bool = False) -> Tensor:
        """Multiply rows with the weights: a read of all macros for each timestep or bit plane.

        Parameters
        ----------
        rows : Tensor[T, M, K]
            Spikes; or integers, Tensor[1, M, K] unless they differ between timesteps.
        bits : int
            Of the integers; 0 for spikes.
        signed : bool
            Whether the integers are two's complement; their top plane is subtracted.
        each_step : bool
            Whether they differ between timesteps.

        Returns
        -------
        Tensor[T, M, N]
            int64; of integers that do not differ Tensor[1, M, N].

        Raises
        ------
        GoldenError
            The rows do not fit.
        """
        check_rank("rows", rows, 3)
        if rows.shape[2] != len(self.positions):
            raise GoldenError(f"rows must have {len(self.positions)} positions, "
                              f"not {rows.shape[2]}")
        if not bits:
            return self._results(check_bits("spikes", rows))
        if each_step:
            return combine_steps(self._results(self.pulses(rows, bits, signed, True)), signed)
        check_int("integers at different timesteps", len(rows), 1, 1)
        return combine_lanes(self._results(self.pulses(rows, bits, signed)), signed)[None]

    def bounds(self, bits: int = 0, signed: bool = False) -> tuple[Tensor, Tensor]:
        """Return what no psum of any rows falls below and what none exceeds, int64[N] each.

        This holds for each bit plane and for their sum.
        """
        wired = torch.bincount(self.positions // self.config.rows, minlength=self.tiles)
        limits = [self._block_bounds(block, wired) for block in self.images]
        low, high = (torch.cat(part)[:self.outputs] for part in zip(*limits, strict=True))
        if not bits:
            return low, high
        top = 1 << (self.planes(bits) - 1)
        if signed:
            return (torch.minimum(low, low * (top - 1) - high * top),
                    torch.maximum(high, high * (top - 1) - low * top))
        return (torch.minimum(low, low * (2 * top - 1)),
                torch.maximum(high, high * (2 * top - 1)))

    def _block_bounds(self, block: tuple[Image, ...], wired: Tensor) -> tuple[Tensor, Tensor]:
        """Return the bounds of one block's results of a read; ``wired`` are inputs of tiles."""
        config = self.config
        low = high = torch.zeros(config.outputs, dtype=torch.int64)
        for image, count in zip(block, wired, strict=True):
            cells = image.cells - config.g_min
            limits = [adc(cells.clamp(*reach).sum(0) + image.offsets, config.adc_bits,
                          config.adc_shift)[:config.outputs * config.columns_per_output]
                      for reach in ((None, 0), (0, None))]
            places = torch.tensor([1 << (config.cell_bits * k) for k in range(config.slices)])
            least, most = ((codes.reshape(config.outputs, -1, config.slices) * places).sum(-1)
                           << config.code_shift for codes in limits)
            if config.encoding == "differential":
                low, high = low + least[:, 0] - most[:, 1], high + most[:, 0] - least[:, 1]
                continue
            lines = (image.negative.sum(0) if config.encoding == "sign" else
                     count)
            low = low + least[:, 0] - (
                lines << (config.weight_bits - 1 + config.result_fraction_bits))
            high = high + most[:, 0]
        return low[:self.block_outputs], high[:self.block_outputs]

    def _results(self, spikes: Tensor) -> Tensor:
        """Return int64[..., N] for bool[..., K]: the results of all reads."""
        parts = [self._read(self.wordlines(part))
                 for part in spikes.flatten(0, -2).split(_READS)]
        return torch.cat(parts).unflatten(0, spikes.shape[:-1])

    def _read(self, lines: Tensor) -> Tensor:
        config = self.config
        blocks = []
        for block in self.images:
            total = torch.zeros(len(lines), config.outputs, dtype=torch.int64)
            for image, part in zip(block, lines.split(config.rows, 1), strict=True):
                total += shift_add(crossbar(part, image, config), part, image.negative, config)
            blocks.append(total[:, :self.block_outputs])
        return torch.cat(blocks, 1)[:, :self.outputs]
