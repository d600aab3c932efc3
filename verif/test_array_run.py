# SPDX-License-Identifier: Apache-2.0
"""Whole layers on the RTL of the arrays: exact, with the same cycles each time, or named wrong."""

import dataclasses
import random
import re

import pytest
import torch

from spikeloom.models.golden.ftp_array import count_matches
from spikeloom.models.golden.plif import LIF
from spikeloom.rtl.config import ArrayConfig, FTPConfig
from spikeloom.verif.array_design import array_verilog
from spikeloom.verif.array_layer import Layer, array_tiles
from spikeloom.verif.array_outputs import expected
from spikeloom.verif.array_run import run_layer
from spikeloom.verif.array_streams import map_bits
from spikeloom.verif.stimuli import random_weights, random_words

FTP = FTPConfig(tppes=2, chunk=16, beat_values=4, max_fan_in=64, laggy_adders=8, weight_bits=4)
_SPIKING = {"tppes": 4, "chunk": 16, "beat_values": 4, "max_fan_in": 64, "weight_bits": 4,
            "laggy_adders": 8, "rows_per_pe": 2, "probes": 2, "hit_fifo_depth": 4}
CONFIGS = {
    "ftp": FTP,
    "ftp_with_rows_left": dataclasses.replace(FTP, tppes=16, inner_join="fast_fast"),
    "scan": ArrayConfig(pe="scan", output_lanes=1, **_SPIKING),
    "bcast_in_groups": ArrayConfig(pe="bcast", weight_streams=2, output_lanes=2, **_SPIKING),
}


