# SPDX-License-Identifier: Apache-2.0
"""What a build takes of its device, in whole and by unit; memories checked, paths named."""

import json
import re
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from ..gen.files import write_whole
from ..rtl.config import Config
from .bitstream import Built, UnfitError
from .boards import Board

__all__ = ["Report", "make_report", "report_table", "unit_table"]

_LARGE = 1024  # bits of a memory that must be in a RAM
_CELLS = {
    "ice40": {"luts": {"SB_LUT4": 1}, "brams": {"SB_RAM40_4K": 1},
              "dsps": {"SB_MAC16": 1}, "large_rams": {"SB_SPRAM256KA": 1}},
    "ecp5": {"luts": {"LUT4": 1, "CCU2C": 2, "TRELLIS_DPR16X4": 6}, "brams": {"DP16KD": 1},
             "dsps": {"MULT18X18D": 1}, "large_rams": {}},
}
_FLIP_FLOPS = re.compile(r"SB_DFF|TRELLIS_FF")
_AVAILABLE = {
    "ice40": {"luts": "ICESTORM_LC", "ffs": "ICESTORM_LC", "brams": "ICESTORM_RAM",
              "dsps": "ICESTORM_DSP", "large_rams": "ICESTORM_SPRAM"},
    "ecp5": {"luts": "TRELLIS_COMB", "ffs": "TRELLIS_FF", "brams": "DP16KD",
             "dsps": "MULT18X18D", "large_rams": ""},
}
_RESOURCES = {"luts": "LUTs", "ffs": "flip-flops", "brams": "block RAMs",
              "large_rams": "SPRAMs", "dsps": "multipliers"}
_MAPPED = re.compile(r"^(?:mapping memory (?P<name>\S+) via \$__(?P<kind>\S+?)_?"
                     r"|using FF mapping for memory (?P<bare>\S+))$", re.MULTILINE)
_NUMBER = re.compile(r"\$\d+$")  # of a module whose name others have, too
_DEPTH = {"system": 2, "system.accelerator": 3, "system.accelerator.engines": 4}


@dataclass(frozen=True, kw_only=True)
class Report:
    """Figures of one build; ``report.json`` holds these fields.

    Look-up tables count those that form carry chains and small memories; ``logic_cells`` is what
    nextpnr takes for them, with flip-flops packed.
    """

    board: str
    device: str
    design: str
    config: dict[str, Any]
    luts: int
    ffs: int
    brams: int
    large_rams: int
    dsps: int
    logic_cells: int
    available: dict[str, int]
    clock_mhz: float
    fmax_mhz: float
    critical_path: list[str]     # cells, from a register to a register
    memories: dict[str, str]     # what each one is made of
    units: dict[str, dict[str, int]]
    synthesis_seconds: float
    placing_seconds: float
    bitstream: str
    bitstream_bytes: int


def make_report(name: str, board: Board, design: str, config: Config, built: Built) -> Report:
    """Read what the tools left, write ``report.json``, and check the build.

    Raises
    ------
    UnfitError
        The clock of the board is too fast, or a large memory is made of flip-flops.
    """
    placed = json.loads((built.folder / "report.json").read_text())
    cells = json.loads((built.folder / "top.json").read_text())["modules"]["top"]["cells"]
    use = placed["utilization"]
    kinds = _AVAILABLE[board.family]
    clocks = placed["fmax"].values()
    report = Report(
        board=name, device=board.make_platform().device, design=design, config=config.as_dict(),
        **_count(((cell["type"], 1) for cell in cells.values()), board.family),
        logic_cells=use[kinds["luts"]]["used"],
        available={key: use[kind]["available"] if kind in use else 0
                   for key, kind in kinds.items()},  # an HX8K has no multipliers
        clock_mhz=board.clock / 1e6, fmax_mhz=round(min(net["achieved"] for net in clocks), 2),
        critical_path=_path(placed["critical_paths"]),
        memories=_memories(built.folder), units=_units(cells, built.units, board.family),
        synthesis_seconds=round(built.synthesis, 1), placing_seconds=round(built.placing, 1),
        bitstream=str(built.bitstream), bitstream_bytes=built.bitstream.stat().st_size)
    text = json.dumps(asdict(report), indent=2) + "\n"
    write_whole(built.folder.parent / "report.json", text)
    _check(report, built.folder)
    return report


