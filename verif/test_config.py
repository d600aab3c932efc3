# SPDX-License-Identifier: Apache-2.0
"""Configurations: every limit, every error text, and what is derived."""

import dataclasses
import re

import pytest

from spikeloom.rtl.config import ArrayConfig, ConfigError, FTPConfig

LIMITS = {
    "timesteps": (1, 16),
    "chunk": (8, 256),
    "weight_bits": (2, 8),
    "tppes": (1, 64),
    "laggy_adders": (1, 256),
    "match_fifo_depth": (2, 64),
    "beat_values": (1, 64),
    "max_fan_in": (8, 65536),
    "column_fifo_depth": (2, 64),
    "counter_bits": (16, 64),
    "guard_bits": (0, 12),
}
# What else must change for a field to take its lowest or highest value.
FITTING = {
    ("chunk", 8): {"laggy_adders": 8, "beat_values": 8},
    ("laggy_adders", 256): {"chunk": 256},
    ("max_fan_in", 8): {"chunk": 8, "laggy_adders": 8, "beat_values": 8},
}


def _refused(text, **fields):
    with pytest.raises(ConfigError, match=f"^{re.escape(text)}$"):
        FTPConfig(**fields)


def test_every_number_has_limits():
    numbers = {field.name for field in dataclasses.fields(FTPConfig) if field.type is int}
    assert numbers == LIMITS.keys()


@pytest.mark.parametrize("name", LIMITS)
def test_limits(name):
    low, high = LIMITS[name]
    for value in (low, high):
        fields = FITTING.get((name, value), {}) | {name: value}
        assert getattr(FTPConfig(**fields), name) == value
    for value in (low - 1, high + 1, "4", 4.0, True, None):
        _refused(f"{name} must be an int in {low}..{high}, not {value!r}", **{name: value})


def test_fields_must_fit_each_other():
    _refused("inner_join must be one of fast_fast, fast_laggy, not 'slow'", inner_join="slow")
    _refused("chunk must be a multiple of 8, not 20", chunk=20)
    _refused("laggy_adders must divide chunk (128), not be 24", laggy_adders=24)
    _refused("beat_values must divide chunk (24), not be 16", chunk=24, laggy_adders=8,
             beat_values=16)
    _refused("beat_values must be a power of two, not 12", chunk=24, laggy_adders=8,
             beat_values=12)
    _refused("max_fan_in must be at least chunk (128), not 127", max_fan_in=127)


def test_rows_of_an_output_lane_are_limited():
    assert ArrayConfig(tppes=16, rows_per_pe=16, output_lanes=4).lane_rows == 64
    with pytest.raises(ConfigError, match=r"output_lanes must be at least tppes \* rows_per_pe / "
                                          "64, not 2"):
        ArrayConfig(tppes=16, rows_per_pe=16, output_lanes=2)


def test_it_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        FTPConfig().chunk = 64


def test_derived_values():
    config = FTPConfig(chunk=24, laggy_adders=8, beat_values=4, max_fan_in=50, weight_bits=3,
                       timesteps=5)
    assert (config.max_chunks, config.chunk_beats) == (3, 6)
    assert config.psum_bits == 3 + 7  # 72 positions of -4..3
    assert config.current_bits == config.psum_bits + 1
    assert config.membrane_bits == config.psum_bits + 5 + 3


@pytest.mark.parametrize("max_fan_in", [8, 9, 16, 24, 64, 4096, 65536])
@pytest.mark.parametrize("weight_bits", [2, 8])
def test_no_psum_overflows(max_fan_in, weight_bits):
    config = FTPConfig(chunk=8, laggy_adders=8, max_fan_in=max_fan_in, weight_bits=weight_bits)
    positions = config.max_chunks * config.chunk
    assert -(positions << (weight_bits - 1)) >= -(1 << (config.psum_bits - 1))
    assert positions * ((1 << (weight_bits - 1)) - 1) < 1 << (config.psum_bits - 1)


def test_hash_tells_configurations_apart():
    assert FTPConfig().hash() == FTPConfig().hash()
    variants = [FTPConfig(), FTPConfig(timesteps=5), FTPConfig(inner_join="fast_fast"),
                FTPConfig(max_fan_in=4095)]
    assert len({config.hash() for config in variants}) == len(variants)
    assert re.fullmatch("[0-9a-f]{16}", FTPConfig().hash())
