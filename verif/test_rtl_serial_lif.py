# SPDX-License-Identifier: Apache-2.0
"""The serial LIF in Verilator against the golden op."""

import pytest

from spikeloom.rtl.config import FTPConfig
from spikeloom.verif.runner import Run, run_bench

CONFIGS = {
    "one_timestep": FTPConfig(timesteps=1, chunk=8, laggy_adders=8, weight_bits=3, tppes=1,
                              max_fan_in=8),
    "loas": FTPConfig(),
    "five_timesteps": FTPConfig(timesteps=5, chunk=24, laggy_adders=8, weight_bits=4, tppes=3,
                                max_fan_in=24),
}


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_bench(config):
    run_bench(Run(unit="serial_lif", config=config, bench="tb_serial_lif"))
