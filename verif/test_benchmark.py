# SPDX-License-Identifier: Apache-2.0
"""The command behind ``make bench``: tables, JSON, chart, exit status; a quick run for real."""

import json

import numpy as np
import pytest

from spikeloom.verif import benchmark, comparison
from spikeloom.verif.accounting.results import load_results
from spikeloom.verif.area import Area, Hardware
from spikeloom.verif.array_run import LayerRun
from spikeloom.verif.pe_kinds import EVENTS, KINDS
from spikeloom.verif.toolchain import ToolError

GEOMETRY = """
[[layers]]
name = "one"
channels = 6
kernel = 3
padding = 1
nonzeros = 20
[[layers]]
name = "two"
channels = 4
nonzeros = 9
bias = -2
threshold = 40
"""
HARDWARE = Hardware(element=Area(luts=100, ffs=50, brams=2),
                    array=Area(luts=2000, ffs=1000, brams=40, dsps=8))


@pytest.fixture
def files(tmp_path):
    rng = np.random.default_rng(3)
    np.savez(tmp_path / "net.npz", one_input=rng.integers(0, 2, (4, 5, 4, 4)),
             two_input=rng.integers(0, 2, (4, 7)))
    (tmp_path / "net.toml").write_text(GEOMETRY)
    return tmp_path / "net.npz"


@pytest.fixture
def run(files, monkeypatch, capsys):
    """Return a function that runs the command with stand-ins for simulation and synthesis."""

    def _run(*words, wrong=(), measure=lambda config: HARDWARE, clock=lambda config: 80.0,
             array_clock=lambda config: 50.0):
        def run_layer(config, layer, folder, bandwidth):
            name = folder.name.partition("_")[0]
            mismatch = f"layer {layer.name}: spike" if (name, layer.name) in wrong else ""
            return LayerRun(name=layer.name, cycles=1000 + bandwidth, exact=not mismatch,
                            counters={"cycles": 9, "match": 5, "idle": 2},
                            traffic={"spikes": 10, "weights": 20, "output": 3},
                            cache={"read": 100, "written": 30},
                            mismatch=mismatch)

        monkeypatch.setattr(comparison, "run_layer", run_layer)
        monkeypatch.setattr(comparison, "measure", measure)
        monkeypatch.setattr(comparison, "clock", clock)
        monkeypatch.setattr(comparison, "array_clock", array_clock)
        out = files.parent / "out"
        status = benchmark.main(["--trace", str(files), "--out", str(out), *words])
        path = out / "net.json"
        report = json.loads(path.read_text()) if path.exists() else None
        shown = capsys.readouterr()
        return status, report, " ".join(shown.out.split()), shown.err

    return _run


def test_results_of_all_kinds(run, files):
    status, report, text, errors = run()
    assert (status, errors) == (0, "")
    assert (report["trace"], report["elements"], report["timesteps"], report["bandwidth"]) == (
        "net", 16, 4, 160)
    assert [layer["name"] for layer in report["layers"]] == ["one", "two"]
    for layer in (*report["layers"], report["total"]):
        assert layer["bound"] > 0 and set(layer["pes"]) == set(KINDS)
        assert set(layer["accounting"]) == {"loas", "sparten", "gospa", "gamma"}
        for pe in layer["pes"].values():
            assert (pe["luts"], pe["ffs"], pe["brams"]) == (1600, 800, 32)
            assert (pe["array_luts"], pe["array_ffs"], pe["array_brams"]) == (2000, 1000, 40)
            assert (pe["fmax_mhz"], pe["array_fmax_mhz"], pe["exact"]) == (80.0, 50.0, True)
    pes = report["total"]["pes"]
    assert {name: pe["adders"] for name, pe in pes.items()} == {
        "loas": 80, "sparten": 64, "scan": 64, "bcast": 256}
    scan = pes["scan"]
    assert scan["cycles"] == 2320 and scan["activity"] == {"match": 10, "idle": 4}
    assert scan["dram_bytes"] == {"spikes": 20, "weights": 40, "output": 6}
    assert scan["events"]["dram_byte"] == 66
    assert (scan["events"]["cache_read_byte"], scan["events"]["cache_write_byte"]) == (200, 60)
    assert scan["energy_pj"]["dram_byte"] == pytest.approx(66 * 162.5)
    assert set(scan["energy_pj"]) == set(EVENTS)
    out = files.parent / "out"
    assert load_results(out / "net.json").total.pes["scan"].cycles == 2320
    assert (out / "net.png").read_bytes().startswith(b"\x89PNG")
    notes = "\n".join(report["notes"])
    assert "one: bias 0, threshold " in notes and "80% of its psums are lower" in notes
    assert "two: bias -2, threshold 40" in notes.splitlines()
    assert "memory of 160 bytes per cycle, cache of 262144 bytes" in notes
    assert "energy: not counted: writes to the elements' own buffers, " in notes
    assert "energy: dram_byte 162.5 pJ (Horowitz: 1.3 to 2.6 nJ" in notes
    assert "free is joining the pixels of a row (im2col)" in notes
    assert "loas is the fastest with at most the adders of loas: 80 of 80" in text  # all alike


