# SPDX-License-Identifier: Apache-2.0
"""The command behind ``make sim``: its table, its JSON, its exit status."""

import json

import pytest

from spikeloom.verif import network_run, sim
from spikeloom.verif.array_run import ArrayRunError
from spikeloom.verif.golden_array import run_on_golden


@pytest.fixture
def run(monkeypatch, tmp_path, capsys):
    """Return a function that runs the command with an array in place of the RTL."""

    def _run(array, *words):
        def run_network(network, images, config, folder):
            return network_run.run_network(network, images, config, folder, array)

        monkeypatch.setattr(sim, "run_network", run_network)
        monkeypatch.setattr(sim, "_build", lambda config, folder: folder)
        status = sim.main(["--out", str(tmp_path), *words])
        path = tmp_path / "dual_sparse_cnn.json"
        report = json.loads(path.read_text()) if path.exists() else None
        shown = capsys.readouterr()
        return status, report, " ".join(shown.out.split()), shown.err

    return _run


def test_exact_run(run):
    status, report, text, _ = run(run_on_golden, "--images", "3")
    assert status == 0 and report["exact"] and report["images"] == 3
    assert report["network"] == "dual_sparse_cnn" and report["config"]["tppes"] == 16
    assert report["accuracy"]["rtl"] == 1.0
    assert 0.97 <= report["accuracy"]["integer"] <= 1
    assert abs(report["accuracy"]["integer"] - report["accuracy"]["float"]) <= 0.005
    assert report["cycles"] == 4 * 10**6
    assert [layer["name"] for layer in report["layers"]] == ["conv2", "conv3", "fc1", "fc2"]
    assert report["layers"][0].keys() == {
        "name", "shape", "weight_sparsity", "spike_sparsity", "silent_ratio", "cycles",
        "matches", "utilisation", "stalls", "exact", "mismatch"}
    assert text.count(" exact ") >= 4 and "mismatch" not in text
    assert "accuracy on the RTL: 100.00% of 3 images" in text
    assert "over the whole test set (2000 images)" in text


def test_mismatch_ends_the_run(run):
    def faulty(job, config, folder):
        result = run_on_golden(job, config, folder)
        if folder.name == "conv3":
            result.psums[3, 5, 9] += 2
        return result

    status, report, text, _ = run(faulty, "--images", "1")
    assert status == 1 and not report["exact"] and report["accuracy"]["rtl"] is None
    assert [layer["exact"] for layer in report["layers"]] == [True, False]
    assert ("first mismatch: layer conv3, psum of neuron (image 0, y 0, x 5, channel 9), "
            "timestep 3, cycle") in text
    assert text.count("not run") == 2


def test_array_that_stops_ends_the_run(run):
    def stopped(job, config, folder):
        raise ArrayRunError("the array stopped: nothing moves")

    status, report, text, _ = run(stopped, "--images", "1")
    assert status == 1 and not report["exact"]
    assert "first mismatch: layer conv2, the array stopped: nothing moves" in text


@pytest.mark.parametrize("words, text", [
    (["--net", "alexnet"], "network must be one of dual_sparse_cnn, "),
    (["--images", "0"], "images must be in 1..2000, not 0"),
    (["--images", "2001"], "images must be in 1..2000, not 2001"),
    (["--config", "lots"], "no preset 'lots'"),
    (["--set", "tppes=65"], "tppes must be an int in 1..64, not 65"),
    (["--colour", "red"], "--colour"),
    (["--set", "timesteps=5"], "has 4 timesteps, the configuration 5: --set timesteps=4"),
])
def test_bad_arguments(run, words, text):
    status, report, _, errors = run(run_on_golden, *words)
    assert status == 2 and report is None
    assert errors.count("\n") == 1 and errors.startswith("spikeloom: ") and text in errors
