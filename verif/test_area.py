# SPDX-License-Identifier: Apache-2.0
"""Area and clock: how cells are counted, and small arrays through the tools."""

import importlib.util
import json
import shutil
import sys
from collections import Counter
from pathlib import Path

import pytest

from spikeloom.rtl.config import ArrayConfig, FTPConfig
from spikeloom.verif import area
from spikeloom.verif.area import Area, array_clock, clock, count_cells, measure
from spikeloom.verif.toolchain import ToolError

SMALL = {"timesteps": 2, "tppes": 2, "chunk": 8, "beat_values": 4, "max_fan_in": 16,
         "laggy_adders": 4, "weight_bits": 2}
CONFIGS = {"ftp": FTPConfig(**SMALL),
           "scan": ArrayConfig(rows_per_pe=2, probes=2, output_lanes=2, **SMALL)}
needs_yosys = pytest.mark.skipif(importlib.util.find_spec("pyosys") is None, reason="no Yosys")


def test_cells_are_counted_as_nextpnr_does():
    cells = Counter(LUT4=4140, CCU2C=684, TRELLIS_DPR16X4=82, TRELLIS_FF=3858, DP16KD=6,
                    PFUMX=531, L6MUX21=219, MULT18X18D=8)
    assert count_cells(cells) == Area(luts=4140 + 2 * 684 + 6 * 82, ffs=3858, brams=6, dsps=8)
    assert count_cells(Counter()) == Area()


def test_areas_add_up():
    one = Area(luts=1, ffs=2, brams=3, dsps=4)
    assert one * 3 + Area(ffs=1, dsps=1) == Area(luts=3, ffs=7, brams=9, dsps=13)


@pytest.fixture
def tools(monkeypatch, tmp_path):
    """Stand-ins for Yosys and nextpnr: fixed cells, a fixed clock; return what was run."""
    cells = {"element": {"LUT4": 100, "CCU2C": 5, "DP16KD": 2}, "output_lane": {"TRELLIS_FF": 7},
             "list_array": {"element": 2, "output_lane": 2, "LUT4": 3}}
    ran = []

    def run_yosys(source, verilog, commands):
        top = source.parent.name.rpartition("-")[2]
        ran.append((top, [text for text in commands if text.startswith("blackbox")]))
        listed = {f"{name}{index}": {"type": name} for name, count in cells[top].items()
                  for index in range(count)}
        (source.parent / "netlist.json").write_text(json.dumps(
            {"modules": {top: {"cells": listed}}}))

    def run(command, log, cwd):
        ran.append(command[command.index("--top") + 1])
        (cwd / "report.json").write_text(json.dumps(
            {"fmax": {"clk": {"achieved": 81.5, "constraint": 100}}}))

    monkeypatch.setattr(area, "OUT", tmp_path)
    monkeypatch.setattr(area, "array_verilog", lambda config: (
        "module list_array (clk);\nmodule \\list_array.part (i);\n"
        "module element(clk);\nmodule output_lane(clk);\n"))
    monkeypatch.setattr(area, "run_yosys", run_yosys)
    monkeypatch.setattr(area, "run", run)
    monkeypatch.setattr(area.shutil, "which", lambda name, path=None: name)
    return ran


def test_array_is_its_modules_and_what_lies_between(tools):
    hardware = measure(CONFIGS["scan"])
    assert hardware.element == Area(luts=110, brams=2)
    assert hardware.array == Area(luts=3 + 2 * 110, ffs=2 * 7, brams=4)
    boxes = ["blackbox element", "blackbox output_lane"]
    assert tools == [("element", boxes[1:]), ("output_lane", boxes[:1]), ("list_array", boxes)]


def test_placed_once(tools):
    measure(CONFIGS["scan"])
    assert clock(CONFIGS["scan"]) == clock(CONFIGS["scan"]) == 81.5
    assert tools[3:] == ["element"]
    assert array_clock(CONFIGS["scan"]) == 81.5
    assert tools[4:] == [("list_array", []), "list_array"]


@needs_yosys
@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_small_array(config):
    hardware = measure(config)
    element, whole = hardware.element, hardware.array
    assert element.luts > 100 and element.ffs > 100
    assert whole.luts > 2 * element.luts and whole.ffs > 2 * element.ffs
    assert whole.brams >= 2 * element.brams
    assert measure(config) == hardware


@needs_yosys
def test_clock():
    folder = Path(sys.executable).parent
    if not (shutil.which(area._PLACER) or (folder / area._PLACER).exists()):
        pytest.skip("no nextpnr")
    measure(CONFIGS["scan"])
    assert 10 < clock(CONFIGS["scan"]) < 1000


def test_missing_placer(monkeypatch):
    monkeypatch.setattr(area, "_PLACER", "no-such-tool")
    with pytest.raises(ToolError, match=r"no-such-tool is not installed: pip install 'spikeloom\["):
        clock(CONFIGS["scan"])


def test_missing_yosys(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ToolError, match=r"is not installed: pip install 'spikeloom\["):
        measure(CONFIGS["ftp"])
