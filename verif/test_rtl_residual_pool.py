# SPDX-License-Identifier: Apache-2.0
"""The residual pool in Verilator against the golden operation."""

import pytest

from spikeloom.rtl.config import AcceleratorConfig, AttentionConfig
from spikeloom.verif.runner import Run, run_bench

_ATTENTION = dict(channels=8, head_channels=8, adders=4, tokens=4, chunk_steps=1, chunks=1, rows=1)
_BASE = dict(chunk=8, laggy_adders=2, max_fan_in=128, guard_bits=8, weight_buffer_beats=64,
             beat_values=2)
CONFIGS = {  # residuals of several in a word, of one, of several words
    "wide": AcceleratorConfig(**_BASE, timesteps=2, tppes=4, memory_bits=128,
                              attention=AttentionConfig(**_ATTENTION)),
    "equal": AcceleratorConfig(**_BASE, timesteps=4, tppes=3, memory_bits=64,
                               attention=AttentionConfig(**_ATTENTION)),
    "narrow": AcceleratorConfig(**_BASE, timesteps=5, tppes=2, memory_bits=32,
                                attention=AttentionConfig(**_ATTENTION)),
}


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_bench(config):
    run_bench(Run(unit="residual_pool", config=config, bench="tb_residual_pool"))