@pytest.fixture
def layer():
    """A 3 x 3 convolution of a map of 3 x 4 pixels, two tiles or more in each array."""
    rng, height, width, channels, columns = random.Random(1), 3, 4, 6, 20
    pixels = torch.tensor(random_words(rng, FTP, height * width * channels, 0.4))
    pixels = pixels.reshape(height * width, channels)
    taps = torch.tensor([[
        y * width + x if 0 <= y < height and 0 <= x < width else -1
        for y in range(row // width - 1, row // width + 2)
        for x in range(row % width - 1, row % width + 2)] for row in range(height * width)])
    words = torch.where(taps[..., None] < 0, 0, pixels[taps]).flatten(1)
    weights = [random_weights(rng, FTP, columns, 0.2) for _ in range(words.shape[1])]
    return Layer(name="conv", words=words, weights=torch.tensor(weights), pixels=taps,
                 bias=torch.tensor([rng.randint(-4, 4) for _ in range(columns)]),
                 threshold=torch.tensor([rng.randint(1, 8) for _ in range(columns)]),
                 lif=LIF(shift=1), drop_single=True)


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_layer_is_exact_at_any_bandwidth(config, layer, tmp_path):
    run = run_layer(config, layer, tmp_path)
    assert run.exact and not run.mismatch
    again = run_layer(config, layer, tmp_path)
    assert again == run
    slow = run_layer(config, layer, tmp_path, bandwidth=1)
    assert slow.exact and slow.traffic == run.traffic
    assert slow.cycles > run.cycles and slow.cycles >= sum(run.traffic.values()) - 3
    assert run.cycles * config.tppes >= count_matches(layer.words, layer.weights) / (
        config.rows_per_pe if isinstance(config, ArrayConfig) else 1)
    filled = int((layer.words.reshape(12, 9, 6)[:, 4] != 0).sum())  # the middle tap of each row
    assert run.traffic["spikes"] == -(-(12 * 16 + 4 * filled) // 8)
    assert 0 <= run.traffic["spikes"] + run.traffic["weights"] - run.cache["written"] < 2
    if not isinstance(config, ArrayConfig):
        assert run.counters["match"] == count_matches(layer.words, layer.weights)
        bits = (4 * 16 + 2 * config.psum_bits) * 20 + 4 * int((layer.weights != 0).sum())
        assert run.traffic["weights"] == -(-bits // 8)
        bits *= -(-12 // config.tppes)
        bits += 12 * 4 * 16 + 4 * int((layer.words != 0).sum())
        assert run.cache["read"] == -(-bits // 8)


def test_weights_that_do_not_fit_come_for_each_tile(layer, tmp_path):
    kept = run_layer(FTP, layer, tmp_path)
    spikes = map_bits(layer, FTP)[0] // 8
    anew = run_layer(FTP, layer, tmp_path, cache=2 * spikes + 16)
    assert anew.exact and anew.cycles >= kept.cycles
    assert 0 <= 6 * kept.traffic["weights"] - anew.traffic["weights"] < 6


def test_broken_output_is_named(layer, tmp_path):
    wanted = expected(layer, FTP)
    words = wanted.words.clone()
    words[5, 17] ^= 4
    words[9, 3] ^= 1  # in a later tile
    run = run_layer(FTP, layer, tmp_path, wanted=dataclasses.replace(wanted, words=words))
    got = int(wanted.words[5, 17]) >> 2 & 1
    assert not run.exact and re.fullmatch(
        rf"layer conv: spike of row 5, column 17, timestep 2, cycle \d+: expected {1 - got}, "
        rf"got {got}", run.mismatch)
    psums = wanted.psums.clone()
    psums[3, 2, 0] += 1
    run = run_layer(FTP, layer, tmp_path, wanted=dataclasses.replace(wanted, psums=psums))
    assert run.mismatch.startswith("layer conv: psum of row 2, column 0, timestep 3, cycle ")


def test_broken_array_is_named(layer, tmp_path):
    verilog, count = re.subn(r"\) >= \$signed\(", ") > $signed(", array_verilog(FTP))
    assert count == FTP.timesteps
    run = run_layer(FTP, layer, tmp_path, verilog=verilog)
    assert not run.exact and re.fullmatch(
        r"layer conv: spike of row \d+, column \d+, timestep \d, cycle \d+: expected 1, got 0",
        run.mismatch)


def test_stopped_array_is_named(layer, tmp_path):
    run = run_layer(FTP, dataclasses.replace(layer, weights=layer.weights[:48]), tmp_path)
    assert not run.exact and run.mismatch == "layer conv: the array stopped: length_mismatch"


@pytest.mark.parametrize("options, text", [
    ({"cache": 10}, "bytes of the spike map must be at most 5, not "),
    ({"bandwidth": 0}, "bandwidth must be at least 1 byte per cycle, not 0"),
])
def test_what_does_not_fit_is_refused(layer, tmp_path, options, text):
    with pytest.raises(ValueError, match=text):
        run_layer(FTP, layer, tmp_path, **options)
    long = dataclasses.replace(layer, words=torch.zeros(2, 65), weights=torch.zeros(65, 2),
                               pixels=None)
    with pytest.raises(ValueError, match="positions must be at most 64, not 65"):
        run_layer(FTP, long, tmp_path)


@pytest.mark.parametrize("pattern, replacement", [
    (r"(cell_\d+\[\d+:\d+\]) >= (entry\[)", r"\1 <= \2"),         # dealt smallest first
    (r"(following_0) \+ (i__payload\[)", r"\1 ^ \2"),              # decoded to wrong places
], ids=["dealer", "decoder"])
def test_dealer_and_decoder_are_simulated(layer, tmp_path, pattern, replacement):
    config = CONFIGS["scan"]
    verilog, count = re.subn(pattern, replacement, array_verilog(config))
    run = run_layer(config, layer, tmp_path, verilog=verilog)
    assert count and not run.exact
    assert re.match(r"layer conv: (psum of row|the array stopped: place_overflow)", run.mismatch)


def test_rows_are_dealt_and_columns_split(layer):
    config = CONFIGS["bcast_in_groups"]
    first, second = array_tiles(layer, config)
    assert sorted(first.rows.tolist()) == list(range(8)) and len(first.columns) == 1
    assert sorted(second.rows.tolist()) == [8, 9, 10, 11] and second.places.tolist() == [0, 1, 2, 3]
    assert [columns.tolist() for columns in second.columns] == [
        list(range(10)), list(range(10, 20))]
    lane = second.lane(1, 2, config.lane_rows)
    assert lane.rows.tolist() == second.rows.tolist() and lane.columns[0] == 10
    counts = (layer.words != 0).sum(1)
    loads = [int(counts[second.rows[second.places // 2 == element]].sum()) for element in (0, 1)]
    assert abs(loads[0] - loads[1]) <= int(counts[8:].max() - counts[8:].min())
