# SPDX-License-Identifier: Apache-2.0
"""The time-to-first-spike core in Verilator against the golden network."""

import dataclasses

import pytest

from spikeloom.verif.runner import Run, run_bench
from spikeloom.verif.unit_configs import odd_config

ODD = odd_config("ttfs_core")
RUNS = {  # name: (configuration, tests)
    "both": (ODD, ""),
    "linear": (dataclasses.replace(ODD, lanes=2, time_bits=9, kernel="linear", weight_bits=6,
                                   charge_bits=12, neuron_groups=320, time_groups=640,
                                   weight_words=3072, first_groups=8),
               "matches_golden.*shape=(shuffle|res)/pauses=0.4"),
}


@pytest.mark.parametrize("config, tests", RUNS.values(), ids=RUNS)
def test_bench(config, tests):
    run_bench(Run(unit="ttfs_core", config=config, bench="tb_ttfs_core", tests=tests))
