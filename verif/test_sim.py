# SPDX-License-Identifier: Apache-2.0
"""The command behind ``make sim``: its table, its JSON, its exit status."""

import dataclasses
import json

import pytest

from spikeloom.models.zoo import registry
from spikeloom.rtl.soc.register_map import ErrorCode
from spikeloom.verif import sim
from spikeloom.verif.reference_transport import ReferenceTransport


@pytest.fixture
def run(monkeypatch, tmp_path, capsys):
    """Return a function that runs the command with the reference machine for the RTL."""

    def _run(*words, shown_waves=None, **broken):
        monkeypatch.setattr(sim, "VerilatorTransport",
                            lambda config: ReferenceTransport(config, **broken))
        monkeypatch.setattr(sim, "show_divergence", lambda *_: shown_waves)
        status = sim.main(["--out", str(tmp_path), *words])
        path = tmp_path / "dual_sparse_cnn.json"
        report = json.loads(path.read_text()) if path.exists() else None
        shown = capsys.readouterr()
        return status, report, " ".join(shown.out.split()), shown.err

    return _run


def test_exact_run(run, tmp_path):
    status, report, text, _ = run("--images", "2")
    assert status == 0 and report["exact"] and report["images"] == 2
    assert report["network"] == "dual_sparse_cnn" and report["config"]["tppes"] == 16
    assert report["accuracy"]["rtl"] == 1.0 and len(report["predictions"]) == 2
    assert 0.97 <= report["accuracy"]["integer"] <= 1
    assert abs(report["accuracy"]["integer"] - report["accuracy"]["float"]) <= 0.005
    names = ["image", "conv1", "conv2", "conv3", "fc1", "fc2"]
    assert [layer["name"] for layer in report["layers"]] == names
    assert all(layer["exact"] for layer in report["layers"])
    assert text.count(" exact ") >= 6 and "mismatch" not in text
    assert "nJ of counted events" in text and "energy: table horowitz_45nm" in text
    energies = {layer["name"]: layer["energy_pj"] for layer in report["layers"]}
    assert energies["conv2"]["compute"] > energies["fc2"]["compute"] > 0
    assert all(energies[name]["neurons"] > 0 for name in names[1:])
    assert "accuracy on the RTL: 100.00% of 2 images" in text
    assert "over the whole test set (2000 images)" in text
    assert {path.name for path in (tmp_path / "dual_sparse_cnn").iterdir()} == {
        "config.toml", "dual_sparse_cnn.bin", "dual_sparse_cnn.json"}


def test_mismatch_ends_the_run(run):
    def break_conv2(machine):
        machine.descriptors[2]["lif"]["gain"] = 3

    status, report, text, _ = run("--images", "2", hook=break_conv2)
    assert status == 1 and not report["exact"]
    assert [layer["exact"] for layer in report["layers"]] == [True, True, False, None, None, None]
    assert "first mismatch: image 0, layer conv2: spike of neuron (channel" in text
    assert report["mismatch"].startswith("layer conv2: spike")
    assert "run by itself the image is exact" in text  # as the stand-in for the waves says


def test_device_that_stops_ends_the_run(run):
    status, report, text, _ = run("--images", "1", fails=(ErrorCode.ROW_OVERFLOW, 3, 0))
    assert status == 1 and not report["exact"] and report["accuracy"]["rtl"] is None
    assert "row_overflow" in report["error"] and "layer conv3" in text


def test_models_run_once_for_all_configurations(run, monkeypatch):
    calls = []
    recipe = dataclasses.replace(registry.get("dual_sparse_cnn"))
    monkeypatch.setattr(sim, "get", lambda net: recipe)
    monkeypatch.setattr(type(recipe), "accuracy_float", lambda *_: calls.append(1) or 0.5)
    for preset in ("loas", "small"):
        status, report, _, _ = run("--images", "1", "--config", preset)
        assert status == 0 and report["accuracy"]["float"] == 0.5
        assert report["accuracy"]["rtl"] == 1.0
    assert len(calls) == 1


@pytest.mark.parametrize("words, text", [
    (["--net", "alexnet"], "network must be one of digits_micro, "),
    (["--images", "0"], "images must be in 1..2000, not 0"),
    (["--images", "2001"], "images must be in 1..2000, not 2001"),
    (["--config", "lots"], "no preset 'lots'"),
    (["--set", "tppes=65"], "tppes must be an int in 1..64, not 65"),
    (["--colour", "red"], "--colour"),
    (["--table", "loas"], "no event 'add_8_bit' in the table"),
    (["--energies", "nowhere.toml"], "nowhere.toml"),
    (["--set", "timesteps=5"], "timesteps"),
    (["--set", "weight_bits=4"], "weight_bits"),
])
def test_bad_arguments(run, words, text):
    status, report, _, errors = run(*words)
    assert status == 2 and report is None
    assert errors.count("\n") == 1 and errors.startswith("spikeloom: ") and text in errors
