# SPDX-License-Identifier: Apache-2.0
"""The attention array in Verilator against the golden operation."""

import dataclasses

import pytest

from spikeloom.rtl.config import AcceleratorConfig, AttentionConfig
from spikeloom.verif.runner import Run, run_bench

_BASE = dict(chunk=8, laggy_adders=2, max_fan_in=128, guard_bits=4, weight_buffer_beats=64)
CONFIGS = {
    "four_steps": AcceleratorConfig(
        **_BASE, timesteps=4, tppes=3, beat_values=2, attention=AttentionConfig(
            channels=24, head_channels=12, adders=4, tokens=7, chunk_steps=4, chunks=4, rows=3)),
    "five_steps": AcceleratorConfig(
        **_BASE, timesteps=5, tppes=2, beat_values=4, attention=AttentionConfig(
            channels=24, head_channels=8, adders=8, tokens=5, chunk_steps=5, chunks=1, rows=2)),
    "one_row": AcceleratorConfig(
        **_BASE, timesteps=2, tppes=1, beat_values=1, attention=AttentionConfig(
            channels=5, head_channels=5, adders=1, tokens=3, chunk_steps=1, chunks=2, rows=1)),
}
for _name in ("four_steps", "five_steps"):
    CONFIGS[f"{_name}_scores"] = dataclasses.replace(
        CONFIGS[_name], attention=dataclasses.replace(CONFIGS[_name].attention, order="scores"))


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_bench(config):
    run_bench(Run(unit="attention_array", config=config, bench="tb_attention_array"))
