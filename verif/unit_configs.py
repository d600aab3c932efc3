# SPDX-License-Identifier: Apache-2.0
"""Configurations that every unit is emitted, synthesized and linted at, by its family."""

import dataclasses
from typing import Any

from ..gen.presets import load_unit_config, preset_names
from ..gen.units import FAMILIES, UNITS, family_of, units_of
from ..rtl.config import (
    AcceleratorConfig,
    ArrayConfig,
    AttentionConfig,
    Config,
    CrossbarConfig,
    FTPConfig,
    LinkConfig,
    TrainConfig,
    TTFSConfig,
    VitConfig,
    VitCoreConfig,
)

__all__ = ["linted_configs", "odd_config", "smallest_config"]

_ODD: dict[type[Config], Config] = {  # small, and no two sizes alike
    AcceleratorConfig: AcceleratorConfig(
        timesteps=5, chunk=8, weight_bits=3, tppes=2, laggy_adders=2, match_fifo_depth=2,
        beat_values=2, max_fan_in=32, column_fifo_depth=2, memory_bits=32, burst_words=2,
        fetch_depth=2, weight_buffer_beats=64, max_columns=16, probes=2, hit_fifo_depth=4),
    ArrayConfig: ArrayConfig(
        timesteps=5, chunk=8, weight_bits=3, tppes=2, laggy_adders=2, beat_values=2,
        max_fan_in=32, rows_per_pe=2, probes=2, hit_fifo_depth=4, output_lanes=1),
    CrossbarConfig: CrossbarConfig(
        rows=18, columns=16, cell_bits=2, on_off=10, fraction_bits=3, weight_bits=5,
        encoding="sign", adc_bits=5, adc_shift=2, columns_per_adc=8, noise_bits=4, noise_shift=1,
        pulse_bits=5, pulse_loss=2, max_pulses=5, tiles=2, timesteps=3, beat_values=6,
        neurons=10, counter_bits=16),
    LinkConfig: LinkConfig(divisor=5, words=6),
    TTFSConfig: TTFSConfig(
        lanes=4, time_bits=7, max_tau_shift=3, charge_bits=14, guard_bits=6, delay_bits=4,
        neuron_groups=160, time_groups=320, weight_words=1536, maps=16, edges=32,
        channel_entries=256, max_side=16, max_kernel=6, image_bytes=512, first_groups=6,
        accumulator_bits=24),
    TrainConfig: TrainConfig(
        lanes=2, max_inputs=4, max_outputs=8, max_rank=2, max_timesteps=4, max_pixels=15,
        max_windows=5, max_classes=4, counter_bits=20),
    VitConfig: VitConfig(
        max_channels=11, max_tokens=13, token_bits=10, value_bits=6, beta_bits=14,
        norm_fraction_bits=5, reciprocal_bits=9, score_bits=12, index_bits=3, power_bits=8,
        probability_bits=7),
    VitCoreConfig: VitCoreConfig(
        max_channels=11, max_tokens=13, norm_fraction_bits=5, reciprocal_bits=9, index_bits=3,
        power_bits=8, probability_bits=7, values=100, parameters=50, instructions=9,
        macro_rows=18, macro_columns=64, tiles=2, beat_values=6, adc_bits=5, gelu_tables=3),
}
_SMALLEST: dict[type[Config], Config] = _ODD | {AcceleratorConfig: load_unit_config("tiny")}
_LOOKUP: dict[str, Any] = {"pe": "scan", "rows_per_pe": 2, "probes": 2}  # of an accelerator
_MACROS: dict[str, Any] = {"rows": 16, "cell_bits": 4, "encoding": "sign", "on_off": 10,
                           "fraction_bits": 1, "adc_shift": 1, "tiles": 2}
_LEAST = AcceleratorConfig(
    timesteps=1, chunk=8, weight_bits=2, tppes=1, laggy_adders=1, match_fifo_depth=2,
    beat_values=1, max_fan_in=8, column_fifo_depth=2, counter_bits=16, memory_bits=32,
    memory_words=256, burst_words=2, fetch_depth=2, weight_buffer_beats=64, max_columns=8,
    requantize=0)
_LEAST_ATTENTION = AttentionConfig(
    channels=1, head_channels=1, adders=1, tokens=1, chunk_steps=1, chunks=1, rows=1)
_MOST_ATTENTION: dict[str, Any] = {  # more adders, channels and tokens only make long Verilog
    "channels": 64, "head_channels": 64, "adders": 16, "tokens": 64}
_LEAST_ARRAY = ArrayConfig(
    timesteps=1, chunk=8, weight_bits=2, tppes=1, laggy_adders=1, beat_values=1, max_fan_in=8,
    counter_bits=16, rows_per_pe=1, probes=1, hit_fifo_depth=4, output_lanes=1)
