# SPDX-License-Identifier: Apache-2.0
"""Configurations of the vision transformer's units: every limit and error text."""

import dataclasses
import re

import pytest

from spikeloom.rtl.config import ConfigError, VitConfig

LIMITS = {
    "max_channels": (2, 4096),
    "max_tokens": (2, 4096),
    "token_bits": (8, 24),
    "value_bits": (4, 8),
    "beta_bits": (8, 32),
    "norm_fraction_bits": (0, 15),
    "reciprocal_bits": (8, 20),
    "score_bits": (8, 32),
    "index_bits": (1, 8),
    "power_bits": (8, 16),
    "probability_bits": (2, 8),
}
FITTING = {("reciprocal_bits", 8): {"norm_fraction_bits": 8}}


def _refused(text, **fields):
    with pytest.raises(ConfigError, match=f"^{re.escape(text)}$"):
        VitConfig(**fields)


def test_every_number_has_limits():
    assert {field.name for field in dataclasses.fields(VitConfig)} == LIMITS.keys()


@pytest.mark.parametrize("name", LIMITS)
def test_limits(name):
    low, high = LIMITS[name]
    for value in (low, high):
        assert getattr(VitConfig(**FITTING.get((name, value), {}) | {name: value}), name) == value
    for value in (low - 1, high + 1, "4", 4.0, True, None):
        _refused(f"{name} must be an int in {low}..{high}, not {value!r}", **{name: value})


def test_fields_must_fit_each_other():
    _refused("norm_fraction_bits must be at most reciprocal_bits (9), not 10",
             norm_fraction_bits=10, reciprocal_bits=9)


def test_widths_hold_the_extremes():
    for channels in (2, 3, 64, 100):
        config = VitConfig(max_channels=channels)
        low = -(1 << (config.token_bits - 1))
        assert channels * low >= -(1 << (config.total_bits - 1))
        spread = channels * channels * low * low  # at most, of D**2 times the variance
        assert spread < 1 << (2 * config.root_bits)
        assert channels * ((1 << config.token_bits) - 1) < 1 << (config.centred_bits - 1)
        most = 2 * channels ** 0.5 * (1 << config.norm_fraction_bits)
        assert most + 1 < 1 << (config.normal_bits - 1)
    config = VitConfig(max_tokens=5)
    assert 5 << config.power_bits < 1 << config.powers_bits
