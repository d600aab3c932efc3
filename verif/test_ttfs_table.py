# SPDX-License-Identifier: Apache-2.0
"""The table of what early exit saves and skip connections cost."""

import json
from pathlib import Path

import pytest
from rich.console import Console

from spikeloom.verif import ttfs_sim, ttfs_table

CYCLES = {"ttfs_mnist_res": (5000, 1250), "ttfs_mnist_shuffle": (4000, 1000),
          "ttfs_wave_res": (9000, 9000)}


def report(name, exact=True):
    modes = zip(("to the end", "early exit"), CYCLES[name], strict=True)
    counters = {"first_cycles": 300, "events": 20, "updates": 10}
    return {"network": name, "images": 20, "exact": exact, "accuracy": {"rtl": 0.95},
            "mean_decision": 12.5,
            "mean": {mode: counters | {"cycles": cycles} for mode, cycles in modes}}


@pytest.fixture
def run(monkeypatch, tmp_path, capsys):
    """Return a function that runs the command with simulations that take no time."""
    monkeypatch.setattr(ttfs_sim, "committed", lambda: list(CYCLES))
    monkeypatch.setattr(ttfs_table, "_console", Console(width=200))

    def _run(*words, inexact=""):
        ran = []

        def main(words):
            given = dict(zip(words[::2], words[1::2], strict=True))
            name = given["--net"]
            ran.append((name, given["--images"]))
            path = Path(given["--out"]) / f"{name}.json"
            path.write_text(json.dumps(report(name, name != inexact)))
            return int(name == inexact)

        monkeypatch.setattr(ttfs_sim, "main", main)
        status = ttfs_table.main([*words, "--out", str(tmp_path)])
        return status, ran, {words[0]: words[1:] for line in capsys.readouterr().out.splitlines()
                             if (words := line.split()) and words[0].startswith("ttfs_")}

    return _run


def test_cycles_are_compared_within_a_data_set(run):
    status, ran, rows = run("--images", "3")
    assert status == 0 and ran == [(name, "3") for name in CYCLES]
    assert rows["ttfs_mnist_res"] == [
        "20", "95%", "5,000", "1,250", "4.00x", "300", "12.5", "20", "10", "+1,000",
        "(+25%)", "+250", "(+25%)"]
    assert rows["ttfs_mnist_shuffle"][-1] == rows["ttfs_wave_res"][-1] == "10"
    status, ran, again = run("--no-again")
    assert status == 0 and not ran and again == rows


def test_a_network_that_is_not_exact_fails(run):
    status, _, rows = run(inexact="ttfs_wave_res")
    assert status == 1 and rows["ttfs_wave_res"] == ["failed"]
    assert len(rows) == len(CYCLES)


def test_mistakes_are_named(run):
    assert run("--what")[0] == 2
