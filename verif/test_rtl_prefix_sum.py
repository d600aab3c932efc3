# SPDX-License-Identifier: Apache-2.0
"""Both prefix sums in Verilator against the golden op."""

import pytest

from spikeloom.rtl.config import FTPConfig
from spikeloom.verif.runner import Run, run_bench

CONFIGS = {
    "smallest": FTPConfig(chunk=8, laggy_adders=8, beat_values=1),
    "one_adder": FTPConfig(chunk=24, laggy_adders=1, beat_values=2),
    "loas": FTPConfig(),
    "widest": FTPConfig(chunk=256, laggy_adders=64),
}


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
@pytest.mark.parametrize("unit", ["prefix_sum_fast", "prefix_sum_laggy"])
def test_bench(unit, config):
    steps = config.chunk // config.laggy_adders if unit == "prefix_sum_laggy" else 0
    run_bench(Run(unit=unit, config=config, bench="tb_prefix_sum",
                  parameters={"latency": 1 + steps}))
