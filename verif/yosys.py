# SPDX-License-Identifier: Apache-2.0
"""Yosys from pip, as a process of its own, with what it made kept by content."""

import hashlib
import sys
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

from .toolchain import package_folder, run

__all__ = ["EXTRA", "run_yosys"]

EXTRA = "bench"  # the extra of the package that holds Yosys

_SHELL = """
import sys
from pyosys import libyosys
design = libyosys.Design()
for command in open(sys.argv[1]).read().splitlines():
    design.run_pass(command)
"""


def run_yosys(source: Path, verilog: str, commands: Iterable[str]) -> None:
    """Write ``verilog`` to ``source`` and run ``commands``, unless that was done before.

    The script, the log and what the commands write lie beside the source. The caller holds the
    folder (`build.locked`).

    Raises
    ------
    ToolError
        Yosys is missing, or a command failed: with the end of the log.
    """
    package_folder("pyosys", EXTRA)
    script, log, done = (source.parent / name for name in ("script.ys", "yosys.log", "done"))
    text = "\n".join(commands) + "\n"
    key = hashlib.sha256("\0".join([verilog, text, version("pyosys")]).encode()).hexdigest()
    if done.exists() and done.read_text() == key:
        return
    done.unlink(missing_ok=True)
    log.unlink(missing_ok=True)
    source.write_text(verilog)
    script.write_text(text)
    run([sys.executable, "-c", _SHELL, str(script)], log)
    done.write_text(key)
