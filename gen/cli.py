# SPDX-License-Identifier: Apache-2.0
"""The command line: ``spikeloom verilog``."""

import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

from cyclopts import App, CycloptsError, Parameter

from ..rtl.config import ConfigError
from .emit import write_unit
from .presets import DEFAULT_PRESET, load_config
from .units import UNITS, check_unit

__all__ = ["main"]

_app = App(name="spikeloom", help="Spiking neural networks as verified hardware.",
           version=version("spikeloom"), result_action="return_value")


@_app.command
def verilog(
    *units: str,
    config: str = DEFAULT_PRESET,
    overrides: Annotated[tuple[str, ...],
                         Parameter(name="--set", negative="", show_default=False)] = (),
    out: Path = Path("out/verilog"),
) -> int:
    """Write the Verilog of units, each with a JSON file that describes it.

    Parameters
    ----------
    units
        Names of units; all if none is given.
    config
        Preset, or path of a TOML file.
    overrides
        field=value, in place of the preset's; again for more.
    out
        Folder to write to.
    """
    built = load_config(config, overrides)
    for unit in units:
        check_unit(unit)
    for unit in units or UNITS:
        for path in write_unit(unit, built, out):
            print(f"{path}  {path.stat().st_size} bytes", flush=True)
    return 0


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line; return 2, with one line on stderr, if the user is to mend a thing.

    Parameters
    ----------
    words : Sequence[str]
        Without the command's name; those that Python was started with if None.
    """
    try:
        return _app(sys.argv[1:] if words is None else words,
                    exit_on_error=False, print_error=False) or 0
    except (ConfigError, CycloptsError, OSError) as error:
        print("spikeloom:", " ".join(str(error).split()), file=sys.stderr)
        return 2
