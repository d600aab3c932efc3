# SPDX-License-Identifier: Apache-2.0
"""The compressor in Verilator against the golden op."""

import pytest

from spikeloom.rtl.config import FTPConfig
from spikeloom.verif.runner import Run, run_bench

CONFIGS = {
    "one_timestep": FTPConfig(timesteps=1, chunk=8, laggy_adders=8, beat_values=1, tppes=1,
                              max_fan_in=24),
    "one_beat": FTPConfig(timesteps=16, chunk=8, laggy_adders=8, beat_values=8, tppes=3,
                          max_fan_in=60),
    "uneven": FTPConfig(timesteps=5, chunk=24, laggy_adders=8, beat_values=4, tppes=3,
                        max_fan_in=60),
    "loas": FTPConfig(),
}


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_bench(config):
    run_bench(Run(unit="compressor", config=config, bench="tb_compressor"))
