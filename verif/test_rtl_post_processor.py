# SPDX-License-Identifier: Apache-2.0
"""The post-processor in Verilator against the golden ops."""

import dataclasses

import pytest

from spikeloom.rtl.config import AcceleratorConfig
from spikeloom.verif.mutants import CONFIG
from spikeloom.verif.runner import Run, run_bench

CONFIGS = {
    "two_rows": CONFIG,
    "one_row": AcceleratorConfig(timesteps=1, tppes=1, chunk=8, laggy_adders=8, beat_values=1,
                                 max_fan_in=40, max_columns=24),
    "sixteen_steps": AcceleratorConfig(timesteps=16, tppes=9, chunk=8, laggy_adders=8,
                                       beat_values=2, max_fan_in=64, max_columns=24,
                                       guard_bits=2),
    "many_rows": AcceleratorConfig(timesteps=4, tppes=16, chunk=16, laggy_adders=8,
                                   beat_values=4, max_fan_in=1024, max_columns=64, guard_bits=8,
                                   each_step=1),
    "no_multipliers": dataclasses.replace(CONFIG, tppes=5, requantize=0),
}


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_bench(config):
    run_bench(Run(unit="post_processor", config=config, bench="tb_post_processor"))
