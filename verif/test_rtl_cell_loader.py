# SPDX-License-Identifier: Apache-2.0
"""The cell loader in Verilator against the golden op."""

import pytest

from spikeloom.rtl.config import AcceleratorConfig, CrossbarConfig
from spikeloom.verif.runner import Run, run_bench

_BASE = dict(timesteps=3, chunk=8, weight_bits=4, tppes=2, laggy_adders=2, max_fan_in=64,
             guard_bits=8, weight_buffer_beats=64)
_MACROS = dict(weight_bits=4, timesteps=3)
CONFIGS = {
    "rows_of_three_chunks": AcceleratorConfig(
        **_BASE, beat_values=2, memory_bits=32, crossbar=CrossbarConfig(
            **_MACROS, rows=24, columns=37, columns_per_adc=1, encoding="sign", tiles=2,
            beat_values=2)),
    "wide_words": AcceleratorConfig(
        **_BASE, beat_values=4, memory_bits=128, crossbar=CrossbarConfig(
            **_MACROS, rows=20, columns=42, columns_per_adc=1, fraction_bits=8, adc_shift=8,
            cell_bits=4, encoding="offset", tiles=3, beat_values=4)),
    "one_tile": AcceleratorConfig(
        **_BASE, beat_values=8, memory_bits=64, crossbar=CrossbarConfig(
            **_MACROS, rows=16, columns=48, encoding="differential", beat_values=8)),
}


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_bench(config):
    run_bench(Run(unit="cell_loader", config=config, bench="tb_cell_loader"))
