# SPDX-License-Identifier: Apache-2.0
"""The Verilog of every unit: repeatable, clean, and described by its JSON."""

import hashlib
import os
import subprocess
import sys
from functools import cache

import pytest

from spikeloom.gen.emit import emit
from spikeloom.gen.registers import REGISTER_FILES
from spikeloom.gen.units import UNITS, units_of
from spikeloom.verif import runner
from spikeloom.verif.build import Port, module_ports
from spikeloom.verif.toolchain import environment
from spikeloom.verif.unit_configs import linted_configs

_SHORT = {"tiny", "array", "crossbar", "ttfs", "vit", "least", "least_lookup", "least_crossbar"}
LINTED = [pytest.param(unit, config, id=f"{unit}-{name}",
                       marks=() if name in _SHORT else pytest.mark.long)
          for unit in UNITS for name, config in linted_configs(unit).items()]


def _fields(item, prefix=""):
    """Yield name and description of a port, its fields and their fields."""
    yield prefix + item["name"], item
    for part in item.get("fields", []):
        yield from _fields(part, f"{prefix}{item['name']}.")


@cache
def _written(folder, hash_seed):
    """Return the digest of each file that the command line writes in a fresh process."""
    subprocess.run([sys.executable, "-m", "spikeloom.gen", "verilog", "--config", "tiny",
                    "--out", str(folder)], check=True, stdout=subprocess.DEVNULL,
                   env=os.environ | {"PYTHONHASHSEED": str(hash_seed)})
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest()
            for path in folder.iterdir()}


def test_same_bytes_in_fresh_processes(tmp_path, tiny):
    first = _written(tmp_path / "1", 1)
    assert sorted(first) == sorted([*REGISTER_FILES, *(
        f"{unit}.{end}" for unit in units_of(tiny) for end in ("v", "json"))])
    assert _written(tmp_path / "2", 2) == first


def test_same_bytes_in_one_process(unit, emitted, smallest):
    assert emit(unit, smallest) == emitted


def test_header_names_product_unit_and_configuration(unit, emitted, smallest):
    head = emitted.verilog.splitlines()[0]
    assert head == f"// Spikeloom 0.1.0, unit {unit}, configuration {smallest.hash()}"


def test_json_has_the_ports_of_the_verilog(unit, emitted):
    described = {port["name"]: Port(port["direction"], port["width"])
                 for port in emitted.description["ports"]}
    assert described == module_ports(emitted.verilog, unit)


def test_json_explains_everything(emitted):
    text = emitted.description
    assert all(text[key] for key in ("summary", "latency", "throughput", "back_pressure", "reset"))
    silent = [name for port in text["ports"] for name, item in _fields(port)
              if not item["meaning"]]
    assert not silent, f"no meaning for {', '.join(silent)}"


def test_fields_cover_their_port(emitted):
    for port in emitted.description["ports"]:
        for name, item in _fields(port):
            if "fields" in item:
                assert sum(part["width"] for part in item["fields"]) == item["width"], name
            if "element" in item:
                assert item["count"] * item["element"]["width"] == item["width"], name


@pytest.mark.parametrize(("unit", "config"), LINTED)
def test_lint(unit, config, tmp_path, root):
    path = tmp_path / f"{unit}.v"
    path.write_text(runner.emitted(unit, config))
    done = subprocess.run(["verilator_bin", "--lint-only", "-Wall", root / "verif" / "lint.vlt",
                           path, "--top-module", unit], env=environment(), text=True,
                          capture_output=True)
    assert done.returncode == 0 and not done.stderr, done.stderr
