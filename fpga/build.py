# SPDX-License-Identifier: Apache-2.0
"""``make fpga BOARD=...``: build a bitstream, report what it takes, program the board.

``python -m spikeloom.fpga.build ulx3s-25f --config tiny``
"""

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from amaranth.build.run import LocalBuildProducts
from cyclopts import App, Parameter
from rich.console import Console

from ..gen.presets import load_unit_config
from ..gen.run_app import run_app
from ..rtl.config import Config, ConfigError, LinkConfig
from ..verif.toolchain import ToolError
from .bitstream import build_bitstream
from .boards import board_named
from .designs import design_name, make_system
from .report import Report, make_report, report_table, unit_table

__all__ = ["DEFAULTS", "OUT", "build", "main", "write_board"]

OUT = Path("out/fpga").resolve()
DEFAULTS: dict[str, tuple[str, ...]] = {  # preset of each board, and what is changed in it
    "icebreaker": ("micro",),
    "hx8k": ("micro", "memory_words=2816"),
    "ulx3s-25f": ("tiny", "memory_words=16384", "requantize=0"),
    "ulx3s-85f": ("small",),
    "ecp5-evn": ("small",),
}
_Overrides = Annotated[tuple[str, ...], Parameter(
    name="--set", negative="", show_default=False,
    help="field=value, in place of the preset's; again for more.")]
_console = Console()
_app = App(name="python -m spikeloom.fpga.build", help="Build for FPGA boards.",
           version_flags=[], result_action="return_value")


def build(name: str, config: Config, seed: int = 1) -> Report:
    """Build for a board, in ``out/fpga/BOARD``, and return the figures.

    Raises
    ------
    ConfigError
        There is no such board, or the configuration is not for one.
    ToolError
        A tool is missing or failed, or the bitstream would not work.
    """
    board = board_named(name)
    design = design_name(config)
    system = make_system(config, LinkConfig(divisor=board.divisor))
    built = build_bitstream(board, system, OUT / name / f"{design}-{config.hash()}", seed)
    return make_report(name, board, design, config, built)


@_app.default
def _build(board: str, *, config: str = "", overrides: _Overrides = (), seed: int = 1,
           units: bool = True, program: bool = False) -> int:
    """Build a bitstream and print what it takes.

    Parameters
    ----------
    config
        Preset, or path of a TOML file; by default one that fits the board.
    seed
        Of place and route.
    units
        Print the cells of each unit, too.
    program
        Write the bitstream to the board that is connected.
    """
    board_named(board)
    preset, *changes = (config,) if config else DEFAULTS[board]
    chosen = load_unit_config(preset, [*changes, *overrides])
    report = build(board, chosen, seed)
    _console.print(report_table(report))
    if units:
        _console.print(unit_table(report))
    _console.print(f"bitstream: {report.bitstream}\nreport: {OUT / board / 'report.json'}",
                   soft_wrap=True)
    if program:
        write_board(board, Path(report.bitstream))
    return 0


def write_board(name: str, bitstream: Path) -> None:
    """Write a bitstream to a board; raise `ToolError` naming the programmer if it is missing."""
    board = board_named(name)
    tool, variable, package = board.programmer
    if shutil.which(os.environ.get(variable, tool)) is None:
        raise ToolError(f"{tool} is missing: {package}, or name another one in {variable}")
    platform = board.make_platform()
    platform.toolchain_program(LocalBuildProducts(str(bitstream.parent)), bitstream.stem)


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit status, 2 if the user is to mend a thing."""
    return run_app(_app, words, ConfigError, ToolError, fold=False)


if __name__ == "__main__":
    sys.exit(main())
