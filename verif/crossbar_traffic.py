# SPDX-License-Identifier: Apache-2.0
"""Images and wordlines for the benches of the crossbar: random ones and the corner cases."""

import random
from collections.abc import Callable

import torch
from torch import Tensor

from ..models.golden.conductance import Device, Image, make_image
from ..rtl.config import CrossbarConfig

__all__ = ["CORNERS", "as_table", "image_of", "random_image", "random_lines", "sign_words"]


def random_image(rng: random.Random, config: CrossbarConfig, tile: int = 0) -> Image:
    """Return the image of random weights on a bad device; a third of the cells at any value."""
    generator = torch.Generator().manual_seed(rng.getrandbits(32))
    low, high = config.weight_limits
    weights = torch.randint(low, high + 1, (config.rows, config.outputs), generator=generator)
    device = Device(sigma=0.2, stuck_low=0.05, stuck_high=0.05, seed=rng.getrandbits(16),
                    offset_sigma=float(1 << config.adc_shift))
    image = make_image(weights, config, device, tile)
    cells = image.cells.clone()
    anything = torch.rand(cells.shape, generator=generator) < 1 / 3
    cells[anything] = torch.randint(0, 1 << config.cell_word_bits, (int(anything.sum()),),
                                    generator=generator)
    return Image(cells, image.offsets, image.negative)


def random_lines(rng: random.Random, config: CrossbarConfig, reads: int) -> Tensor:
    """Return bool [reads, R], each read with a density of its own; none and all are among them."""
    densities = [0.0, 1.0, *(rng.choice((0.05, 0.2, 0.5, 0.9)) for _ in range(reads - 2))]
    return torch.tensor([[rng.random() < density for _ in range(config.rows)]
                         for density in densities])


def as_table(image: Image, config: CrossbarConfig) -> Tensor:
    """Return int64 [R + 1, C]: the conductances, then the offsets in two's complement."""
    offsets = image.offsets & ((1 << config.cell_word_bits) - 1)
    return torch.cat([image.cells, offsets[None]])


def image_of(table: Tensor, negative: Tensor, config: CrossbarConfig) -> Image:
    """Return the image of a table, the inverse of `as_table`."""
    half = 1 << (config.cell_word_bits - 1)
    return Image(table[:-1], (table[-1] + half) % (2 * half) - half, negative)


def sign_words(image: Image) -> list[int]:
    """Return for each row the weights below 0, bit n for output n."""
    return [sum(int(bit) << n for n, bit in enumerate(row)) for row in image.negative]


def _lines(*patterns: list[int]) -> Tensor:
    return torch.tensor(patterns).to(torch.bool)


def _all_ones(rng: random.Random, config: CrossbarConfig) -> tuple[Tensor, Tensor]:
    """Every wordline is active."""
    return as_table(random_image(rng, config), config), _lines([1] * config.rows)


def _one_hot(rng: random.Random, config: CrossbarConfig) -> tuple[Tensor, Tensor]:
    """Each wordline by itself."""
    return (as_table(random_image(rng, config), config),
            torch.eye(config.rows, dtype=torch.bool))


def _empty(rng: random.Random, config: CrossbarConfig) -> tuple[Tensor, Tensor]:
    """No wordline is active: offsets and noise alone, between reads of other kinds."""
    none, full = [0] * config.rows, [1] * config.rows
    return as_table(random_image(rng, config), config), _lines(none, none, full, none)


def _saturation(rng: random.Random, config: CrossbarConfig) -> tuple[Tensor, Tensor]:
    """All conductances and offsets at their largest: codes clip at the top."""
    table = torch.full((config.rows + 1, config.columns), (1 << config.cell_word_bits) - 1)
    table[-1] >>= 1
    return table, _lines([1] * config.rows, [1, *[0] * (config.rows - 1)])


def _below_zero(rng: random.Random, config: CrossbarConfig) -> tuple[Tensor, Tensor]:
    """No cell conducts and offsets are at their least: codes clip at 0."""
    table = torch.zeros(config.rows + 1, config.columns, dtype=torch.int64)
    table[-1] = 1 << (config.cell_word_bits - 1)
    return table, _lines([1] * config.rows, [0] * config.rows)


def _stuck_columns(rng: random.Random, config: CrossbarConfig) -> tuple[Tensor, Tensor]:
    """Whole columns at the highest and at no conductance, beside good ones."""
    table = as_table(random_image(rng, config), config)
    table[:-1, 0], table[:-1, -1] = (1 << config.cell_word_bits) - 1, 0
    table[:-1, config.columns // 2] = 0
    return table, random_lines(rng, config, 8)


CORNERS: dict[str, Callable[[random.Random, CrossbarConfig], tuple[Tensor, Tensor]]] = {
    "all_ones": _all_ones,
    "one_hot": _one_hot,
    "empty": _empty,
    "saturation": _saturation,
    "below_zero": _below_zero,
    "stuck_columns": _stuck_columns,
}
