# SPDX-License-Identifier: Apache-2.0
"""The golden crossbar beside aihwkit: variation of conductances does the same to a product.

Runs where aihwkit is installed, which no extra of this package brings.
"""

import pytest
import torch

from spikeloom.models.golden.conductance import Device, make_image
from spikeloom.models.golden.crossbar import crossbar
from spikeloom.models.golden.shift_add import shift_add
from spikeloom.rtl.config import CrossbarConfig

noise = pytest.importorskip("aihwkit.inference.noise.base")

DEVICES, SIGMA = 400, 0.1
# One cell holds a whole magnitude, and ADCs see a 256th of a level: nothing but the cells varies.
CONFIG = CrossbarConfig(rows=64, columns=64, cell_bits=2, weight_bits=3, fraction_bits=8,
                        adc_bits=10, adc_shift=6, on_off=10000, columns_per_adc=8)


class Proportional(noise.BaseNoiseModel):
    """Programming noise as a share of the conductance."""

    def apply_programming_noise_to_conductance(self, g_target):
        return g_target + SIGMA * g_target * torch.randn_like(g_target)


def _operands():
    generator = torch.Generator().manual_seed(3)
    weights = torch.randint(-3, 4, (CONFIG.rows, CONFIG.outputs), generator=generator)
    return weights, torch.rand(5, CONFIG.rows, generator=generator) < 0.15


def test_products_have_the_same_statistics():
    """Mean and spread over many devices, both within four standard errors of the law."""
    weights, lines = _operands()
    torch.manual_seed(1)
    model = Proportional()
    theirs = torch.stack([
        lines.float() @ model.apply_programming_noise(weights.float())[0] for _ in range(DEVICES)])
    scale = 1 << CONFIG.result_fraction_bits
    ours = []
    for seed in range(DEVICES):
        image = make_image(weights, CONFIG, Device(sigma=SIGMA, seed=seed))
        codes = crossbar(lines, image, CONFIG)
        assert int(codes.max()) < (1 << CONFIG.adc_bits) - 1, "an ADC that clips is not the cells"
        ours.append(shift_add(codes, lines, image.negative, CONFIG) / scale)
    ideal = (lines.long() @ weights).float()
    spread = SIGMA * (lines.float() @ weights.float() ** 2).sqrt()
    for products in (theirs, torch.stack(ours)):
        error = (products.mean(0) - ideal).abs() / (spread / DEVICES**0.5).clamp(min=0.05)
        assert error.max() < 4
        ratio = products.std(0)[spread > 0.2] / spread[spread > 0.2]
        assert (ratio - 1).abs().max() < 4 / (2 * DEVICES) ** 0.5 + 0.05
