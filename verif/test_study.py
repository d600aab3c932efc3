# SPDX-License-Identifier: Apache-2.0
"""The study of crossbars: what is counted, what it costs, and the command itself."""

import json
import re
from dataclasses import replace

import msgspec
import pytest
import torch

from spikeloom.gen.compiler.crossbars import on_crossbars
from spikeloom.gen.presets import load_config
from spikeloom.models.golden.lane_word import pack
from spikeloom.rtl.config import ENCODINGS, AcceleratorConfig, CrossbarConfig
from spikeloom.verif.made_networks import alive, chain, small_images, swap
from spikeloom.verif.study import command, sweep
from spikeloom.verif.study.budget import COMPONENTS, QUANTITIES, budget
from spikeloom.verif.study.costs import DEFAULT_COSTS, CostsError, load_costs
from spikeloom.verif.study.events import count_events
from spikeloom.verif.study.sweep import Study, choose_shift, points

CROSSBAR = CrossbarConfig(rows=16, columns=64, cell_bits=2, fraction_bits=4, adc_shift=4, tiles=4,
                          timesteps=3, adc_bits=8)
CONFIG = AcceleratorConfig(timesteps=3, chunk=8, laggy_adders=8, guard_bits=8, max_columns=8,
                           crossbar=CROSSBAR)


@pytest.fixture(scope="module")
def network():
    return alive(chain())


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_events_are_those_of_a_plain_count(network, encoding):
    config = replace(CONFIG, crossbar=replace(CROSSBAR, encoding=encoding))
    placed = on_crossbars(network, config)
    trace = placed.run(small_images(network, 2))
    for layer, events in zip(placed.layers, count_events(placed, trace, 2), strict=True):
        crossbars, rows = layer.crossbars, trace[layer.name].rows
        columns = layer.channels * crossbars.config.columns_per_output
        if layer.input_bits:
            bits = [(value >> bit) & 1 for value in rows[0].flatten().tolist()
                    for bit in range(9)]
            reads = 9 * rows.shape[1]
            active = sum(bits)
        else:
            reads = 3 * rows.shape[1]
            active = sum(bin(word).count("1") for word in pack(rows).flatten().tolist())
        assert events.name == layer.name
        assert (events.reads, events.active_rows) == (reads / 2, active / 2)
        assert events.cell_reads == active * columns / 2
        assert events.conversions == reads * crossbars.tiles * columns / 2
        assert events.subtractions == reads * crossbars.tiles * layer.channels / 2
        assert events.neuron_updates == 3 * rows.shape[1] * layer.channels / 2
        assert events.macros == crossbars.tiles * len(crossbars.images)
        if encoding == "differential":
            assert events.counts == 0
        elif encoding == "offset":
            assert events.counts == active * len(crossbars.images) / 2
        elif not layer.input_bits:
            negative = (layer.weight_matrix() < 0).long()
            assert events.counts == int((rows.long() @ negative).sum()) / 2


def test_budget_by_hand():
    """One layer of round numbers."""
    costs = load_costs()
    events = count_events(on_crossbars(alive(chain()), CONFIG), alive(chain()).run(
        small_images(chain(), 1)), 1)[0]
    values = dict.fromkeys(events.__struct_fields__, 0.0) | {
        "name": "x", "macros": 2, "reads": 10.0, "conversions": 100.0, "buffer_bytes": 64.0,
        "neurons": 5, "map_bits": 20, "neuron_updates": 16.0}
    found = budget([msgspec.convert(values, type(events))], CROSSBAR, costs)
    assert found.energy_pj["adc"] == pytest.approx(156)
    assert found.energy_pj["column_mux"] == pytest.approx(9.4)
    assert found.energy_pj["buffers"] == pytest.approx(64 * 5.51)
    assert found.latency_ns["cells"] == 100
    assert found.latency_ns["adc"] == 10 * 8 * 9
    assert found.latency_ns["neurons"] == 16 / 8 * 4
    assert found.latency_ns["buffers"] == 8
    assert found.area_um2["adc"] == 2 * 8 * 1200
    assert found.area_um2["neurons"] == pytest.approx(5 * 22 * 0.739 + 8 * 129)
    assert found.bottleneck("energy_pj") == "buffers"
    assert found.bottleneck("latency_ns") == "adc"
    assert found.total("latency_ns") == 100 + 720 + 8 + 8
    assert all(set(getattr(found, name)) == set(COMPONENTS) for name in QUANTITIES)


