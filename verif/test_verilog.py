# SPDX-License-Identifier: Apache-2.0
"""The Verilog of every unit: repeatable, clean, and described by its JSON."""

import dataclasses
import hashlib
import os
import subprocess
import sys
from functools import cache

import pytest

from spikeloom.gen.emit import emit
from spikeloom.gen.presets import load_config, preset_names
from spikeloom.gen.registers import REGISTER_FILES
from spikeloom.gen.units import UNITS
from spikeloom.rtl.config import AcceleratorConfig, FTPConfig
from spikeloom.verif import runner
from spikeloom.verif.build import Port, module_ports
from spikeloom.verif.toolchain import environment

_LEAST = AcceleratorConfig(
    timesteps=1, chunk=8, weight_bits=2, tppes=1, laggy_adders=1, match_fifo_depth=2,
    beat_values=1, max_fan_in=8, column_fifo_depth=2, counter_bits=16, memory_bits=32,
    memory_words=256, burst_words=2, fetch_depth=2, weight_buffer_beats=64, max_columns=8,
    requantize=0)
LINTED = {name: load_config(name) for name in preset_names()} | {  # and the ends of all ranges
    "least": _LEAST,
    "most_tppes": dataclasses.replace(_LEAST, tppes=64, inner_join="fast_fast", laggy_adders=8),
    "most": AcceleratorConfig(
        timesteps=16, chunk=256, weight_bits=8, tppes=2, laggy_adders=256, match_fifo_depth=64,
        beat_values=8, max_fan_in=65536, column_fifo_depth=64, counter_bits=64, guard_bits=8,
        memory="on_chip", memory_bits=128, burst_words=128, fetch_depth=64,
        weight_buffer_beats=2048, max_columns=2048),  # longer ones only make long Verilog
    "most_beat_values": FTPConfig(  # of units that have nothing to do with the memory
        timesteps=16, chunk=256, weight_bits=8, tppes=2, laggy_adders=256, match_fifo_depth=64,
        beat_values=64, max_fan_in=65536, column_fifo_depth=64, counter_bits=64),
}


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
        f"{unit}.{end}" for unit in UNITS for end in ("v", "json"))])
    assert _written(tmp_path / "2", 2) == first


def test_same_bytes_in_one_process(unit, emitted, tiny):
    assert emit(unit, tiny) == emitted


def test_header_names_product_unit_and_configuration(unit, emitted, tiny):
    head = emitted.verilog.splitlines()[0]
    assert head == f"// Spikeloom 0.1.0, unit {unit}, configuration {tiny.hash()}"


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


@pytest.mark.parametrize("config", LINTED.values(), ids=LINTED)
def test_lint(unit, config, tmp_path, root):
    if ".soc." in UNITS[unit].__module__ and not isinstance(config, AcceleratorConfig):
        pytest.skip("a configuration of the datapath only")
    path = tmp_path / f"{unit}.v"
    path.write_text(runner.emitted(unit, config))
    done = subprocess.run(["verilator_bin", "--lint-only", "-Wall", root / "verif" / "lint.vlt",
                           path, "--top-module", unit], env=environment(), text=True,
                          capture_output=True)
    assert done.returncode == 0 and not done.stderr, done.stderr
