# SPDX-License-Identifier: Apache-2.0
"""The inner join in Verilator against the golden op, both variants."""

import pytest

from spikeloom.rtl.config import FTPConfig
from spikeloom.verif.mutants import CONFIG
from spikeloom.verif.runner import Run, run_bench

CONFIGS = {
    "loas": FTPConfig(max_fan_in=512),
    "one_timestep": FTPConfig(timesteps=1, chunk=8, laggy_adders=8, match_fifo_depth=2,
                              beat_values=1, max_fan_in=40),
    "short_queue": CONFIG,
    "sparten": FTPConfig(inner_join="fast_fast", chunk=32, laggy_adders=8, beat_values=8,
                         max_fan_in=128),
    "widest_words": FTPConfig(inner_join="fast_fast", timesteps=16, chunk=24, laggy_adders=1,
                              beat_values=2, weight_bits=2, max_fan_in=80),
}


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_bench(config):
    run_bench(Run(unit="inner_join", config=config, bench="tb_inner_join"))
