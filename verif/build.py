# SPDX-License-Identifier: Apache-2.0
"""Verilog to a simulator that cocotb drives: one folder a build, built once, safe in parallel."""

import contextlib
import fcntl
import functools
import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from cocotb_tools import config as cocotb_config

from .toolchain import ToolError, fingerprint, run

__all__ = ["QUICK_BUILD", "Design", "Port", "blank_memories", "build", "locked", "module_ports"]

OUT = Path("out/verif").resolve()
_FLAGS = ("--vpi", "--timescale", "1ns/1ps", "--no-timing", "-Wno-lint", "-Wno-style",
          "--x-assign", "fast", "--x-initial", "fast",
          "--output-split", "50000")  # smaller pieces compile longer, for their shared headers
QUICK_BUILD = ("-CFLAGS", "-O0", "--output-split", "0")  # of what runs for a moment only
_KEPT = (".lock", "build.log", "key", "sim")
_ZEROS = re.compile(r"^  initial begin\n(?:    \S+ ?\[\d+\] = \d+'[dh]0+;\n)+  end\n", re.MULTILINE)
_STUB = """module stub(clk, q);
  input clk;
  output q;
  reg q;
  always @(posedge clk) q <= ~q;
endmodule
"""


@dataclass(frozen=True)
class Port:
    """A port as the Verilog declares it."""

    direction: str  # "input" or "output"
    width: int


@dataclass(frozen=True, kw_only=True)
class Design:
    """What to simulate."""

    top: str
    verilog: str
    libraries: tuple[Path, ...] = ()  # further sources: cell models of a netlist
    arguments: tuple[str, ...] = field(default=())  # further Verilator arguments for them

    def key(self, waves: bool) -> str:
        """Return a hash of everything that the build depends on."""
        parts = [self.verilog, *(path.read_text() for path in self.libraries),
                 *map(str, self.libraries), *self.arguments, *_FLAGS,
                 str(waves), fingerprint(), str(cocotb_config.libs_dir)]
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def module_ports(verilog: str, top: str) -> dict[str, Port]:
    """Return the ports of module ``top`` in emitted Verilog, in the order of its header.

    Raises
    ------
    ValueError
        There is no such module.
    """
    found = re.search(rf"^module {re.escape(top)}\s*\(([^)]*)\);(.*?)^endmodule", verilog,
                      re.DOTALL | re.MULTILINE)
    if not found:
        raise ValueError(f"no module {top} in the Verilog")
    declared = {name: Port(direction, int(high or 0) + 1) for direction, high, name in re.findall(
        r"^\s*(input|output) (?:reg |wire )?(?:\[(\d+):0\] )?(\w+)\s*(?:;|=)",
        found[2], re.MULTILINE)}
    return {name: declared[name] for name in re.findall(r"\w+", found[1])}


def blank_memories(verilog: str) -> str:
    """Return emitted Verilog without the initial zeros of its memories.

    Of large memories they are most of the text, and of the time to read it; only for units that
    do not rely on them.
    """
    return _ZEROS.sub("", verilog)


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold ``folder`` (made if need be) against other processes."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def build(design: Design, folder: Path, waves: bool = False) -> Path:
    """Build ``design`` in ``folder`` unless the same is there; return the program.

    Only the top's ports are visible to cocotb, so that Verilator optimises all else.

    Raises
    ------
    ToolError
        Verilator, make or the compiler is missing or failed.
    """
    program = folder / "sim"
    stamp = folder / "key"
    key = design.key(waves)
    with locked(folder):
        if not (program.exists() and stamp.exists() and stamp.read_text() == key):
            stamp.unlink(missing_ok=True)
            _clear(folder, _KEPT[:1])
            (folder / f"{design.top}.v").write_text(design.verilog)
            _verilate(design, folder, waves, folder / "build.log")
            _make(folder, folder / "build.log",
                  "VM_GLOBAL_FAST=", "VM_GLOBAL_SLOW=", f"LIBS={_runtime(waves)}")
            _clear(folder, (*_KEPT, f"{design.top}.v"))
            stamp.write_text(key)
    return program


def _clear(folder: Path, kept: tuple[str, ...]) -> None:
    """Remove the files in ``folder`` but some; folders, such as those of runs, stay."""
    for item in folder.iterdir():
        if item.is_file() and item.name not in kept:
            item.unlink()


def _verilate(design: Design, folder: Path, waves: bool, log: Path) -> None:
    public = "".join(f'public_flat_rw -module "{design.top}" -var "{name}"\n'
                     for name in module_ports(design.verilog, design.top))
    (folder / "public.vlt").write_text("`verilator_config\n" + public)
    libs = cocotb_config.libs_dir
    run(["verilator", "--cc", "--exe", "-Mdir", str(folder), "--top-module", design.top,
         "--prefix", "Vtop", "-o", "sim", *_FLAGS, *(["--trace-vcd"] if waves else []),
         "-LDFLAGS", f"-Wl,-rpath,{libs} -L{libs} -lcocotbvpi_verilator", *design.arguments,
         str(cocotb_config.share_dir / "lib" / "verilator" / "verilator.cpp"),
         str(folder / "public.vlt"), *map(str, design.libraries),
         str(folder / f"{design.top}.v")], log)


def _make(folder: Path, log: Path, *variables: str) -> None:
    jobs = "1" if "PYTEST_XDIST_WORKER" in os.environ else "2"  # there each core has its own build
    run(["make", "-s", "-j", jobs, "-C", str(folder), "-f", "Vtop.mk", *variables], log)


@functools.cache
def _runtime(waves: bool) -> str:
    """Return the object files of Verilator's runtime, compiled once for all designs.

    They are three quarters of the compile time of a small unit.
    """
    design = Design(top="stub", verilog=_STUB)
    folder = OUT / f"runtime-{design.key(waves)[:16]}"
    done = folder / "done"
    with locked(folder):
        if not done.exists():
            shutil.rmtree(folder / "obj", ignore_errors=True)
            (folder / "obj").mkdir()
            (folder / "obj" / "stub.v").write_text(_STUB)
            _verilate(design, folder / "obj", waves, folder / "build.log")
            _make(folder / "obj", folder / "build.log")
            done.touch()
    objects = sorted((folder / "obj").glob("verilated*.o"))
    if not objects:
        raise ToolError(f"Verilator's runtime left no object files in {folder}")
    return " ".join(map(str, objects))
