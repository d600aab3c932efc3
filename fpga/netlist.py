# SPDX-License-Identifier: Apache-2.0
"""The netlist of a whole system, mapped as for a bitstream, for simulation."""

from pathlib import Path
from typing import Any

from amaranth.back.rtlil import convert  # pyright: ignore[reportMissingImports] # no stub

from ..gen.emit import shared_modules
from ..verif.build import Design, blank_memories, locked
from ..verif.netlist import cell_models
from ..verif.yosys import run_yosys
from .bitstream import SYNTHESIS, with_large, without_zeros

__all__ = ["system_netlist"]


def system_netlist(system: Any, family: str, folder: Path) -> Design:
    """Synthesize a system; return it as cells of a family, with the models of these.

    Raises
    ------
    ToolError
        Yosys is missing or failed.
    """
    text = without_zeros(convert(system, name="system"))
    source, shared, result = (folder / name for name in ("system.il", "shared.v", "netlist.v"))
    modules = "\n".join(blank_memories(verilog) for verilog in shared_modules(system).values())
    with locked(folder):
        shared.write_text(modules)
        run_yosys(source, with_large(text, system.large) if family == "ice40" else text, [
            f"read_verilog {shared}", f"read_rtlil {source}", "hierarchy -check -top system",
            "proc", "flatten", "opt_clean -purge", "scratchpad -set abc9.verify 0",
            f"synth_{family} {SYNTHESIS[family]} -top system", "check -assert",
            "rename -hide c:* w:*_SB_*", f"write_verilog -noattr {result}"])
    libraries, arguments = cell_models(family)
    return Design(top="system", verilog=result.read_text(), libraries=libraries,
                  arguments=arguments)
