# SPDX-License-Identifier: Apache-2.0
"""Parameters of the attention unit: each wrong one is named."""

import dataclasses
import re

import pytest

from spikeloom.gen.presets import load_config
from spikeloom.rtl.config import AcceleratorConfig, AttentionConfig, ConfigError


@pytest.mark.parametrize("fields, text", [
    ({"channels": 0}, "channels must be an int in 1..4096, not 0"),
    ({"head_channels": 1025}, "head_channels must be an int in 1..1024, not 1025"),
    ({"adders": 65}, "adders must be an int in 1..64, not 65"),
    ({"adders": 12}, "adders must be a power of two, not 12"),
    ({"chunk_steps": 17}, "chunk_steps must be an int in 1..16, not 17"),
    ({"order": "softmax"}, "order must be one of sums, scores, not 'softmax'"),
    ({"channels": 40}, "channels must be a multiple of adders (16), not 40"),
    ({"head_channels": 24}, "head_channels must be a multiple of adders (16), not 24"),
    ({"channels": 32}, "head_channels must be at most channels (32), not 64"),
])
def test_field(fields, text):
    with pytest.raises(ConfigError, match=re.escape(text)):
        AttentionConfig(**fields)


@pytest.mark.parametrize("fields, part, text", [
    ({}, {"adders": 4}, "attention.adders must be a multiple of beat_values (8), not 4"),
    ({}, {"chunk_steps": 5}, "attention.chunk_steps must be at most timesteps (4), not 5"),
    ({}, {"chunks": 5}, "attention.chunks must be at most timesteps (4), not 5"),
    ({"tppes": 2}, {}, "attention.rows must be at most tile_rows (2), not 4"),
    ({}, {"tokens": 4096}, "attention.chunk_steps must fit psum_bits (20), not be 524288"),
    ({"requantize": 0}, {}, "requantize must be 1 with attention, not 0"),
])
def test_accelerator(fields, part, text):
    with pytest.raises(ConfigError, match=re.escape(text)):
        AcceleratorConfig(**fields, attention=AttentionConfig(**part))


def test_part_must_be_a_table():
    with pytest.raises(ConfigError, match="attention must be a table of parameters, not 3"):
        AcceleratorConfig(attention=3)


def test_limits_of_the_published_sizes():
    """Sums and results of CIFAR 2-512, and of event cameras."""
    part = load_config("statten").attention
    assert part.count_limit == 128 and part.result_limit == 8192
    events = dataclasses.replace(part, head_channels=32, tokens=256, chunk_steps=5, chunks=2)
    assert events.count_limit.bit_length() == 11 and events.result_limit == 40960
