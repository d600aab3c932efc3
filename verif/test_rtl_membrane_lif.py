# SPDX-License-Identifier: Apache-2.0
"""The LIF with membrane memory in Verilator against the golden op."""

import pytest

from spikeloom.rtl.config import CrossbarConfig
from spikeloom.verif.runner import Run, run_bench

CONFIGS = {
    "one_timestep": CrossbarConfig(rows=16, columns=16, timesteps=1, neurons=1),
    "widest": CrossbarConfig(rows=256, columns=256, cell_bits=4, adc_bits=10, adc_shift=12,
                             timesteps=16, tiles=16, neurons=100),
}


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_bench(config):
    run_bench(Run(unit="membrane_lif", config=config, bench="tb_membrane_lif"))
