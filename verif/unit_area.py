# SPDX-License-Identifier: Apache-2.0
"""Area of an emitted unit on ECP5 and iCE40 FPGAs, by Yosys.

``python -m spikeloom.verif.unit_area ttfs_core --set lanes=4``; what was synthesized is kept
under ``out``.
"""

import json
import sys
from collections import Counter
from collections.abc import Sequence
from typing import Annotated

from cyclopts import App, Parameter
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from ..gen.presets import load_unit_config
from ..gen.run_app import run_app
from ..gen.units import check_unit, family_of
from ..rtl.config import Config, ConfigError
from .area import Area, count_cells
from .build import OUT, blank_memories, locked
from .runner import emitted
from .toolchain import ToolError
from .yosys import run_yosys

__all__ = ["TARGETS", "main", "unit_area"]

TARGETS = {"ECP5": "synth_ecp5", "iCE40": "synth_ice40"}
_console = Console()
_app = App(name="python -m spikeloom.verif.unit_area", help="Area of a unit on FPGAs.",
           version_flags=[], result_action="return_value")


def unit_area(unit: str, config: Config, target: str) -> Area:
    """Return the area of a unit, by itself.

    Memories begin with anything. Block RAMs are of 18 kbit on the ECP5 and of 4 kbit on the
    iCE40, whose multipliers are look-up tables here.

    Parameters
    ----------
    unit : str
    config : Config
    target : str
        One of `TARGETS`.

    Raises
    ------
    ToolError
        Yosys is missing or failed.
    """
    folder = OUT / "area" / f"{unit}-{config.hash()}-{target}"
    source, netlist = folder / "unit.v", folder / "netlist.json"
    with locked(folder):
        run_yosys(source, blank_memories(emitted(unit, config)), [
            f"read_verilog {source}", f"hierarchy -check -top {unit}", "proc", "flatten",
            "opt_clean -purge", f"{TARGETS[target]} -top {unit}", f"write_json {netlist}"])
    module = json.loads(netlist.read_text())["modules"][unit]
    cells = Counter(cell["type"] for cell in module["cells"].values())
    if target == "ECP5":
        return count_cells(cells)
    return Area(luts=cells["SB_LUT4"], brams=cells["SB_RAM40_4K"],
                ffs=sum(count for kind, count in cells.items() if kind.startswith("SB_DFF")))


@_app.default
def show(unit: str, *, config: str = "",
         set_: Annotated[tuple[str, ...], Parameter(name="--set")] = ()) -> int:
    """Synthesize a unit and print its area.

    Parameters
    ----------
    unit
        Name of its Verilog module.
    config
        Preset or TOML file; by default that which the unit is usually built for.
    set_
        Override a field of the preset: FIELD=VALUE.
    """
    check_unit(unit)
    chosen = load_unit_config(config or family_of(unit).preset, set_)
    check_unit(unit, chosen)
    table = Table(title=f"{unit}, configuration {chosen.hash()}", box=SIMPLE_HEAD)
    for name in ("target", "LUTs", "flip-flops", "block RAMs", "multipliers"):
        table.add_column(name, justify="left" if name == "target" else "right")
    for target in TARGETS:
        area = unit_area(unit, chosen, target)
        table.add_row(target, *(f"{count:,}" for count in (
            area.luts, area.ffs, area.brams, area.dsps)))
    _console.print(table)
    return 0


def main(words: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status, 2 if the user is to mend a thing."""
    return run_app(_app, words, ConfigError, ToolError)


if __name__ == "__main__":
    sys.exit(main())