def test_what_is_printed(run):
    _, _, text, _ = run("--bandwidth", "40", "--pes", "scan,loas,scan")
    assert "scan one: 1,040 cycles, exact" in text and "bcast one" not in text
    assert "loas simulation 1,040 1,040 2,080" in text
    for title in ("cycles,", "cycles / match bound,", "% of element cycles,", "DRAM bytes,",
                  "nJ of counted events,", "hardware of one element,", "hardware of the array,"):
        assert f"{title} net, 16 elements" in text
    assert "net: 2 layers of 4 timesteps on scan, loas; 40 bytes per cycle" in text
    assert "scan 4 100 50 2 80.0" in text and "scan: array_fmax_mhz 50.0" in text
    assert "scan exact 2,080 64 2,000 1,000 40 8 50.0 0.042 4" in text
    assert "first mismatch" not in text


def test_mismatch(run):
    status, report, text, _ = run(wrong=[("scan", "two"), ("bcast", "one")])
    assert status == 1
    assert {name: pe["exact"] for name, pe in report["total"]["pes"].items()} == {
        "loas": True, "sparten": True, "scan": False, "bcast": False}
    assert report["layers"][0]["pes"]["scan"]["exact"]
    assert report["total"]["pes"]["scan"]["mismatch"] == "layer two: spike"
    assert "scan two: 1,160 cycles, wrong" in text
    assert "first mismatch: scan, layer two: spike" in text


def test_layer_that_does_not_fit(run, files):
    arrays = dict(np.load(files)) | {"two_input": np.zeros((4, 70000), np.uint8)}
    np.savez(files, **arrays)
    status, report, _, errors = run()
    assert (status, report) == (2, None)
    assert errors == "spikeloom: max_fan_in must be an int in 8..65536, not 131072\n"


@pytest.mark.parametrize("tool, values", [
    ("measure", (None, 80.0, 50.0)), ("clock", (1600, None, 50.0)),
    ("array_clock", (1600, 80.0, None)),
])
def test_missing_tool_is_noted(run, tool, values):
    def fail(config):
        raise ToolError("tool is not installed: pip\nlog")

    status, report, text, _ = run("--pes", "scan", **{tool: fail})
    assert status == 0
    scan = report["total"]["pes"]["scan"]
    assert (scan["luts"], scan["fmax_mhz"], scan["array_fmax_mhz"]) == values
    note = "scan: not all of area and clock measured: tool is not installed: pip"
    assert note in report["notes"] and note in text


def test_without_area(run):
    status, report, _, _ = run("--no-area", measure=None)
    assert status == 0 and "area and clock: not measured" in report["notes"]


def test_other_energies(run, files):
    table = files.parent / "energies.toml"
    table.write_text("[mine]\n" + "".join(
        f"{name} = {{ picojoules = {number}, source = 'guess' }}\n"
        for number, name in enumerate(EVENTS)))
    status, report, text, _ = run("--energies", str(table), "--table", "mine", "--pes", "scan")
    energies = report["total"]["pes"]["scan"]["energy_pj"]
    assert status == 0 and energies["dram_byte"] == 4 * 66 and energies["add_32_bit"] == 0
    assert "energy: cache_read_byte 2.0 pJ (guess)" in text
    table.write_text("[mine]\nadd_32_bit = { picojoules = 1, source = 'guess' }")
    status, report, _, errors = run("--energies", str(table), "--table", "mine")
    assert status == 2 and "no event 'sram_8kb_byte' in the table" in errors


@pytest.mark.parametrize("words, text", [
    (["--table", "none"], "no table 'none'"),
    (["--pes", "loas,scann"],
     "processing element must be one of loas, sparten, scan, bcast, not 'scann'"),
    (["--pes", ""], "not ''"),
    (["--bandwidth", "0"], "bandwidth must be at least 1 byte per cycle, not 0"),
    (["--bandwidth", "x"], "--bandwidth"),
    (["--geometry", "none.toml"], "none.toml"),
    (["--colour", "red"], "--colour"),
])
def test_bad_arguments(run, words, text):
    status, report, out, errors = run(*words)
    assert (status, report, out) == (2, None, "")
    assert errors.count("\n") == 1 and errors.startswith("spikeloom: ") and text in errors


def test_bad_trace(capsys, tmp_path):
    assert benchmark.main(["--trace", str(tmp_path / "a.npz")]) == 2
    assert "a.toml" in capsys.readouterr().err
    assert benchmark.main(["--geometry", "a.toml"]) == 2
    assert "geometry must come with a trace, not alone (a.toml)" in capsys.readouterr().err


def test_quick_run(tmp_path, capsys):
    assert benchmark.main(["--quick", "--out", str(tmp_path)]) == 0
    results = load_results(tmp_path / "alexnet_cifar10_spikes_quick.json")
    assert [layer.name for layer in results.layers] == ["conv2", "conv3", "conv4", "conv5"]
    assert results.elements == benchmark.QUICK_ELEMENTS
    for layer in results.layers:
        assert set(layer.pes) == set(KINDS)
        for pe in layer.pes.values():
            assert pe.exact and pe.cycles > 0 and sum(pe.dram_bytes.values()) > 0
        assert layer.bound <= min(layer.pes[name].cycles for name in ("loas", "sparten", "scan"))
    assert "only 12 rows and 40 columns of each layer" in results.notes
    assert " exact" in capsys.readouterr().out
