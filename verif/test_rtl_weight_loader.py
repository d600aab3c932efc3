# SPDX-License-Identifier: Apache-2.0
"""The weight loader in Verilog against its golden op."""

import pytest

from spikeloom.rtl.config import AcceleratorConfig
from spikeloom.verif.runner import Run, run_bench

CONFIGS = {
    "one_beat_a_word": AcceleratorConfig(
        timesteps=1, chunk=8, laggy_adders=8, beat_values=8, weight_bits=4, tppes=1,
        max_fan_in=24, memory_bits=32, weight_buffer_beats=64, max_columns=8),
    "mask_of_three_words": AcceleratorConfig(
        timesteps=5, chunk=72, laggy_adders=8, beat_values=4, weight_bits=3, tppes=3,
        max_fan_in=216, memory_bits=32, weight_buffer_beats=256, max_columns=72),
    "uneven": AcceleratorConfig(
        chunk=24, laggy_adders=8, beat_values=4, max_fan_in=72, memory_bits=64,
        weight_buffer_beats=128, max_columns=24),
    "loas": AcceleratorConfig(weight_buffer_beats=512),
    "lists": AcceleratorConfig(
        pe="scan", chunk=32, laggy_adders=8, beat_values=8, tppes=4, rows_per_pe=4,
        max_fan_in=128, weight_buffer_beats=256),
    "lists_of_one_bank": AcceleratorConfig(
        pe="bcast", probes=1, chunk=8, laggy_adders=8, beat_values=8, weight_bits=4, tppes=1,
        max_fan_in=24, memory_bits=32, weight_buffer_beats=64, max_columns=8),
    "lists_without_deltas": AcceleratorConfig(
        pe="scan", probes=8, chunk=32, laggy_adders=8, beat_values=4, weight_bits=7, tppes=2,
        max_fan_in=100, memory_bits=64, weight_buffer_beats=128, max_columns=32),
}


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_bench(config):
    run_bench(Run(unit="weight_loader", config=config, bench="tb_weight_loader"))