_LEAST_CROSSBAR = CrossbarConfig(
    rows=16, columns=16, cell_bits=1, on_off=10000, fraction_bits=0, weight_bits=2,
    encoding="sign", adc_bits=3, adc_shift=0, columns_per_adc=16, noise_seed=0, pulse_bits=1,
    pulse_loss=0, max_pulses=1, timesteps=1, beat_values=1, neurons=1, counter_bits=16)
_ENDS: dict[type[Config], dict[str, Config]] = {  # of all ranges
    AcceleratorConfig: {
        "least": _LEAST,
        "most_tppes": dataclasses.replace(_LEAST, tppes=64, inner_join="fast_fast",
                                          laggy_adders=8),
        "most": AcceleratorConfig(
            timesteps=16, chunk=256, weight_bits=8, tppes=2, laggy_adders=256,
            match_fifo_depth=64, beat_values=8, max_fan_in=65536, column_fifo_depth=64,
            counter_bits=64, guard_bits=12, each_step=1, memory="on_chip",
            memory_bits=128, burst_words=128,
            # longer buffers only make long Verilog
            fetch_depth=64, weight_buffer_beats=2048, max_columns=2048,
            attention=AttentionConfig(**_MOST_ATTENTION, chunk_steps=16, chunks=16, rows=2)),
        "least_lookup": dataclasses.replace(_LEAST, pe="scan", probes=1, hit_fifo_depth=4),
        "most_lookup": AcceleratorConfig(
            # more timesteps only make long Verilog, and ArrayConfig has them
            pe="bcast", timesteps=2, chunk=256, weight_bits=8, tppes=2, laggy_adders=256,
            beat_values=8, max_fan_in=1024, counter_bits=64, guard_bits=8, rows_per_pe=16,
            probes=8, hit_fifo_depth=64, max_columns=2048, attention=AttentionConfig(
                **_MOST_ATTENTION, chunk_steps=2, chunks=2, rows=32, order="scores")),
        "least_parts": dataclasses.replace(
            _LEAST, guard_bits=8, requantize=1, crossbar=_LEAST_CROSSBAR,
            attention=_LEAST_ATTENTION),
        "most_elements": dataclasses.replace(_LEAST, pe="bcast", probes=1, tppes=64),
        "most_beat_values": FTPConfig(  # of units that have nothing to do with the memory
            timesteps=16, chunk=64, weight_bits=8, tppes=2, laggy_adders=64,
            match_fifo_depth=64, beat_values=64, max_fan_in=65536, column_fifo_depth=64,
            counter_bits=64),
    },
    ArrayConfig: {
        "least": _LEAST_ARRAY,
        "most": ArrayConfig(
            pe="bcast", timesteps=16, chunk=256, weight_bits=8, tppes=2, laggy_adders=256,
            beat_values=16, max_fan_in=1024, counter_bits=64, guard_bits=8, rows_per_pe=16,
            probes=16, hit_fifo_depth=64, weight_streams=2, output_lanes=2),
        "most_tppes": dataclasses.replace(_LEAST_ARRAY, tppes=64, weight_streams=64,
                                          output_lanes=64),
    },
    CrossbarConfig: {
        "least": _LEAST_CROSSBAR,
        "most": CrossbarConfig(  # more tiles and columns only make long Verilog
            rows=256, columns=32, cell_bits=4, on_off=2, fraction_bits=8, weight_bits=8,
            encoding="offset", adc_bits=10, adc_shift=12, columns_per_adc=32, noise_bits=16,
            noise_shift=10, noise_seed=(1 << 31) - 1, pulse_bits=12, pulse_loss=4, max_pulses=255,
            tiles=2, timesteps=16, beat_values=64, neurons=65536, counter_bits=64),
        "an_adc_for_each_column": dataclasses.replace(
            _LEAST_CROSSBAR, encoding="differential", columns_per_adc=1, weight_bits=8),
    },
    LinkConfig: {
        "least": LinkConfig(divisor=4, words=1),
        "most": LinkConfig(divisor=65535, words=64),
    },
    TTFSConfig: {
        "least": TTFSConfig(
            lanes=2, time_bits=4, kernel="linear", max_tau_shift=1, weight_bits=2, charge_bits=4,
            guard_bits=1, delay_bits=1, neuron_groups=4, time_groups=4, weight_words=4, maps=2,
            edges=2, channel_entries=4, max_side=4, max_kernel=2, image_bytes=16, first_groups=1,
            accumulator_bits=16),
        "most": TTFSConfig(  # longer memories only make long Verilog
            lanes=64, time_bits=10, kernel="exponential", max_tau_shift=8, weight_bits=8,
            charge_bits=24, guard_bits=12, delay_bits=8, neuron_groups=64, time_groups=64,
            weight_words=64, maps=64, edges=256, channel_entries=64, max_side=256,
            max_kernel=16, image_bytes=1024, first_groups=16, accumulator_bits=32),
    },
    TrainConfig: {
        "least": TrainConfig(
            lanes=2, max_inputs=1, max_outputs=1, max_rank=1, max_timesteps=1, max_pixels=1,
            max_windows=1, max_classes=2, counter_bits=16),
        "least_array": TrainConfig(
            lanes=2, max_inputs=1, max_outputs=1, max_rank=1, max_timesteps=1, max_pixels=1,
            max_windows=1, max_classes=2, counter_bits=16, single_array=1),
        "most": TrainConfig(  # longer memories only make long Verilog
            lanes=32, max_inputs=64, max_outputs=64, max_rank=64, max_timesteps=16, max_pixels=16,
            max_windows=16, max_classes=32, counter_bits=32),
    },
    VitConfig: {
        "least": VitConfig(
            max_channels=2, max_tokens=2, token_bits=8, value_bits=4, beta_bits=8,
            norm_fraction_bits=0, reciprocal_bits=8, score_bits=8, index_bits=1, power_bits=8,
            probability_bits=2),
        "most": VitConfig(
            max_channels=4096, max_tokens=4096, token_bits=24, value_bits=8, beta_bits=32,
            norm_fraction_bits=15, reciprocal_bits=20, score_bits=32, index_bits=8,
            power_bits=16, probability_bits=8),
    },
    VitCoreConfig: {
        "least": VitCoreConfig(
            max_channels=2, max_tokens=2, norm_fraction_bits=0, reciprocal_bits=8, index_bits=1,
            power_bits=8, probability_bits=2, values=16, parameters=16, instructions=2,
            macro_rows=16, macro_columns=64, tiles=1, beat_values=1, adc_bits=3, gelu_tables=1),
        "most": VitCoreConfig(  # more macros and columns only make long Verilog
            max_channels=4096, max_tokens=4096, norm_fraction_bits=15, reciprocal_bits=20,
            index_bits=8, power_bits=16, probability_bits=8, values=1 << 16, parameters=1 << 16,
            instructions=256, macro_rows=256, macro_columns=64, tiles=2, beat_values=64,
            adc_bits=10, gelu_tables=16),
    },
}


