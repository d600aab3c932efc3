# SPDX-License-Identifier: Apache-2.0
"""The stub of the crossbar: it has the unit's ports, and an engine takes it for the unit."""

import subprocess

import pytest

from spikeloom.gen.emit import emit, write_unit
from spikeloom.gen.presets import load_unit_config
from spikeloom.verif.build import module_ports
from spikeloom.verif.toolchain import environment
from spikeloom.verif.unit_configs import smallest_config


@pytest.fixture(scope="module")
def config():
    return load_unit_config("crossbar")


def test_it_has_the_ports_of_the_unit(config):
    emitted = emit("crossbar", config)
    stub = emitted.black_boxes["crossbar"]
    assert module_ports(stub, "crossbar") == module_ports(emitted.verilog, "crossbar")
    assert "encoding = differential" in stub
    assert "//   [6:0] row: Row R is that of the offsets" in stub


def test_only_what_may_be_replaced_has_one(config, tmp_path):
    assert [path.name for path in write_unit("crossbar", config, tmp_path)] == [
        "crossbar.v", "crossbar.json", "crossbar_blackbox.v"]
    assert [path.name for path in write_unit("adc", config, tmp_path)] == ["adc.v", "adc.json"]
    assert emit("imc_engine", config).black_boxes == emit("crossbar", config).black_boxes


@pytest.mark.parametrize("files, macros, works", [
    (["imc_engine.v"], [], True),
    (["imc_engine.v", "crossbar_blackbox.v"], ["-DEXTERNAL_CROSSBAR"], True),
    (["imc_engine.v"], ["-DEXTERNAL_CROSSBAR"], False),
    (["imc_engine.v", "crossbar_blackbox.v"], [], False),
])
def test_the_engine_takes_it(config, tmp_path, files, macros, works):
    for unit in ("crossbar", "imc_engine"):
        write_unit(unit, config, tmp_path)
    (tmp_path / "crossbar.v").unlink()  # Verilator would find it by itself
    done = subprocess.run(
        ["verilator_bin", "--lint-only", "-Wno-lint", "-Wno-style", "-Werror-MODDUP", *macros,
         "--top-module", "imc_engine", *files],
        env=environment(), cwd=tmp_path, text=True, capture_output=True)
    assert (done.returncode == 0) == works, done.stderr


def test_the_array_of_an_accelerator_holds_it_as_a_module():
    emitted = emit("crossbar_array", smallest_config("crossbar_array"))
    guarded = emitted.verilog.partition("`ifndef EXTERNAL_CROSSBAR\n")[2].partition("`endif\n")[0]
    assert emitted.verilog.count("\nmodule crossbar(") == 1
    stub = emitted.black_boxes["crossbar"]
    assert module_ports(stub, "crossbar") == module_ports(guarded, "crossbar")
