# SPDX-License-Identifier: Apache-2.0
"""From weights to the integer conductances of a crossbar, ideal or as a device would have them."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from ...rtl.config import CrossbarConfig
from .checks import check_integers, check_range
from .errors import GoldenError
from .wire_loss import Wires, effective_table

__all__ = ["Device", "Image", "cell_levels", "make_image", "make_images", "negative_weights"]


@dataclass(frozen=True, eq=False)
class Image:
    """What one macro is loaded with.

    Attributes
    ----------
    cells : Tensor[R, C]
        int64, conductances.
    offsets : Tensor[C]
        int64, signed; what the ADC of a column adds, in conductance units.
    negative : Tensor[R, N]
        bool, the weights below 0; only sign encoding uses them, and they are digital.
    """

    cells: Tensor
    offsets: Tensor
    negative: Tensor


@dataclass(frozen=True, kw_only=True)
class Device:
    """How real cells, wires and ADCs differ from ideal ones; the default is ideal.

    Parameters
    ----------
    sigma : float
        Standard deviation of a conductance, as a share of it.
    stuck_low, stuck_high : float
        Share of cells that stay at level 0, and at the highest level.
    wires : Wires
        Resistances; see `effective_table`.
    offset_sigma : float
        Standard deviation of the offset of an ADC, in conductance units.
    seed : int
        The same seed gives the same device.

    Raises
    ------
    GoldenError
        A parameter is out of range.
    """

    sigma: float = 0.0
    stuck_low: float = 0.0
    stuck_high: float = 0.0
    wires: Wires = field(default_factory=Wires)
    offset_sigma: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("sigma", "offset_sigma"):
            if getattr(self, name) < 0:
                raise GoldenError(f"{name} must be at least 0, not {getattr(self, name)}")
        for name in ("stuck_low", "stuck_high"):
            if not 0 <= getattr(self, name) <= 1:
                raise GoldenError(f"{name} must be in 0..1, not {getattr(self, name)}")


def negative_weights(weights: Tensor, config: CrossbarConfig) -> Tensor:
    """Return which weights are below 0, padded to all rows and outputs of the macro."""
    return _padded(weights, config) < 0


def cell_levels(weights: Tensor, config: CrossbarConfig) -> Tensor:
    """Split weights into the levels of cells.

    With ``b`` bits a cell, digit ``k`` of ``x`` is ``(x >> b*k) & (2**b - 1)``, where x is

    - differential: ``max(w, 0)`` in the first half of an output's columns, ``max(-w, 0)`` in the
      second;
    - offset: ``w + 2**(W-1)``;
    - sign: ``w + 2**(W-1)`` if ``w < 0``, else ``w``.

    Parameters
    ----------
    weights : Tensor[K, n]
        Integers, signed; at most R rows and N outputs, the others have the weight 0.
    config : CrossbarConfig

    Returns
    -------
    Tensor[R, C]
        int64, 0 to ``2**b - 1``; 0 in columns that no output uses.

    Raises
    ------
    GoldenError
        The weights do not fit the macro.
    """
    weights = _padded(weights, config)
    half = 1 << (config.weight_bits - 1)
    if config.encoding == "differential":
        parts = [weights.clamp(min=0), (-weights).clamp(min=0)]
    elif config.encoding == "offset":
        parts = [weights + half]
    else:
        parts = [torch.where(weights < 0, weights + half, weights)]
    digit = (1 << config.cell_bits) - 1
    digits = [(part >> (config.cell_bits * k)) & digit
              for part in parts for k in range(config.slices)]
    levels = torch.zeros(config.rows, config.columns, dtype=torch.int64)
    levels[:, :config.outputs * len(digits)] = torch.stack(digits, 2).flatten(1)
    return levels


def make_image(weights: Tensor, config: CrossbarConfig, device: Device | None = None,
               tile: int = 0) -> Image:
    """Return the image of a macro that holds ``weights``.

    A cell of level ``l`` conducts ``g_min + (l << F)``. The device multiplies each conductance
    with ``1 + sigma * n``, n normal; then some cells are stuck; then wires lower what reaches the
    ADC; all is rounded to integers and clamped to the width of a cell's word.

    Parameters
    ----------
    weights : Tensor[K, n]
        Integers; see `cell_levels`.
    config : CrossbarConfig
    device : Device
        Ideal if None.
    tile : int
        Number of the macro; each is another device.

    Raises
    ------
    GoldenError
        The weights do not fit the macro.
    """
    device = device or Device()
    levels = cell_levels(weights, config)
    negative = negative_weights(weights, config)
    ideal = config.g_min + (levels << config.fraction_bits)
    highest = config.g_min + (((1 << config.cell_bits) - 1) << config.fraction_bits)
    generator = torch.Generator().manual_seed(device.seed * 4096 + tile)
    # All are drawn in any case, so that one fault leaves the others alone.
    normal = torch.randn(ideal.shape, generator=generator, dtype=torch.float64)
    chance = torch.rand(ideal.shape, generator=generator, dtype=torch.float64)
    shifts = torch.randn(config.adcs, generator=generator, dtype=torch.float64)
    table = ideal * (1 + device.sigma * normal)
    table[chance < device.stuck_low] = config.g_min
    table[chance >= 1 - device.stuck_high] = highest
    if device.wires.any:
        table = effective_table(table.clamp(min=0) / highest, device.wires) * highest
    offsets = (shifts * device.offset_sigma).round().to(torch.int64)
    reach = 1 << (config.cell_word_bits - 1)
    return Image(
        table.round().to(torch.int64).clamp(0, 2 * reach - 1),
        offsets.clamp(-reach, reach - 1).repeat_interleave(config.columns_per_adc),
        negative)


def make_images(weights: Tensor, config: CrossbarConfig,
                device: Device | None = None) -> list[Image]:
    """Return the images of all tiles: macro ``k`` holds inputs ``k*R`` to ``k*R + R - 1``.

    Raises
    ------
    GoldenError
        The weights do not fit the macros.
    """
    if weights.ndim != 2 or len(weights) > config.inputs:
        raise GoldenError(f"weights must have at most {config.inputs} rows, "
                          f"not the shape {tuple(weights.shape)}")
    return [make_image(weights[k * config.rows:(k + 1) * config.rows], config, device, k)
            for k in range(config.tiles)]


def _padded(weights: Tensor, config: CrossbarConfig) -> Tensor:
    weights = check_integers("weights", weights)
    shape = (config.rows, config.outputs)
    if weights.ndim != 2 or weights.shape[0] > shape[0] or weights.shape[1] > shape[1]:
        raise GoldenError(f"weights must be of a shape within {shape}, "
                          f"not {tuple(weights.shape)}")
    check_range("weights", weights, *config.weight_limits)
    padded = torch.zeros(shape, dtype=torch.int64)
    padded[:weights.shape[0], :weights.shape[1]] = weights
    return padded
