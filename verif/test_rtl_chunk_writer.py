# SPDX-License-Identifier: Apache-2.0
"""The chunk writer in Verilog against its golden op."""

import pytest

from spikeloom.rtl.config import AcceleratorConfig
from spikeloom.verif.runner import Run, run_bench

CONFIGS = {
    "one_timestep": AcceleratorConfig(
        timesteps=1, chunk=8, laggy_adders=8, beat_values=8, tppes=1, max_fan_in=24,
        memory_bits=64, max_columns=8),
    "one_beat_a_word": AcceleratorConfig(
        timesteps=4, chunk=32, laggy_adders=8, beat_values=8, weight_bits=4, tppes=3,
        max_fan_in=96, memory_bits=32, burst_words=4, max_columns=32),
    "mask_of_three_words": AcceleratorConfig(
        timesteps=5, chunk=72, laggy_adders=8, beat_values=4, tppes=4, max_fan_in=216,
        memory_bits=32, burst_words=2, max_columns=72),
    "loas": AcceleratorConfig(),
}


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_bench(config):
    run_bench(Run(unit="chunk_writer", config=config, bench="tb_chunk_writer"))
