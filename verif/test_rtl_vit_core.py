# SPDX-License-Identifier: Apache-2.0
"""The vision transformer core in Verilator against the golden network."""

import json
from dataclasses import replace

import pytest

from spikeloom.gen.trex.program import ProgramError, compile_vit
from spikeloom.models.data.recall import LabelledTokens
from spikeloom.models.golden.vit_network import VitNetwork
from spikeloom.verif import sim, vit_run
from spikeloom.verif.random_vit import CONFIG, random_network
from spikeloom.verif.runner import Run, run_bench
from spikeloom.verif.vit_host import run_inputs, targets


def test_bench():
    run_bench(Run(unit="vit_core", config=CONFIG, bench="tb_vit_core"))


@pytest.fixture
def sample(monkeypatch):
    """Let the command run a small network."""
    network, inputs = random_network("AR", "mean")
    data = LabelledTokens(tokens=inputs, labels=network.run(inputs).classes)
    monkeypatch.setattr(vit_run, "load_sample", lambda net, images: (network, data))
    monkeypatch.setattr(vit_run, "load_unit_config", lambda preset, overrides: CONFIG)
    return network, inputs


def test_command_runs_and_reports(sample, monkeypatch, tmp_path, capsys):
    network, inputs = sample
    words = ["--net", "trex_recall_AR", "--images", "2", "--out", str(tmp_path)]
    assert sim.main(words) == 0
    path = tmp_path / "trex_recall_AR.json"
    report = json.loads(path.read_text())
    logits = network.run(inputs).logits.tolist()
    assert report["exact"] and report["logits"] == logits and report["accuracy"]["rtl"] == 1
    assert report["images"] == 2 and report["cycles"] == sum(report["per_image"])
    assert list(report["mean"]) == ["embed", "0A", "1R", "head"]
    assert set(report["mean"]["0A"]) == {"norm", "linear", "multiply", "gelu", "add"}
    assert set(report["mean"]["1R"]) == {"norm", "linear", "gelu", "add"}
    assert 2 * sum(sum(kinds.values()) for kinds in report["mean"].values()) == report["cycles"]
    assert report["loading"] >= inputs[0].numel()
    program = compile_vit(network, CONFIG)
    effort = report["programming"]
    assert effort["cells"] == len(list(targets(CONFIG, program))) and not effort["failures"]
    assert effort["verify_reads"] == effort["cells"] + effort["pulses"] < effort["cycles"]
    # a golden network that differs is noticed
    run = VitNetwork.run
    monkeypatch.setattr(VitNetwork, "run", lambda self, tokens: run(self, tokens.flip(1)))
    assert sim.main(words) == 1
    text = " ".join(capsys.readouterr().out.split())
    assert "first mismatch: input 0: logits must be" in text and not json.loads(
        path.read_text())["exact"]


def test_pauses_change_nothing(sample, tmp_path):
    network, inputs = sample
    paused = run_inputs(compile_vit(network, CONFIG), CONFIG, inputs, tmp_path, gaps=100,
                        stalls=200)
    assert paused.logits == network.run(inputs).logits.tolist() and not paused.stuck


@pytest.mark.parametrize("words, text", [
    (["trex_recall_ARX"], "pattern must be of ARCS, not 'ARX'"),
    (["trex_letters_AR"], "network must be trex_TASK_PATTERN"),
    (["--images", "0"], "images must be in 1..2000, not 0"),
    (["--config", "vit"], "preset vit: family must be vit_core here"),
    (["--net", "trex_recall_AAAA"], "rows of weights must be at most 1024, not 10"),
    (["--set", "index_bits=5"], "index_bits must be 6 for networks, not 5"),
])
def test_bad_arguments(words, text, capsys, tmp_path):
    assert vit_run.main([*words, "--out", str(tmp_path)]) == 2
    errors = capsys.readouterr().err
    assert errors.startswith("spikeloom: ") and errors.count("\n") == 1 and text in errors


def test_names():
    assert vit_run.knows("trex_fashion_ARAR") and not vit_run.knows("vgg_fashion")
    assert not vit_run.knows("trex_fashion_RA") and not vit_run.knows("ttfs_mnist_base")


@pytest.mark.parametrize("name", vit_run.committed())
def test_committed_networks_fit(name):
    network, _ = vit_run.load_sample(name, 1)
    program = compile_vit(network, vit_run.load_unit_config(vit_run.PRESET))
    assert len(program.parts) == len(program.instructions)


@pytest.mark.parametrize("fields, text", [
    (dict(values=100), "values must be at most 100, not 305"),
    (dict(max_tokens=4), "tokens must be at most 4, not 5"),
    (dict(tiles=1), "rows of weights must be at most 84, not 92 and more"),
    (dict(adc_bits=3), "inputs of a layer must be at most 2 for 3-bit ADCs, not 6"),
    (dict(instructions=8), "instructions must be at most 8, not 43"),
    (dict(gelu_tables=1), "gelu_tables must be at most 1, not 2"),
])
def test_networks_that_do_not_fit_are_refused(fields, text):
    network, _ = random_network()
    with pytest.raises(ProgramError, match=f"^{text}$"):
        compile_vit(network, replace(CONFIG, **fields))
