# SPDX-License-Identifier: Apache-2.0
"""The FTP array in Verilator against the golden ops."""

import pytest

from spikeloom.rtl.config import FTPConfig
from spikeloom.verif.mutants import CONFIG
from spikeloom.verif.runner import Run, run_bench

CONFIGS = {
    "two_rows": CONFIG,
    "three_rows": FTPConfig(inner_join="fast_fast", timesteps=5, tppes=3, chunk=24,
                            laggy_adders=8, weight_bits=3, max_fan_in=72, counter_bits=16),
    "one_row": FTPConfig(timesteps=1, tppes=1, chunk=8, laggy_adders=8, match_fifo_depth=2,
                         beat_values=1, column_fifo_depth=2, max_fan_in=40),
}


@pytest.mark.parametrize("bench", ["tb_ftp_array", "tb_ftp_array_errors"])
@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_bench(config, bench):
    run_bench(Run(unit="ftp_array", config=config, bench=bench))