def smallest_config(unit: str) -> Config:
    """Return a configuration at which the unit's Verilog is short."""
    return _with_unit(_SMALLEST[family_of(unit).config], unit)


def odd_config(unit: str) -> Config:
    """Return a small configuration with as many different sizes as possible."""
    return _with_unit(_ODD[family_of(unit).config], unit)


def linted_configs(unit: str) -> dict[str, Config]:
    """Return by name the presets that have the unit, and the ends of all ranges."""
    family = family_of(unit)
    name = next(name for name, other in FAMILIES.items() if other is family)
    presets = {preset: load_unit_config(preset) for preset in preset_names(name)}
    found = {preset: config for preset, config in presets.items() if unit in units_of(config)}
    for name, config in _ENDS[family.config].items():
        if isinstance(config, family.config):
            if unit in units_of(config):
                found[name] = config
        elif ".ftp." in UNITS[unit].__module__:
            found[name] = config
    return found


def _with_unit(config: Config, unit: str) -> Config:
    """Return the configuration, or one with the parts that the unit wants."""
    if unit in units_of(config):
        return config
    lookup = dataclasses.replace(config, **_LOOKUP)
    choices = (lookup, _with_crossbars(config), _with_attention(config))
    return next(choice for choice in choices if unit in units_of(choice))


def _with_crossbars(config: Any) -> AcceleratorConfig:
    """Return the configuration of an accelerator with small macros."""
    shared = {name: getattr(config, name)
              for name in ("timesteps", "weight_bits", "beat_values", "counter_bits")}
    slices = -(-(config.weight_bits - 1) // _MACROS["cell_bits"])
    return dataclasses.replace(config, guard_bits=8, crossbar=CrossbarConfig(
        **_MACROS, **shared, columns=max(16, config.chunk * slices)))


def _with_attention(config: Any) -> AcceleratorConfig:
    """Return the configuration of an accelerator with a small attention unit."""
    adders = 2 * config.beat_values
    return dataclasses.replace(
        config, max_fan_in=max(config.max_fan_in, 64 * config.chunk), guard_bits=8, requantize=1,
        attention=AttentionConfig(
            channels=3 * adders, head_channels=adders, adders=adders, tokens=3,
            chunk_steps=config.timesteps, chunks=1, rows=config.tile_rows))
