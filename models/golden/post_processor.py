# SPDX-License-Identifier: Apache-2.0
"""Post-processing of a layer: from the psums of its tiles to what it gives out."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from .bit_planes import bit_planes, step_planes
from .checks import check_rank
from .combine_lanes import combine_lanes, combine_steps
from .errors import GoldenError
from .lane_word import pack
from .plif import LIF, plif
from .readout import readout
from .requantize import requantize
from .residual_add import RESIDUAL_LIMITS, residual_add

__all__ = ["MODES", "Channels", "PostStep", "PostTile", "Processed", "post_process"]

MODES = ("spikes", "integers", "readout")


@dataclass(frozen=True, kw_only=True)
class PostStep:
    """What a layer does with its psums.

    Raises
    ------
    GoldenError
        There is no such mode.
    """

    mode: str = "spikes"           # one of MODES
    passes: int = 1                # rows that make one output position
    combine: bool = False          # lanes are bit planes
    signed_input: bool = False     # the topmost plane is negative
    input_each_step: bool = False  # with combine: a pass is a bit of the integers of each timestep
    requantize: bool = False
    residual_in: bool = False
    residual_out: bool = False
    members_per_tile: int = 1      # positions of a window in one tile
    out_bits: int = 8              # integers
    out_passes: int = 1
    out_signed: bool = False
    out_each_step: bool = False    # those of each timestep, not of the first
    lif: LIF = field(default_factory=LIF)

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise GoldenError(f"mode must be one of {', '.join(MODES)}, not {self.mode!r}")


@dataclass(frozen=True, eq=False, kw_only=True)
class Channels:
    """Parameters of the output channels of a weight block, Tensor[N] each."""

    bias: Tensor
    threshold: Tensor
    multiplier: Tensor
    shift: Tensor


@dataclass(frozen=True, eq=False, kw_only=True)
class PostTile:
    """A tile with its psums.

    Parameters
    ----------
    psums : Tensor[T, rows, N]
        Integers.
    channels : Channels
        Of its columns.
    opens, closes : bool
        Whether it is the first, the last tile of its windows.
    residuals : Tensor[T, positions, N], optional
        To add, if the layer does.
    """

    psums: Tensor
    channels: Channels
    opens: bool = True
    closes: bool = True
    residuals: Tensor | None = None


@dataclass(frozen=True, eq=False)
class Processed:
    """What a layer gives out.

    Attributes
    ----------
    words : list of Tensor[rows, N]
        Lane words, for each tile that closes windows; none of a readout.
    residuals : list of Tensor[T, positions, N]
        For each tile, if the layer stores them.
    logits : Tensor[N]
        Of all blocks one after another; empty unless it is a readout.
    winner : int
        Index of the largest logit; -1 unless it is a readout.
    """

    words: list[Tensor]
    residuals: list[Tensor]
    logits: Tensor
    winner: int


def post_process(tiles: Iterable[PostTile], step: PostStep, psum_bits: int) -> Processed:
    """Run what follows the matrix product.

    In this order: `combine_lanes` over the rows of a position, modulo ``2**psum_bits``; the
    bias; `requantize` to 16 bits; `residual_add`; then for spikes `plif` and the OR over the
    members of a window, for integers `bit_planes` of the first timestep or `step_planes` of all,
    for a readout `readout`.

    Parameters
    ----------
    tiles : Iterable[PostTile]
        In the order in which they are computed; the tiles of a window follow one another.
    step : PostStep
    psum_bits : int
        Width of a signed psum.

    Raises
    ------
    GoldenError
        If an operand does not fit.
    """
    words: list[Tensor] = []
    residuals: list[Tensor] = []
    logits: list[Tensor] = []
    window: Tensor | None = None  # of those that further tiles complete
    for tile in tiles:
        values = _values(tile, step, psum_bits)
        if step.residual_out:
            residuals.append(residual_add(values, torch.zeros_like(values)))
        if step.mode == "spikes":
            silent = torch.zeros_like(tile.channels.bias)
            spikes = plif(values, silent, tile.channels.threshold, step.lif)
            pooled = _pool(pack(spikes), step)
            window = pooled if tile.opens or window is None else window | pooled
            if tile.closes:
                words.append(window)
        elif step.mode == "integers":
            form = step.out_passes, step.out_bits, step.out_signed
            planes = (step_planes(values, *form) if step.out_each_step
                      else bit_planes(values[0], len(values), *form))
            words.append(planes.transpose(0, 1).reshape(-1, planes.shape[-1]))
        else:
            logits.append(values[:, 0])
    if step.mode != "readout":
        return Processed(words, residuals, torch.zeros(0, dtype=torch.int64), -1)
    return Processed([], residuals, *readout(torch.cat(logits, dim=1)))


def _values(tile: PostTile, step: PostStep, psum_bits: int) -> Tensor:
    """Return a value for each timestep, position and column."""
    check_rank("psums", tile.psums, 3)
    timesteps, rows, columns = tile.psums.shape
    values = tile.psums.to(torch.int64)
    if step.combine:
        if rows % step.passes:
            raise GoldenError(f"rows must be a multiple of passes ({step.passes}), not {rows}")
        lanes = values.reshape(timesteps, rows // step.passes, step.passes, columns)
        total = (combine_steps if step.input_each_step else combine_lanes)(
            lanes.transpose(1, 2), step.signed_input)
        half = 1 << (psum_bits - 1)
        values = (((total + half) % (2 * half)) - half).expand(timesteps, -1, -1)
    values = values + tile.channels.bias
    if step.requantize:
        values = requantize(values, tile.channels.multiplier, tile.channels.shift,
                            *RESIDUAL_LIMITS)
    if step.residual_in:
        if tile.residuals is None:
            raise GoldenError("residuals must be there, not None, if the layer adds them")
        values = residual_add(values, tile.residuals)
    return values


def _pool(words: Tensor, step: PostStep) -> Tensor:
    """Return the OR over the members of each window of a tile."""
    pooled = []
    for members in words.split(step.members_per_tile):
        word = torch.zeros_like(members[0])
        for member in members:
            word |= member
        pooled.append(word)
    return torch.stack(pooled)
