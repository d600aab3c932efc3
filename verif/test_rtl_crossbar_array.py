# SPDX-License-Identifier: Apache-2.0
"""The crossbar array in Verilator against the golden ops."""

import pytest

from spikeloom.rtl.config import AcceleratorConfig, CrossbarConfig
from spikeloom.verif.runner import Run, run_bench

_BASE = dict(chunk=8, laggy_adders=2, max_fan_in=64, guard_bits=8, weight_buffer_beats=64)
CONFIGS = {
    "sign": AcceleratorConfig(
        **_BASE, timesteps=3, weight_bits=2, tppes=3, beat_values=2, crossbar=CrossbarConfig(
            timesteps=3, weight_bits=2, beat_values=2, rows=20, columns=17, cell_bits=1,
            on_off=10, fraction_bits=3, encoding="sign", adc_bits=5, adc_shift=4,
            columns_per_adc=1, pulse_loss=2, tiles=3)),
    "differential": AcceleratorConfig(
        **_BASE, timesteps=2, weight_bits=3, tppes=2, beat_values=4, crossbar=CrossbarConfig(
            timesteps=2, weight_bits=3, beat_values=4, rows=16, columns=24, on_off=10,
            fraction_bits=2, adc_bits=6, adc_shift=2, columns_per_adc=3, pulse_bits=3,
            max_pulses=4, tiles=2)),
    "one_row": AcceleratorConfig(
        **_BASE, timesteps=1, weight_bits=2, tppes=1, beat_values=1, crossbar=CrossbarConfig(
            timesteps=1, weight_bits=2, beat_values=1, rows=16, columns=16, on_off=10,
            fraction_bits=2, encoding="offset", adc_bits=6, adc_shift=2, columns_per_adc=16,
            pulse_loss=0)),
}


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_bench(config):
    run_bench(Run(unit="crossbar_array", config=config, bench="tb_crossbar_array"))
