# SPDX-License-Identifier: Apache-2.0
"""Configurations of the crossbar: every limit, every error text, and what is derived."""

import dataclasses
import re

import pytest

from spikeloom.rtl.config import (
    ENCODINGS,
    AcceleratorConfig,
    AnalogTiming,
    ConfigError,
    CrossbarConfig,
)

LIMITS = {
    "rows": (16, 256),
    "columns": (16, 256),
    "cell_bits": (1, 4),
    "on_off": (2, 10000),
    "fraction_bits": (0, 8),
    "weight_bits": (2, 8),
    "adc_bits": (3, 10),
    "adc_shift": (0, 12),
    "columns_per_adc": (1, 256),
    "noise_bits": (0, 16),
    "noise_shift": (0, 10),
    "noise_seed": (0, (1 << 31) - 1),
    "pulse_bits": (1, 12),
    "pulse_loss": (0, 4),
    "max_pulses": (1, 255),
    "tiles": (1, 16),
    "timesteps": (1, 16),
    "beat_values": (1, 64),
    "neurons": (1, 65536),
    "counter_bits": (16, 64),
}
FITTING = {("columns_per_adc", 256): {"columns": 256}}


def _refused(text, **fields):
    with pytest.raises(ConfigError, match=f"^{re.escape(text)}$"):
        CrossbarConfig(**fields)


def test_every_number_has_limits():
    numbers = {field.name for field in dataclasses.fields(CrossbarConfig) if field.type is int}
    assert numbers == LIMITS.keys()


@pytest.mark.parametrize("name", LIMITS)
def test_limits(name):
    low, high = LIMITS[name]
    for value in (low, high):
        fields = FITTING.get((name, value), {}) | {name: value}
        assert getattr(CrossbarConfig(**fields), name) == value
    for value in (low - 1, high + 1, "4", 4.0, True, None):
        _refused(f"{name} must be an int in {low}..{high}, not {value!r}", **{name: value})


def test_fields_must_fit_each_other():
    _refused("encoding must be one of differential, offset, sign, not 'none'", encoding="none")
    _refused("columns_per_adc must divide columns (64), not be 24", columns_per_adc=24)
    _refused("beat_values must divide rows (64), not be 12", beat_values=12)
    _refused("noise_bits must be even, not 3", noise_bits=3)
    assert CrossbarConfig(columns=16, cell_bits=1).columns_per_output == 14


def test_derived_values():
    config = CrossbarConfig(tiles=3)
    assert (config.adcs, config.slices, config.columns_per_output, config.outputs) == (8, 4, 8, 8)
    assert (config.g_min, config.cell_word_bits, config.inputs) == (2, 9, 192)
    sign = CrossbarConfig(encoding="sign", weight_bits=4, adc_shift=4)
    assert (sign.slices, sign.outputs, sign.weight_limits) == (2, 32, (-8, 7))
    assert (sign.result_fraction_bits, sign.code_shift) == (2, 0)
    assert CrossbarConfig(adc_shift=8).code_shift == 2


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("fields", [
    {}, dict(adc_shift=9), dict(adc_shift=0), dict(cell_bits=1, rows=256), dict(weight_bits=2)])
def test_no_result_overflows(encoding, fields):
    config = CrossbarConfig(encoding=encoding, tiles=3, timesteps=5, **fields)
    code = (1 << config.adc_bits) - 1
    most = sum(code << (config.cell_bits * k) for k in range(config.slices)) << config.code_shift
    sign = config.rows << (config.weight_bits - 1 + config.result_fraction_bits)
    low = -most if encoding == "differential" else -sign
    half = 1 << (config.result_bits - 1)
    assert -half <= low and most < half
    planes = (1 << config.timesteps) - 1
    half = 1 << (config.psum_bits - 1)
    assert -half <= 3 * planes * low and 3 * planes * most < half


def test_highest_level_fits_its_word():
    for cell_bits in (1, 2, 3, 4):
        for on_off in (2, 3, 100):
            config = CrossbarConfig(cell_bits=cell_bits, on_off=on_off, columns=64)
            top = config.g_min + (((1 << cell_bits) - 1) << config.fraction_bits)
            assert top < 1 << config.cell_word_bits
            assert abs(top - on_off * config.g_min) <= on_off / 2, "g_min is rounded"


def test_noise_starts_elsewhere_for_each_adc():
    states = {CrossbarConfig(noise_seed=seed).noise_state(tile, adc)
              for seed in range(3) for tile in range(3) for adc in range(8)}
    assert len(states) == 72 and all(0 < state < 1 << 31 for state in states)


def test_time_of_the_analog_part():
    timing, config = AnalogTiming(settle_ns=10.0, adc_bit_ns=2.0, pulse_ns=50.0), CrossbarConfig()
    assert timing.read_ns(config) == 10 + 8 * 7 * 2
    assert timing.program_ns(config, pulses=3, verify_reads=4) == 3 * 50 + 4 * (10 + 7 * 2)


def _accelerator(fields=None, **crossbar):
    macros = dict(rows=32, columns=128, weight_bits=4, adc_shift=6, timesteps=3, beat_values=4)
    return AcceleratorConfig(**{
        "timesteps": 3, "chunk": 32, "weight_bits": 4, "beat_values": 4, "max_fan_in": 64,
        "guard_bits": 8, "crossbar": CrossbarConfig(**macros | crossbar), **(fields or {})})


def test_a_part_of_an_accelerator():
    config = _accelerator()
    assert AcceleratorConfig.from_dict(config.as_dict()) == config
    assert config.as_dict()["crossbar"] == config.crossbar.as_dict()
    assert config.flat()["crossbar.rows"] == 32 and "crossbar" not in config.flat()
    assert "crossbar" not in AcceleratorConfig().as_dict()
    assert AcceleratorConfig().hash() == "f847dc544af3ace5", "without crossbars it stays the same"
    assert len({config.hash(), _accelerator(adc_bits=7).hash(),
                _accelerator({"crossbar": None}).hash()}) == 3


@pytest.mark.parametrize(("fields", "text"), [
    (dict(timesteps=4), "crossbar.timesteps must be timesteps (3), not 4"),
    (dict(beat_values=8), "crossbar.beat_values must be beat_values (4), not 8"),
    (dict(weight_bits=3), "crossbar.weight_bits must be weight_bits (4), not 3"),
    (dict(counter_bits=31), "crossbar.counter_bits must be counter_bits (32), not 31"),
    (dict(adc_shift=5), "crossbar.adc_shift must be at least crossbar.fraction_bits (6), not 5"),
    (dict(noise_bits=2), "crossbar.noise_bits must be 0, not 2"),
    (dict(columns=120), "outputs of a crossbar must be at least chunk (32), not 30"),
    (dict(adc_bits=10, adc_shift=12),
     "results of all tiles of the crossbar must fit psum_bits (18), not be up to 327360"),
])
def test_macros_must_fit_the_accelerator(fields, text):
    with pytest.raises(ConfigError, match=f"^{re.escape(text)}$"):
        _accelerator(**fields)


def test_a_part_must_be_a_table():
    with pytest.raises(ConfigError, match="^crossbar must be a table of parameters, not 3$"):
        AcceleratorConfig(crossbar=3)
    with pytest.raises(ConfigError, match="^crossbar: rows must be an int in 16..256, not 1$"):
        AcceleratorConfig.from_dict({"crossbar": {"rows": 1}})