@pytest.mark.parametrize("bits, picojoules, um2", [
    (3, 0.525, 500), (4, 0.7, 500), (5, 0.98, 540), (7, 1.41, 890), (10, 4.61, 1600),
    (11, 5.071, 1600)])
def test_adc_between_known_ones(bits, picojoules, um2):
    costs = load_costs()
    assert costs.conversion(bits) == pytest.approx(picojoules)
    assert costs.adc_area(bits) == pytest.approx(um2)


def test_costs_of_the_user(tmp_path):
    """The same numbers as JSON; mistakes are named."""
    path = tmp_path / "mine.json"
    path.write_bytes(msgspec.json.encode(load_costs()))
    assert load_costs(path) == load_costs()
    text = DEFAULT_COSTS.read_text()
    for old, new, message in (("um2 = 45.9", "um2 = -1.0", ">= 0.0"),
                              ("cell_read =", "cel_read =", "cel_read"),
                              ("[system]", "[system", "Expected")):
        path = tmp_path / "mine.toml"
        path.write_text(text.replace(old, new))
        with pytest.raises(CostsError, match=f"{re.escape(str(path))}: .*{message}"):
            load_costs(path)


def test_shift_has_the_least_error(network):
    """Narrow ADCs clip where sums are small, and take coarser steps where they are large."""
    crossbar = replace(CROSSBAR, rows=64, adc_bits=3)
    dense = swap(network, 1, source={"weight": torch.full((5, 4, 3, 3), 127)})
    chosen = {}
    for name, made, bits in (("wide", network, 8), ("sparse", network, 3), ("dense", dense, 3)):
        seen = made.run(small_images(made, 2))
        narrow = replace(crossbar, adc_bits=bits)
        placed = on_crossbars(made, replace(CONFIG, crossbar=narrow), ["conv2"])
        chosen[name] = choose_shift(placed, seen, narrow)
    assert chosen["wide"] == chosen["sparse"] == 4 and chosen["dense"] in (6, 7, 8)
    rows, errors = seen["conv2"].rows, {}
    for shift in range(4, 10):
        coarse = replace(placed.layers[1].crossbars, config=replace(crossbar, adc_shift=shift))
        errors[shift] = int((coarse.psums(rows) - seen["conv2"].psums).square().sum())
    assert min(errors, key=errors.get) == chosen["dense"]


def test_points():
    found = [(point.axis, point.value) for point in points(CROSSBAR, sweep.AXES)]
    assert found[0] == ("default", "") and len(found) == 1 + 5 + 3 + 3 + 2 + 2 + 3
    assert len(set(found)) == len(found)


def test_command(tmp_path, capsys):
    """The quick study whole: an image, every parameter."""
    threads = torch.get_num_threads()
    try:
        assert command.main(["--quick", "--images", "1", "--net", "dual_sparse_cnn",
                             "--out", str(tmp_path)]) == 0
    finally:
        torch.set_num_threads(threads)
    found = msgspec.json.decode((tmp_path / "dual_sparse_cnn.json").read_bytes(), type=Study)
    assert (found.images, found.exact, found.points[0].axis) == (1, 1.0, "default")
    assert {point.axis for point in found.points[1:]} == set(sweep.AXES)
    default = found.points[0]
    assert default.accuracy == [1.0] and default.same == 1.0
    assert load_config("imc").crossbar.adc_shift == default.crossbar["adc_shift"]
    for point in found.points:
        for name in QUANTITIES:
            parts = getattr(point.budget, name)
            assert point.bottleneck[name] == max(parts, key=parts.get)
    narrow = next(point for point in found.points if point.value == 4)
    for name in QUANTITIES:
        assert narrow.budget.total(name) < default.budget.total(name)
    assert (tmp_path / "dual_sparse_cnn.png").stat().st_size > 10_000
    assert "adc_shift is that of the least squared error" in capsys.readouterr().out
    assert json.loads((tmp_path / "dual_sparse_cnn.json").read_text())["notes"]


@pytest.mark.parametrize("words, text", [
    (["--config", "loas"], "preset loas: crossbar must be given, not absent"),
    (["--images", "0"], "images must be in 1..1998 and draws at least 1, not 0 and 3"),
    (["--net", "nope"], "network must be one of"),
    (["--costs", "nope.toml"], "nope.toml: "),
])
def test_mistakes(words, text, capsys, monkeypatch):
    monkeypatch.setattr(torch, "set_num_threads", lambda count: None)
    assert command.main(words) == 2
    assert text in capsys.readouterr().err
