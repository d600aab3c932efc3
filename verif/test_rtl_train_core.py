# SPDX-License-Identifier: Apache-2.0
"""The training core in Verilator against the golden step, and the command that runs it."""

import json
from dataclasses import replace

import pytest

from spikeloom.rtl.config import ConfigError
from spikeloom.rtl.train.train_core import COUNTERS
from spikeloom.verif import sim, train_sim
from spikeloom.verif.build import QUICK_BUILD, Design, blank_memories
from spikeloom.verif.runner import Run, emitted, run_bench
from spikeloom.verif.train_traffic import CONFIG

CONFIGS = {"clusters": CONFIG, "array": replace(CONFIG, single_array=1, lanes=2)}


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_bench(config):
    design = Design(top="train_core", verilog=blank_memories(emitted("train_core", config)),
                    arguments=QUICK_BUILD)
    run_bench(Run(unit="train_core", config=config, bench="tb_train_core", design=design))


def test_command_trains_a_batch(monkeypatch, tmp_path, capsys):
    """One step of a real layer on real images; every weight is compared."""
    found = []
    run = train_sim.run_instructions
    monkeypatch.setattr(train_sim, "run_instructions",
                        lambda *words: found.append(run(*words)) or found[-1])
    words = ["tt_train", "--images", "16", "--no-finish", "--out", str(tmp_path)]
    assert train_sim.main(words) == 0
    report = json.loads((tmp_path / "tt_train.json").read_text())
    assert report["exact"] and report["steps"] == 1 and len(report["logits"]) == 16
    assert report["loss"][0] == pytest.approx(2.302585)  # of ten classes, nothing learnt
    assert report["total"].keys() == set(COUNTERS) and report["cycles"] < report["simulated"]
    assert (tmp_path / "tt_train.png").stat().st_size > 1000
    # a weight that differs is noticed
    place = next(k for k, word in enumerate(found[0].words) if word >> 64)
    other = replace(found[0], words=[word ^ (k == place)
                                     for k, word in enumerate(found[0].words)])

    def replay(config, instructions, folder):
        list(instructions)
        return other

    monkeypatch.setattr(train_sim, "run_instructions", replay)
    assert sim.main(["--net", "tt_train", "--images", "16", "--out", str(tmp_path)]) == 1
    text = " ".join(capsys.readouterr().out.split())
    assert "first mismatch: step 0: masters of g1 at 0 must be" in text
    assert "after the whole course of" in text


@pytest.mark.parametrize("words, text", [
    (["--images", "0"], "images must be in 1..8928, not 0"),
    (["--layer", "tt_net"], "layer must be one of tt_unit, tt_layer, not 'tt_net'"),
    (["--config", "vit"], "preset vit: family must be train here"),
    (["--set", "lanes=3"], "lanes must be a power of two, not 3"),
])
def test_bad_arguments(words, text, capsys, tmp_path):
    assert train_sim.main([*words, "--out", str(tmp_path)]) == 2
    errors = capsys.readouterr().err
    assert errors.startswith("spikeloom: ") and errors.count("\n") == 1 and text in errors


def test_windows_are_pixels():
    with pytest.raises(ConfigError, match=r"max_windows must be at most max_pixels \(4\), not 6"):
        replace(CONFIG, max_pixels=4)