def report_table(report: Report) -> Table:
    """Return the figures of the whole, against the device."""
    table = Table(title=f"{report.design} on {report.board} ({report.device})", box=SIMPLE_HEAD)
    for column in ("", "used", "of", ""):
        table.add_column(column, justify="right" if column else "left")
    used = {"logic cells": (report.logic_cells, report.available["luts"])} | {
        label: (getattr(report, key), report.available[key])
        for key, label in _RESOURCES.items()}
    for label, (count, most) in used.items():
        if most:
            table.add_row(label, f"{count:,}", f"{most:,}", f"{100 * count / most:.0f} %")
    table.add_row("clock", f"{report.clock_mhz:g} MHz", f"{report.fmax_mhz:g} MHz", "")
    table.add_row("synthesis", f"{report.synthesis_seconds:.0f} s", "", "")
    table.add_row("place and route", f"{report.placing_seconds:.0f} s", "", "")
    table.caption = "critical path: " + " to ".join(
        dict.fromkeys(_unit_path(cell, report.units) for cell in report.critical_path))
    return table


def unit_table(report: Report) -> Table:
    """Return the cells of each unit."""
    table = Table(title="by unit", box=SIMPLE_HEAD)
    table.add_column("unit")
    keys = [key for key in _RESOURCES if report.available[key]]
    for key in keys:
        table.add_column(_RESOURCES[key], justify="right")
    for unit, counts in sorted(report.units.items(), key=lambda item: -item[1]["luts"]):
        name = unit.removeprefix("system.").removeprefix("accelerator.")
        table.add_row(name, *(f"{counts[key]:,}" for key in keys))
    return table


def _count(cells: Any, family: str) -> dict[str, int]:
    """Return the resources that cells take, given as pairs of type and number."""
    kinds = Counter()
    for kind, number in cells:
        kinds[kind] += number
    found = {key: sum(weight * kinds[kind] for kind, weight in weights.items())
             for key, weights in _CELLS[family].items()}
    return found | {"ffs": sum(number for kind, number in kinds.items()
                               if _FLIP_FLOPS.match(kind))}


def _units(cells: dict[str, Any], paths: list[str], family: str) -> dict[str, dict[str, int]]:
    """Return the resources of each unit; cells are known by their names, as far as they tell."""
    shown = {path for path in paths if path.count(".") < _DEPTH.get(path.rpartition(".")[0], 0)}
    found: dict[str, list[tuple[str, int]]] = {}
    for name, cell in cells.items():
        unit = _NUMBER.sub("", _unit_path(name, shown))
        found.setdefault(unit, []).append((cell["type"], 1))
    return {unit: _count(kinds, family) for unit, kinds in found.items()}


def _unit_path(name: str, units: Any) -> str:
    """Return the unit that holds a cell."""
    parts = name.split(".")
    paths = (".".join(parts[:length]) for length in range(len(parts), 0, -1))
    return next((path for path in paths if path in units), "board")


def _path(paths: list[dict[str, Any]]) -> list[str]:
    """Return the cells of the longest path between registers of one clock."""
    inner = [path["path"] for path in paths if path["from"] == path["to"]]
    longest = max(inner, key=lambda steps: sum(step["delay"] for step in steps), default=[])
    return list(dict.fromkeys(step["to"]["cell"] for step in longest))


def _memories(folder: Path) -> dict[str, str]:
    """Return what each memory is made of."""
    log = (folder / "top.rpt").read_text(errors="replace")
    return {(found["name"] or found["bare"]).removeprefix("top."): found["kind"] or "flip-flops"
            for found in _MAPPED.finditer(log)}


def _check(report: Report, folder: Path) -> None:
    """Raise `UnfitError` if the bitstream would not work, or not as it is meant."""
    declared = json.loads((folder / "declared.json").read_text())["modules"]["top"]["memories"]
    for name, memory in declared.items():
        bits = memory["width"] * memory["size"]
        if bits > _LARGE and report.memories.get(name, "flip-flops") == "flip-flops":
            raise UnfitError(f"memory {name} of {bits} bits must be in a RAM, not in flip-flops")
    if report.fmax_mhz < report.clock_mhz:
        raise UnfitError(f"the clock of {report.board} is {report.clock_mhz:g} MHz, but "
                        f"{report.design} reaches {report.fmax_mhz:g} MHz only")
