# SPDX-License-Identifier: Apache-2.0
"""The spiking array in Verilator against the golden ops."""

import pytest

from spikeloom.rtl.config import ArrayConfig
from spikeloom.verif.runner import Run, run_bench

CONFIGS = {
    "scan": ArrayConfig(timesteps=3, chunk=16, weight_bits=3, tppes=4, laggy_adders=2,
                        beat_values=2, max_fan_in=40, counter_bits=16, rows_per_pe=2, probes=2,
                        hit_fifo_depth=4, weight_streams=2, output_lanes=2),
    "bcast": ArrayConfig(pe="bcast", timesteps=4, chunk=16, weight_bits=4, tppes=8, laggy_adders=2,
                         beat_values=1, max_fan_in=32, rows_per_pe=1, probes=4,
                         hit_fifo_depth=8, weight_streams=4, output_lanes=4),
    "three_elements": ArrayConfig(pe="bcast", timesteps=5, chunk=24, weight_bits=3, tppes=3,
                                  laggy_adders=2, beat_values=4, max_fan_in=72, rows_per_pe=4,
                                  probes=2, hit_fifo_depth=4, output_lanes=1),
    "one_row": ArrayConfig(timesteps=1, chunk=8, weight_bits=2, tppes=1, laggy_adders=8,
                           beat_values=1, max_fan_in=24, rows_per_pe=1, probes=1,
                           hit_fifo_depth=4, output_lanes=1),
}


@pytest.mark.parametrize("bench", ["tb_spiking_array", "tb_spiking_array_errors"])
@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_bench(config, bench):
    run_bench(Run(unit="spiking_array", config=config, bench=bench))
