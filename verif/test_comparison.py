# SPDX-License-Identifier: Apache-2.0
"""What the comparison is made of: kinds, their adders and events, layers of workloads, cuts."""

import pytest
import torch

from spikeloom.rtl.config import ArrayConfig, ConfigError, FTPConfig
from spikeloom.verif.accounting.trace import ALEXNET, Trace, load_trace
from spikeloom.verif.accounting.workload import Workload
from spikeloom.verif.array_layer import as_layer
from spikeloom.verif.comparison import cut
from spikeloom.verif.pe_kinds import KINDS, adders, events, pe_config


@pytest.fixture
def workload():
    """Three rows, one silent; 20 positions; two columns; five matches, of seven spikes."""
    words, weights = torch.zeros(3, 20, dtype=torch.int64), torch.zeros(20, 2, dtype=torch.int64)
    words[0, 0], words[0, 17], words[1, 17], words[1, 5] = 0b01, 0b11, 0b10, 0b11
    weights[0, 0], weights[17, 0], weights[17, 1], weights[9, 1] = 3, -2, 5, 1
    return Workload(name="w", words=words, weights=weights, timesteps=2)


def test_kinds():
    configs = {kind: pe_config(kind) for kind in KINDS}
    assert configs["loas"] == FTPConfig() and configs["scan"] == ArrayConfig()
    assert configs["sparten"] == FTPConfig(inner_join="fast_fast")
    assert configs["bcast"] == ArrayConfig(pe="bcast")
    for kind in KINDS:
        small = pe_config(kind, elements=2, timesteps=3, longest=4097)
        assert (small.tppes, small.timesteps, small.max_fan_in) == (2, 3, 8192)
    with pytest.raises(ConfigError, match="element must be one of loas, .*, not 'gospa'"):
        pe_config("gospa")
    with pytest.raises(ConfigError, match="max_fan_in must be an int in 8..65536, not 131072"):
        pe_config("loas", longest=65537)


def test_adders():
    assert [adders(pe_config(kind, elements=4, timesteps=3)) for kind in KINDS] == [
        4 * (3 + 1), 4 * 3, 4 * 3, 4 * 4 * 3]


def test_events(workload):
    assert (workload.matches, workload.pairs) == (5, 7)
    common = {"timesteps": 2, "tppes": 2, "chunk": 16, "beat_values": 4, "max_fan_in": 32,
              "laggy_adders": 8}
    layer = as_layer(workload)
    # Masks of 3 x 2 outputs x 2 chunks, 2 x 16 bits each, and 10 bits for each match.
    read = (12 * 32 + 5 * 10 + 7) // 8
    assert events(FTPConfig(inner_join="fast_fast", **common), workload, layer) == {
        "add_32_bit": 7, "sram_8kb_byte": read}
    # Each match once, 2 * 5 - 7 corrections, 2 subtractions for each of 6 outputs.
    assert events(FTPConfig(**common), workload, layer) == {
        "add_32_bit": 5 + 3 + 12, "sram_8kb_byte": read}
    # One tile; both elements hold a row; each looks up four weights: 2 rows x 4 words of 2 bits.
    array = ArrayConfig(rows_per_pe=2, probes=2, output_lanes=1, **common)
    assert events(array, workload, layer) == {"add_32_bit": 7, "sram_8kb_byte": 2 * 4 * 16 // 8}


def test_workload_as_layer(workload):
    layer = as_layer(workload)
    assert layer.bias.tolist() == [0, 0] and layer.lif.shift == 0 and layer.drop_single
    # Sorted psums: -2, -2, 0 (six times), 1, 5, 5, 5; the quantile is the 8.8th of 0 to 11.
    assert layer.threshold.tolist() == [int(1 + 0.8 * (5 - 1))] * 2
    assert torch.equal(layer.words, workload.words) and layer.pixels is None


def test_known_neurons(workload):
    known = Workload(name="w", words=workload.words, weights=workload.weights, timesteps=2,
                     bias=-7, threshold=0, pixels=torch.zeros(3, 4, dtype=torch.int64))
    layer = as_layer(known)
    assert (layer.bias.tolist(), layer.threshold.tolist()) == ([-7, -7], [0, 0])
    assert layer.pixels is known.pixels


def test_threshold_is_positive(workload):
    silent = Workload(name="w", words=workload.words * 0, weights=workload.weights, timesteps=2)
    assert as_layer(silent).threshold.tolist() == [1, 1]


def test_cut():
    trace = load_trace(*ALEXNET)
    small = cut(trace, 12, 40)
    assert isinstance(small, Trace) and small.name == "alexnet_cifar10_spikes_quick"
    for part, whole in zip(small.workloads, trace.workloads, strict=True):
        assert (part.rows, part.columns, part.positions) == (12, 40, whole.positions)
        assert torch.equal(part.words, whole.words[:12])
        assert torch.equal(part.weights, whole.weights[:, :40])
        assert torch.equal(part.pixels, whole.pixels[:12])
    assert small.notes == (*trace.notes, "only 12 rows and 40 columns of each layer")
