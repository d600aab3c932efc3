# SPDX-License-Identifier: Apache-2.0
"""The ADCs in Verilator against the golden op."""

import pytest

from spikeloom.rtl.config import CrossbarConfig
from spikeloom.verif.runner import Run, run_bench

CONFIGS = {
    "whole_numbers": CrossbarConfig(rows=16, columns=24, adc_bits=3, adc_shift=0, weight_bits=3),
    "one_adc": CrossbarConfig(rows=250, columns=16, cell_bits=4, adc_bits=10, adc_shift=5,
                              columns_per_adc=16, noise_bits=16, noise_shift=5, beat_values=2),
}


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_bench(config):
    run_bench(Run(unit="adc", config=config, bench="tb_adc"))
