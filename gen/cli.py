# SPDX-License-Identifier: Apache-2.0
"""The command line ``spikeloom``."""

import json
import sys
from collections.abc import Sequence
from importlib.metadata import EntryPoint, entry_points, version
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from ..rtl.config import AcceleratorConfig, ConfigError
from .compiler.crossbar_options import ALL_CROSSBARS, CrossbarOptions
from .emit import write_unit
from .files import write_whole
from .presets import DEFAULT_PRESET, as_toml, load_config, load_unit_config
from .registers import write_registers
from .run_app import run_app
from .units import check_unit, units_of

__all__ = ["main"]

_Overrides = Annotated[tuple[str, ...],
                       Parameter(name="--set", negative="", show_default=False)]
_Crossbars = Annotated[CrossbarOptions, Parameter(name="*")]

_WITH_REGISTERS = "accelerator"  # the unit whose registers software sees

_GROUP = "spikeloom.commands"  # entry points of further commands, each as `main` here

_app = App(name="spikeloom", help="Spiking neural networks as verified hardware.",
           version=version("spikeloom"), result_action="return_value")


@_app.command
def verilog(
    *units: str,
    config: str = DEFAULT_PRESET,
    overrides: _Overrides = (),
    out: Path = Path("out/verilog"),
) -> int:
    """Write the Verilog of units, each with a JSON file that describes it.

    Parameters
    ----------
    units
        Names of units; all that the configuration is for if none is given.
    config
        Preset, or path of a TOML file.
    overrides
        field=value, in place of the preset's; again for more.
    out
        Folder to write to.
    """
    built = load_unit_config(config, overrides)
    for unit in units:
        check_unit(unit, built)
    for unit in units or units_of(built):
        _report(write_unit(unit, built, out))
        if isinstance(built, AcceleratorConfig) and unit == _WITH_REGISTERS:
            _report(write_registers(built, out))
    return 0


@_app.command
def registers(
    *,
    config: str = DEFAULT_PRESET,
    overrides: _Overrides = (),
    out: Path = Path("out/registers"),
) -> int:
    """Write the registers of the accelerator for software: Python, C, SystemRDL, HTML.

    Parameters
    ----------
    config
        Preset, or path of a TOML file.
    overrides
        field=value, in place of the preset's; again for more.
    out
        Folder to write to.
    """
    _report(write_registers(load_config(config, overrides), out))
    return 0


def _report(paths: list[Path]) -> None:
    for path in paths:
        print(f"{path}  {path.stat().st_size} bytes", flush=True)


@_app.command
def check(
    model: str,
    *,
    config: str = DEFAULT_PRESET,
    overrides: _Overrides = (),
    as_json: Annotated[bool, Parameter(name="--json", negative="")] = False,
    crossbars: _Crossbars = ALL_CROSSBARS,
) -> int:
    """Tell how each layer of a network would run, or why it cannot; status 1 if one cannot.

    Cycles are predicted by a simple model, not simulated.

    Parameters
    ----------
    model
        Name of a network, or path of an .npz file.
    config
        Preset, or path of a TOML file.
    overrides
        field=value, in place of the preset's; again for more.
    as_json
        Print JSON instead of a table.
    crossbars
        Where the configuration has some.
    """
    from rich.console import Console  # loading a network needs torch, other commands do not

    from .compiler.models import load_network
    from .compiler.plan import plan_network
    from .compiler.report import check_report, check_table

    built = load_config(config, overrides)
    report = check_report(plan_network(crossbars.apply(load_network(model), built), built))
    if as_json:
        print(json.dumps(report, indent=2))
    else:
        console = Console()
        console.print(check_table(report))
        for refusal in report["refusals"]:
            console.print(refusal["message"], highlight=False, markup=False)
        if report["fits"]:
            console.print(f"fits: {report['memory_bytes']:,} bytes of memory, "
                          f"{report['predicted_cycles']:,} cycles an image (predicted)",
                          highlight=False)
    return 0 if report["fits"] else 1


@_app.command(name="compile")
def compile_program(
    model: str,
    *,
    config: str = DEFAULT_PRESET,
    overrides: _Overrides = (),
    images: int = 1,
    out: Path = Path("out/programs"),
    crossbars: _Crossbars = ALL_CROSSBARS,
) -> int:
    """Compile a network to a program image and its description.

    Parameters
    ----------
    model
        Name of a network, or path of an .npz file.
    config
        Preset, or path of a TOML file.
    overrides
        field=value, in place of the preset's; again for more.
    images
        Most images of a run.
    out
        Folder to write NAME.bin, NAME.json and config.toml to.
    crossbars
        Where the configuration has some.
    """
    from .compiler.compile import compile_network
    from .compiler.models import load_network

    built = load_config(config, overrides)
    network = crossbars.apply(load_network(model), built)
    program = compile_network(network, built, images)
    paths = program.save(out)
    write_whole(out / "config.toml", as_toml(built))
    for path in [*paths, out / "config.toml"]:
        print(f"{path}  {path.stat().st_size} bytes", flush=True)
    return 0


def _further_command(entry: EntryPoint) -> App:
    """Return a command that hands all its words to what is installed under its name."""
    command = App(name=entry.name, help=f"See spikeloom {entry.name} --help.", help_flags=[],
                  version_flags=[])

    @command.default
    def run(*words: Annotated[str, Parameter(allow_leading_hyphen=True)]) -> int:
        try:
            command_main = entry.load()
        except ModuleNotFoundError as error:
            raise ConfigError(f"command {entry.name} needs the package {error.name}, which is "
                              "not installed") from None
        return command_main(words)

    return command


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line; return 2, with one line on stderr, if the user is to mend a thing.

    Parameters
    ----------
    words : Sequence[str]
        Without the command's name; those that Python was started with if None.
    """
    for entry in sorted(entry_points(group=_GROUP)):
        if entry.name not in _app:
            _app.command(_further_command(entry))
    return run_app(_app, words, ConfigError, *_mistakes())


def _mistakes() -> tuple[type[Exception], ...]:
    """Return what loading and compiling a network may raise, if that was loaded at all."""
    if f"{__package__}.compiler.models" not in sys.modules:
        return ()
    from ..models.golden.errors import GoldenError
    from ..models.zoo.registry import UnknownNetworkError
    from .compiler.errors import CompileError

    return GoldenError, UnknownNetworkError, CompileError
