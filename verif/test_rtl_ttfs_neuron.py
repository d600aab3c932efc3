# SPDX-License-Identifier: Apache-2.0
"""The time-to-first-spike lanes in Verilator against the golden op."""

import pytest

from spikeloom.rtl.config import TTFSConfig
from spikeloom.verif.runner import Run, run_bench

CONFIGS = {
    "both": TTFSConfig(lanes=4, time_bits=7, charge_bits=12),
    "linear": TTFSConfig(lanes=2, time_bits=6, charge_bits=9, weight_bits=5, kernel="linear"),
    "exponential": TTFSConfig(lanes=8, time_bits=5, charge_bits=11, guard_bits=5,
                              max_tau_shift=3, kernel="exponential"),
}


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_bench(config):
    run_bench(Run(unit="ttfs_neuron", config=config, bench="tb_ttfs_neuron"))
