# SPDX-License-Identifier: Apache-2.0
"""Synthesis of an emitted unit: its netlist, its cells, and the state that got lost on the way."""

import json
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .build import Design, locked
from .toolchain import package_folder
from .yosys import EXTRA, run_yosys

__all__ = ["FAMILIES", "Netlist", "cell_models", "synthesize"]

_LATCHES = re.compile(r"\$_?(dlatch|adlatch|sr|DLATCH|SR)")
# Bits of one vector depend on each other; a few transactions do not repay an optimizing compiler.
_QUICK = ("-CFLAGS", "-O0")
_ARGUMENTS = ("-DNO_ICE40_DEFAULT_ASSIGNMENTS", "--bbox-unsup", "-Wno-UNOPTFLAT")
_WARNINGS = {"ice40": (), "ecp5": ("-Wno-fatal",)}  # of the cell models
# Before those of Yosys, which have no block RAM and no multiplier; the first of a name counts.
_OWN = {"ice40": (), "ecp5": (Path(__file__).parent / "ecp5_cells.sv",)}
FAMILIES = tuple(_WARNINGS)

Module = dict[str, Any]  # of Yosys's JSON


@dataclass(frozen=True)
class Netlist:
    """A unit mapped to the cells of an FPGA.

    Attributes
    ----------
    design : Design
        For the simulator, cell models included.
    cells : Counter[str]
        Number of cells of each type.
    latches : list[str]
        Cells that hold a value without a clock edge; there must be none.
    lost : dict[str, list[int]]
        Bits of registers that the RTL declares and that synthesis found constant or unused.
    lost_memories : list[str]
        Memories that are gone or smaller than declared.
    """

    design: Design
    cells: Counter[str]
    latches: list[str]
    lost: dict[str, list[int]]
    lost_memories: list[str]


def synthesize(unit: str, verilog: str, folder: Path, family: str = "ice40") -> Netlist:
    """Synthesize the Verilog of ``unit`` for a family, with all files and the log in ``folder``.

    Yosys's own checks run before and after: no combinational loop, no wire with two drivers or
    none. What is in ``folder`` already is used if it comes of the same Verilog and script.

    Raises
    ------
    ToolError
        Yosys is missing, or a pass or a check failed: with the end of the log.
    """
    source, declared, reduced, mapped, result = (
        folder / name for name in ("unit.v", "declared.json", "reduced.json", "mapped.json",
                                   f"{unit}.v"))
    with locked(folder):
        run_yosys(source, verilog, [
            f"read_verilog {source}", f"hierarchy -check -top {unit}", "proc", "flatten",
            "check -assert", f"write_json {declared}", "design -save declared",
            f"synth -run coarse:fine -top {unit}", "opt -full", f"write_json {reduced}",
            "design -load declared", "opt_clean -purge", f"synth_{family} -top {unit}",
            "check -assert", f"write_json {mapped}",
            "rename -hide c:* w:*_SB_*",  # names by tool, so long that waves fail
            f"write_verilog -noattr {result}",
        ])
    before, after, final = (json.loads(path.read_text())["modules"][unit]
                            for path in (declared, reduced, mapped))
    libraries, arguments = cell_models(family)
    return Netlist(
        Design(top=unit, verilog=result.read_text(), libraries=libraries,
               arguments=(*arguments, *_QUICK)),
        Counter(cell["type"] for cell in final["cells"].values()),
        _latches(before) + _latches(final), _lost(before, after),
        [name for name, bits in _memories(before).items() if _memories(after).get(name) != bits])


def cell_models(family: str) -> tuple[tuple[Path, ...], tuple[str, ...]]:
    """Return the models of the cells of a family, and the arguments of Verilator for them.

    Raises
    ------
    ToolError
        Yosys is missing.
    """
    models = package_folder("pyosys", EXTRA) / "share" / family
    return (*_OWN[family], models / "cells_sim.v"), (*_ARGUMENTS, *_WARNINGS[family], f"-I{models}")


def _latches(module: Module) -> list[str]:
    return [name for name, cell in module["cells"].items() if _LATCHES.match(cell["type"])]


def _lost(before: Module, after: Module) -> dict[str, list[int]]:
    """Return the register bits of ``before`` that no register or memory of ``after`` holds."""
    registers = {bit for cell in before["cells"].values() if cell["type"] == "$dff"
                 for bit in cell["connections"]["Q"]}
    held = {bit for cell in after["cells"].values()
            for port in ("Q", "RD_DATA") for bit in cell["connections"].get(port, [])}
    kept: set[int] = set()
    names: dict[int, tuple[str, int]] = {}
    for name, net in before["netnames"].items():
        if name.startswith("$"):  # made by the Verilog reader
            continue
        there = after["netnames"].get(name, {"bits": []})["bits"]
        for index, bit in enumerate(net["bits"]):
            if bit in registers:
                names[bit] = max(names.get(bit, ("", 0)), (name, index), key=_exactness)
                if index < len(there) and there[index] in held:
                    kept.add(bit)
    lost: dict[str, list[int]] = {}
    for bit in registers & names.keys() - kept:
        name, index = names[bit]
        lost.setdefault(name, []).append(index)
    return {name: sorted(bits) for name, bits in sorted(lost.items())}


def _exactness(place: tuple[str, int]) -> tuple[bool, int, int, str]:
    """Rank the names of one bit: the best says the most of where it is and what it is."""
    name = place[0]
    return "$" not in name and bool(name), name.count("."), len(name), name


def _memories(module: Module) -> dict[str, int]:
    """Return the bits of each memory."""
    found = {name: memory["width"] * memory["size"]
             for name, memory in module.get("memories", {}).items()}
    for cell in module["cells"].values():
        if cell["type"] == "$mem_v2":
            parameters = cell["parameters"]
            name = parameters["MEMID"].removeprefix("\\")
            found[name] = int(parameters["WIDTH"], 2) * int(parameters["SIZE"], 2)
    return found
