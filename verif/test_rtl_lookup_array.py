# SPDX-License-Identifier: Apache-2.0
"""The lookup array in Verilator against the golden op."""

import pytest

from spikeloom.rtl.config import AcceleratorConfig
from spikeloom.verif.runner import Run, run_bench

CONFIGS = {
    "scan": AcceleratorConfig(pe="scan", timesteps=3, chunk=16, weight_bits=3, tppes=4,
                              laggy_adders=2, beat_values=2, max_fan_in=40, counter_bits=16,
                              rows_per_pe=2, probes=2, hit_fifo_depth=4),
    "three_elements": AcceleratorConfig(pe="bcast", timesteps=5, chunk=24, weight_bits=3, tppes=3,
                                        laggy_adders=2, beat_values=4, max_fan_in=72,
                                        rows_per_pe=4, probes=2, hit_fifo_depth=8,
                                        max_columns=24),
    "one_row": AcceleratorConfig(pe="scan", timesteps=1, chunk=8, weight_bits=2, tppes=1,
                                 laggy_adders=8, beat_values=1, max_fan_in=24, rows_per_pe=1,
                                 probes=1, hit_fifo_depth=4),
}


@pytest.mark.parametrize("bench", ["tb_lookup_array", "tb_lookup_array_errors"])
@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_bench(config, bench):
    run_bench(Run(unit="lookup_array", config=config, bench=bench))
