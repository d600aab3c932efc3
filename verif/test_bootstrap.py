# SPDX-License-Identifier: Apache-2.0
"""Setting up: a missing tool is named in one line, with the command that installs it."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not (Path(__file__).parent.parent / "Makefile").exists(),
                                reason="an installed package, not a checkout")

TOOLS = {"python3": sys.executable, "c++": "c++", "make": "make", "perl": "perl"}
OLD_PYTHON = """#!/bin/sh
case "$1" in -V) echo Python 3.9.2 ;; *) exit 1 ;; esac
"""
BARE_PYTHON = """#!/bin/sh
case "$2" in
    *"sys.exit"*) exit 0 ;;
    *"print"*) echo 3.11 ;;
    *{lacking}*) exit 1 ;;
    "") case "$(cat)" in *{lacking}*) exit 1 ;; esac ;;
esac
"""


@pytest.fixture
def bootstrap(tmp_path, root):
    """Run the script in an empty folder, with some tools only; return status and what it says."""
    shell = shutil.which("sh")
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "cat").symlink_to(shutil.which("cat"))

    def run(lacking=(), python=None):
        for name, path in TOOLS.items():
            if name not in lacking:
                (tools / name).symlink_to(shutil.which(path))
        if python:
            (tools / "python3").unlink()
            (tools / "python3").write_text(python)
            (tools / "python3").chmod(0o755)
        done = subprocess.run([shell, root / "gen" / "bootstrap.sh", "sim"], cwd=tmp_path,
                              env={"PATH": str(tools)}, capture_output=True, text=True)
        assert not (tmp_path / ".venv").exists(), "nothing may be made"
        assert not done.stdout
        return done.returncode, done.stderr

    return run


@pytest.mark.parametrize("tool, package", [
    ("python3", "python3"), ("c++", "g++"), ("make", "make"), ("perl", "perl")])
def test_missing_tool(bootstrap, tool, package):
    assert bootstrap([tool]) == (
        1, f"spikeloom: {package} is missing: apt-get install {package}\n")


def test_old_python(bootstrap):
    status, text = bootstrap(python=OLD_PYTHON)
    assert status == 1
    assert text == ("spikeloom: Python 3.11 is missing, python3 is Python 3.9.2: "
                    "apt-get install python3.11, then make PYTHON=python3.11\n")


@pytest.mark.parametrize("lacking, package", [
    ("ensurepip", "python3.11-venv"), ("ctypes", "libpython3.11")])
def test_python_without(bootstrap, lacking, package):
    assert bootstrap(python=BARE_PYTHON.format(lacking=lacking)) == (
        1, f"spikeloom: {package} is missing: apt-get install {package}\n")


def test_help_lists_every_target(root):
    text = subprocess.run(["make", "-s", "help"], cwd=root, capture_output=True, text=True,
                          check=True).stdout
    makefile = (root / "Makefile").read_text()
    phony = makefile.split(".PHONY:")[1].splitlines()[0].split()
    assert [line.split(":")[0].removeprefix("make ") for line in text.splitlines()] == phony


def test_bench_takes_options(root):
    text = subprocess.run(["make", "--no-print-directory", "-n", "bench", "QUICK=1",
                           "PES=scan,loas", "BANDWIDTH=8", "TRACE=a.npz", "GEOMETRY=b.toml"],
                          cwd=root, capture_output=True, text=True, check=True).stdout
    words = text.replace("\\\n", " ").split()
    assert words[words.index("-m"):] == [
        "-m", "spikeloom.verif.benchmark", "--trace", "a.npz", "--geometry", "b.toml",
        "--pes", "scan,loas", "--bandwidth", "8", "--quick"]
