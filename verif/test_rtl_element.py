# SPDX-License-Identifier: Apache-2.0
"""The element that looks weights up, in Verilator, against the golden op."""

import pytest

from spikeloom.rtl.config import ArrayConfig
from spikeloom.verif.runner import Run, run_bench

_SMALL = {"tppes": 1, "output_lanes": 1, "laggy_adders": 8}
CONFIGS = {
    "usual": ArrayConfig(max_fan_in=256),
    "one_row": ArrayConfig(timesteps=1, chunk=8, beat_values=1, max_fan_in=40, rows_per_pe=1,
                           probes=1, hit_fifo_depth=4, **_SMALL),
    "two_rows": ArrayConfig(timesteps=5, chunk=24, beat_values=4, max_fan_in=100, weight_bits=3,
                            rows_per_pe=2, probes=2, hit_fifo_depth=5, **_SMALL),
    "one_beat": ArrayConfig(timesteps=4, chunk=8, beat_values=8, max_fan_in=60, weight_bits=2,
                            rows_per_pe=4, probes=1, hit_fifo_depth=8, **_SMALL),
    "one_chunk": ArrayConfig(timesteps=4, chunk=8, beat_values=2, max_fan_in=8, weight_bits=5,
                             rows_per_pe=2, probes=4, hit_fifo_depth=4, **_SMALL),
}


@pytest.mark.parametrize("bench", ["tb_element", "tb_element_errors"])
@pytest.mark.parametrize("pe", ["scan", "bcast"])
@pytest.mark.parametrize("name", CONFIGS)
def test_bench(name, pe, bench):
    fields = CONFIGS[name].as_dict() | {"pe": pe}
    run_bench(Run(unit="element", config=ArrayConfig(**fields), bench=bench))
