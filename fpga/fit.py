# SPDX-License-Identifier: Apache-2.0
"""``spikeloom fit BOARD``: search the configurations that fit a board, and prove it by building.

Each of `STEPS` makes the accelerator smaller. The first one of which a bitstream comes out that
meets the clock of the board is searched for from the one that `make fpga` builds, in strides that
double until it is passed, then by halves. So the step before it was built, too, and does not fit.
"""

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace

from cyclopts import App
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from ..gen.files import write_whole
from ..gen.presets import as_toml, load_unit_config
from ..gen.run_app import run_app
from ..rtl.config import Config, ConfigError
from ..verif.toolchain import ToolError
from .bitstream import UnfitError
from .boards import board_named
from .build import DEFAULTS, OUT, build
from .report import Report

__all__ = ["STEPS", "Attempt", "main", "search"]

# Presets with what is changed in them, from the largest accelerator to the smallest.
STEPS: tuple[tuple[str, ...], ...] = (
    ("small", "tppes=16", "memory_words=32768", "chunk=128"),
    ("small", "tppes=12", "memory_words=32768"),
    ("small", "tppes=8", "memory_words=32768"),
    ("small",),
    ("small", "requantize=0"),
    ("tiny",),
    ("tiny", "memory_words=16384"),
    ("tiny", "memory_words=16384", "requantize=0"),
    ("tiny", "memory_words=16384", "requantize=0", "chunk=16", "max_fan_in=256",
     "max_columns=32", "weight_buffer_beats=128", "counter_bits=16"),
    ("tiny", "memory_words=16384", "requantize=0", "chunk=8", "laggy_adders=4", "beat_values=2",
     "weight_bits=4", "max_fan_in=128", "max_columns=16", "weight_buffer_beats=64",
     "counter_bits=16", "guard_bits=0", "fetch_depth=2", "burst_words=2", "match_fifo_depth=2"),
    ("micro",),
    ("micro", "memory_words=2816"),
)
_FIGURES = ("logic_cells", "ffs", "brams", "large_rams", "dsps", "fmax_mhz")
_console = Console()
_app = App(name="spikeloom fit", help="Find what fits a board.", version_flags=[],
           result_action="return_value")


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """What came of one configuration: figures, or a problem."""

    step: str
    config: str                    # as TOML
    figures: dict[str, float] = field(default_factory=dict)
    problem: str = ""


def search(board: str, steps: Sequence[tuple[str, ...]] = STEPS,
           builder: Callable[[str, Config], Report] = build) -> list[Attempt]:
    """Find the first step that fits, by building; return all attempts in the order of the steps.

    Raises
    ------
    ConfigError
        There is no such board.
    ToolError
        A tool is missing or failed.
    """
    board_named(board)
    attempts: dict[int, Attempt] = {}

    def fits(index: int) -> bool:
        preset, *changes = steps[index]
        config = load_unit_config(preset, changes)
        tried = Attempt(step=" ".join([preset, *changes]), config=as_toml(config))
        try:
            report = builder(board, config)
        except UnfitError as error:
            attempts[index] = replace(tried, problem=_problem(str(error)))
            return False
        attempts[index] = replace(tried, figures={name: getattr(report, name)
                                                  for name in _FIGURES})
        return True

    first = steps.index(DEFAULTS[board]) if DEFAULTS[board] in steps else len(steps) - 1
    _bracket(len(steps), first, fits)
    return [attempts[index] for index in sorted(attempts)]


def _bracket(count: int, index: int, fits: Callable[[int], bool]) -> None:
    """Call ``fits``, which is false and then true, on both sides of where it turns."""
    too_large, fitting, stride = -1, count, 1
    while fitting - too_large > 1:
        if fits(index):
            fitting = index
        else:
            too_large = index
        if too_large < 0:
            index = max(fitting - stride, 0)
        elif fitting == count:
            index = min(too_large + stride, count - 1)
        else:
            index = (too_large + fitting) // 2
        stride *= 2


def _problem(text: str) -> str:
    """Return the line that says why a build failed."""
    lines = [line for line in text.splitlines() if "ERROR" in line] or text.splitlines()
    return lines[-1].strip()


@_app.default
def _fit(board: str) -> int:
    """Find the largest configuration that fits a board.

    Parameters
    ----------
    board
        Such as ulx3s-25f.
    """
    attempts = search(board)
    table = Table(title=f"what fits {board}", box=SIMPLE_HEAD)
    for column in ("configuration", "fits", ""):
        table.add_column(column)
    for item in attempts:
        table.add_row(item.step, "no" if item.problem else "yes", item.problem or ", ".join(
            f"{name} {value}" for name, value in item.figures.items()))
    _console.print(table)
    write_whole(OUT / board / "fit.json",
                json.dumps([asdict(item) for item in attempts], indent=2) + "\n")
    found = next((item for item in attempts if not item.problem), None)
    if found is None:
        _console.print(f"nothing fits {board}")
        return 1
    write_whole(OUT / board / "fit.toml", found.config)
    _console.print(f"configuration: {OUT / board / 'fit.toml'}", soft_wrap=True)
    return 0


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit status, 1 if nothing fits, 2 for the user to mend."""
    return run_app(_app, words, ConfigError, ToolError, fold=False)


if __name__ == "__main__":
    sys.exit(main())
