# SPDX-License-Identifier: Apache-2.0
"""The GELU in Verilator against the golden op."""

import pytest

from spikeloom.rtl.config import VitConfig
from spikeloom.verif.runner import Run, run_bench

CONFIGS = {
    "preset": VitConfig(),
    "odd": VitConfig(max_channels=11, max_tokens=13, token_bits=9, value_bits=5, beta_bits=9,
                     norm_fraction_bits=0, reciprocal_bits=8, score_bits=11, index_bits=2,
                     power_bits=9, probability_bits=5),
}


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_bench(config):
    run_bench(Run(unit="gelu", config=config, bench="tb_gelu"))
