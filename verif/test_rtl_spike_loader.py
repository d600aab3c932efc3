# SPDX-License-Identifier: Apache-2.0
"""The spike loader in Verilog against the golden ops."""

import pytest
import torch

from spikeloom.models.golden.errors import GoldenError
from spikeloom.models.golden.row_walker import walk
from spikeloom.models.golden.spike_loader import load_rows
from spikeloom.rtl.config import AcceleratorConfig
from spikeloom.verif.mutants import CONFIG
from spikeloom.verif.runner import Run, run_bench

CONFIGS = {
    "two_rows": CONFIG,
    "one_timestep": AcceleratorConfig(
        timesteps=1, chunk=40, laggy_adders=8, beat_values=1, tppes=1, max_fan_in=400,
        memory_bits=32, fetch_depth=2, max_columns=40),
    "uneven": AcceleratorConfig(
        timesteps=5, chunk=24, laggy_adders=8, beat_values=4, tppes=3, max_fan_in=1000,
        memory_bits=32, fetch_depth=4, max_columns=24),
    "loas": AcceleratorConfig(),
    "mask_of_words": AcceleratorConfig(beat_values=4, memory_bits=32, fetch_depth=4),
}


@pytest.mark.parametrize("config", [
    pytest.param(config, id=name, marks=pytest.mark.long if name == "loas" else ())
    for name, config in CONFIGS.items()])
def test_bench(config):
    run_bench(Run(unit="spike_loader", config=config, bench="tb_spike_loader"))


def _layer(**fields):
    source = {"address": 100, "pass_pitch": 1000, "row_pitch": 50, "pixel_pitch": 10,
              "chunk_pitch": 5, "height": 2, "width": 2, "kernel_height": 1, "kernel_width": 1,
              "stride": 1, "padding_top": 0, "padding_left": 0, "chunks": 1,
              "taps_per_chunk": 1, "tap_positions": 8}
    layer = {"mode": 0, "source_count": 1, "pool": 1, "out_height": 2, "out_width": 2,
             "passes": 1, "windows_per_tile": 3, "members_per_tile": 1, "out_passes": 1,
             "columns": 1, "blocks": 2, "chunks": 1, "tiles": 2, "out_address": 7,
             "out_tile_pitch": 30, "out_block_pitch": 500, "silent_steps": [0, 0]}
    layer |= {name: value for name, value in fields.items() if name in layer}
    source |= {name: value for name, value in fields.items() if name not in layer}
    return layer | {"sources": [source]}


def test_golden_walk_by_hand():
    tiles = walk(_layer(), 4, 8, 4)
    found = [([row[0].address for row in tile.rows], tile.slots) for tile in tiles]
    assert found == [([100, 110, 150], (7, 3)), ([160], (37, 1)),
                     ([100, 110, 150], (507, 3)), ([160], (537, 1))]


def test_golden_rows_by_hand():
    maps = torch.zeros(2, 1, 3, 2, 2, dtype=torch.bool)
    maps[0, 0, 0, 0, 0] = maps[1, 0, 2, 0, 1] = maps[0, 0, 2, 0, 1] = True
    layer = _layer(kernel_width=3, padding_left=1, taps_per_chunk=2, tap_positions=4)
    first = load_rows(layer, [maps], 8)[0]
    assert first.tolist() == [[0, 0, 0, 0, 1, 0, 0, 0], [0, 0, 3, 0, 0, 0, 0, 0]]
    silenced = load_rows(layer | {"silent_steps": [1, 0]}, [maps], 8)[0]
    assert silenced.tolist() == [[0] * 8, [0, 0, 2, 0, 0, 0, 0, 0]]


@pytest.mark.parametrize("fields, text", [
    ({"tiles": 3}, "tiles must be 2, not 3"),
    ({"stride": 0}, r"stride must be an int in 1\.\.255, not 0"),
    ({"passes": 2}, "rows of a tile must be at most 4, not 6"),
    ({"chunks": 2}, r"chunks must be an int in 1\.\.1, not 2"),
])
def test_golden_walk_refuses(fields, text):
    if "chunks" in fields:
        layer = _layer() | fields
    else:
        layer = _layer(**fields)
    with pytest.raises(GoldenError, match=text):
        walk(layer, 4, 8, 4)
