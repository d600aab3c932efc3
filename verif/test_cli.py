# SPDX-License-Identifier: Apache-2.0
"""The command line: what it writes, and one line for each mistake."""

import json
import subprocess
import sys
import tomllib
from importlib import import_module
from importlib.metadata import EntryPoint

import pytest

from spikeloom.gen import cli
from spikeloom.gen.cli import main
from spikeloom.gen.files import write_whole


@pytest.fixture
def spikeloom(monkeypatch, capsys, tmp_path):
    """Run a command in an empty folder; return status, standard output and error."""
    monkeypatch.chdir(tmp_path)

    def run(*words):
        status = main(words)
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


def test_writes_verilog_and_json(spikeloom, tmp_path):
    status, out, err = spikeloom("verilog", "plif", "compressor", "--config", "tiny",
                                 "--set", "timesteps=3", "--set", "weight_bits=5")
    folder = tmp_path / "out" / "verilog"
    assert (status, err) == (0, "")
    assert sorted(path.name for path in folder.iterdir()) == [
        "compressor.json", "compressor.v", "plif.json", "plif.v"]
    assert [line.split()[0] for line in out.splitlines()] == [
        f"out/verilog/{name}" for name in ("plif.v", "plif.json", "compressor.v",
                                           "compressor.json")]
    config = json.loads((folder / "plif.json").read_text())["config"]
    assert (config["timesteps"], config["weight_bits"], config["chunk"]) == (3, 5, 32)


def test_writes_the_units_of_another_family(spikeloom, tmp_path):
    status, _, err = spikeloom("verilog", "--config", "crossbar", "--set", "rows=16",
                               "--set", "columns=16", "--set", "tiles=2")
    folder = tmp_path / "out" / "verilog"
    assert (status, err) == (0, "")
    units = ("adc", "crossbar", "imc_engine", "membrane_lif", "imc_core")
    assert sorted(path.name for path in folder.iterdir()) == sorted([
        "crossbar_blackbox.v", *(f"{unit}.{end}" for unit in units for end in ("v", "json"))])
    assert spikeloom("verilog", "plif", "--config", "crossbar") == (2, "", (
        "spikeloom: no unit 'plif' in this configuration; there are adc, crossbar, imc_engine, "
        "membrane_lif, imc_core\n"))


def test_other_folder(spikeloom, tmp_path):
    assert spikeloom("verilog", "plif", "--config", "tiny", "--out", "a/b")[0] == 0
    assert (tmp_path / "a" / "b" / "plif.v").exists()


def test_writes_registers(spikeloom, tmp_path):
    status, out, err = spikeloom("registers", "--config", "tiny", "--set", "tppes=3")
    assert (status, err) == (0, "")
    names = ["regs.py", "regs.h", "registers.rdl", "registers.html"]
    assert [line.split()[0] for line in out.splitlines()] == [
        f"out/registers/{name}" for name in names]
    text = (tmp_path / "out" / "registers" / "regs.py").read_text()
    assert "CONFIG_TPPES_VALUE_RESET = 0x3\n" in text


@pytest.mark.parametrize("words, text", [
    (["verilog", "plfi"], "no unit 'plfi', did you mean 'plif'?; there are prefix_sum_fast, "),
    (["verilog", "plif", "nope"], "no unit 'nope'; there are "),
    (["verilog", "element"], "no unit 'element' in this configuration; there are "),
    (["verilog", "--config", "lobs"], "no preset 'lobs', did you mean 'loas'?"),
    (["verilog", "plif", "--set", "chunk=9"], "preset loas: chunk must be a multiple of 8"),
    (["verilog", "plif", "--set", "chnk=8"], "no field 'chnk', did you mean 'chunk'?"),
    (["verilog", "--nope"], "--nope"),
    (["verilag"], "verilag"),
    (["verilog", "plif", "--out", "/proc/nowhere"], "/proc/nowhere"),
])
def test_mistakes(spikeloom, tmp_path, words, text):
    status, out, err = spikeloom(*words)
    assert (status, out) == (2, "")
    assert err.startswith("spikeloom: ") and err.count("\n") == 1 and text in err
    assert not list(tmp_path.iterdir()), "nothing may be written"


def test_further_commands(spikeloom, monkeypatch):
    """What is installed under an entry point gets all words behind its name, and is listed."""
    given = []
    entries = [EntryPoint("stub", "spikeloom.stub:main", cli._GROUP),
               EntryPoint("lame", "spikeloom.nowhere:main", cli._GROUP)]
    monkeypatch.setattr(cli, "entry_points", lambda group: entries)
    monkeypatch.setattr(EntryPoint, "load", lambda self: (
        import_module("spikeloom.nowhere") if self.name == "lame" else
        lambda words: given.append(words) or 3))
    assert spikeloom("stub", "--images", "2", "--help", "a") == (3, "", "")
    assert given == [("--images", "2", "--help", "a")]
    status, out, err = spikeloom("lame")
    assert (status, out) == (2, "") and err == (
        "spikeloom: command lame needs the package spikeloom.nowhere, which is not installed\n")
    status, out, _ = spikeloom("--help")
    assert status == 0 and "See spikeloom stub --help." in out


def test_declared_commands_exist(root):
    if not (root / "pyproject.toml").exists():
        pytest.skip("an installed package, not a checkout")
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    declared = project["entry-points"][cli._GROUP]
    assert set(declared) == {"bench", "fit", "fpga", "sim", "study"}
    for name, value in declared.items():
        assert callable(EntryPoint(name, value, cli._GROUP).load())


def test_help_and_version():
    for words, text in ((["--help"], "verilog"), (["verilog", "--help"], "--config"),
                        (["--version"], "0.1.0")):
        done = subprocess.run([sys.executable, "-m", "spikeloom.gen", *words], text=True,
                              capture_output=True)
        assert done.returncode == 0 and text in done.stdout


def test_files_are_whole_or_absent(tmp_path):
    path = tmp_path / "new" / "file"
    write_whole(path, "first")
    write_whole(path, "second")
    with pytest.raises(UnicodeEncodeError):
        write_whole(path, "\ud800")
    assert path.read_text() == "second"
    assert list(path.parent.iterdir()) == [path]
