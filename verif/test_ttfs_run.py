# SPDX-License-Identifier: Apache-2.0
"""Whole networks on the time-to-first-spike core: the free-running bench, and the command."""

import dataclasses
import json

import numpy as np
import pytest

from spikeloom.gen.compiler.ttfs_program import compile_ttfs
from spikeloom.models.golden.ttfs_network import TTFSNetwork
from spikeloom.verif import ttfs_sim
from spikeloom.verif.random_ttfs import random_images, random_network
from spikeloom.verif.ttfs_compare import compare
from spikeloom.verif.ttfs_run import run_images
from spikeloom.verif.unit_configs import odd_config

CONFIG = odd_config("ttfs_core")


@pytest.fixture
def sample():
    """A small network and images, as the zoo gives larger ones."""
    network = random_network(
        "delay", channels=6, side=10, classes=5, tau_shift=2, time_bits=CONFIG.time_bits,
        guard_bits=CONFIG.guard_bits)
    return ttfs_sim.Sample(network=network, images=random_images(network, 3), labels=None)


def test_command_runs_and_reports(sample, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(ttfs_sim, "load_sample", lambda net, images: sample)
    monkeypatch.setattr(ttfs_sim, "load_unit_config", lambda preset, overrides: CONFIG)
    words = ["--net", "small", "--images", "3", "--out", str(tmp_path)]
    assert ttfs_sim.main(words) == 0
    report = json.loads((tmp_path / "small.json").read_text())
    trace = sample.network.run(sample.images)
    assert report["exact"] and report["images"] == 3 and report["undecided"] == 0
    assert report["logits"] == [[int(one), int(when)] for one, when
                                in zip(trace.classes, trace.decisions, strict=True)]
    early, whole = (report["mean"][name] for name in ("early exit", "to the end"))
    assert early["cycles"] < whole["cycles"] and early["steps"] < whole["steps"]
    assert report["cycles"] == sum(counters["cycles"]
                                   for counters in report["per_image"]["early exit"])
    # a golden network that differs is noticed
    last = dataclasses.replace(sample.network.layers[-1], window=1)
    other = dataclasses.replace(sample.network, layers=(*sample.network.layers[:-1], last))
    run = TTFSNetwork.run
    monkeypatch.setattr(TTFSNetwork, "run", lambda _, images: run(other, images))
    assert ttfs_sim.main(words) == 1
    assert "first mismatch: image 0: class must be 0" in " ".join(capsys.readouterr().out.split())


def test_pauses_change_nothing(sample, tmp_path):
    program = compile_ttfs(sample.network, CONFIG)
    plain = run_images(program, sample.images, tmp_path)
    paused = run_images(program, sample.images, tmp_path, gaps=100, stalls=150)
    for mode, results in plain.items():
        for one, other in zip(results, paused[mode], strict=True):
            assert one.decision == other.decision and all(
                one.counters[name] == other.counters[name]  # the clearing may be hidden or not
                for name in one.counters if name != "cycles")
            assert all(np.array_equal(times, other.times[name])
                       for name, times in one.times.items())


def test_differences_are_named(sample):
    network = sample.network
    program = compile_ttfs(network, CONFIG)
    trace = network.run(sample.images)
    times = {name: trace.times[name][1].numpy().copy() for name in program.graph.maps}
    words = np.zeros(8, np.uint32)
    words[:2] = int(trace.classes[1]) << 16, int(trace.decisions[1])
    result = dataclasses.replace(program.result(words), times=times)
    assert compare(network, trace, 1, result) == ""
    assert "image 1: decision must be" in compare(
        network, trace, 1, dataclasses.replace(result, decision=1))
    wanted = int(times["conv2a"][1, 0, 1])
    times["conv2a"][1, 0, 1] += 1
    assert compare(network, trace, 1, result).startswith(
        f"image 1: time of conv2a[1, 0, 1] must be {wanted}, not {wanted + 1} (1 of ")


def test_small_network_on_small_hardware(tmp_path):
    assert ttfs_sim.main(["--net", "ttfs_mnist_small", "--images", "2",
                          "--out", str(tmp_path)]) == 0
    report = json.loads((tmp_path / "ttfs_mnist_small.json").read_text())
    assert report["accuracy"]["rtl"] == 1 and report["config"]["skips"] == 0


@pytest.mark.parametrize("words, text", [
    (["--net", "none"], "network must be one of"),
    (["--net", "random_base", "--config", "tiny"], "family must be ttfs here"),
    (["--net", "random_base", "--config", "lots"], "no preset 'lots'"),
    (["--net", "random_base", "--set", "lanes=3"], "lanes must be a power of two, not 3"),
    (["--net", "random_base", "--set", "time_bits=7"], "time_bits must be 7, not 8"),
    (["--what"], "Unknown option"),
])
def test_mistakes_are_named(words, text, capsys):
    assert ttfs_sim.main(words) == 2
    assert text in capsys.readouterr().err


def test_networks_have_names():
    assert ttfs_sim.knows("random_res") and ttfs_sim.knows("ttfs_mnist_base")
    assert not ttfs_sim.knows("dual_sparse_cnn")
    assert all(map(ttfs_sim.knows, ttfs_sim.committed()))
