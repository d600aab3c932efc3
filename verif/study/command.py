# SPDX-License-Identifier: Apache-2.0
"""What crossbars make of a trained network: the job behind ``make study``."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import msgspec
import torch
from cyclopts import App, Parameter
from rich.console import Console

from ...gen.files import write_whole
from ...gen.presets import load_config
from ...gen.run_app import run_app
from ...models.zoo.registry import UnknownNetworkError, get
from ...rtl.config import ConfigError
from . import report
from .costs import DEFAULT_COSTS, load_costs
from .sweep import AXES, QUICK_AXES, PointResult, study

__all__ = ["main", "run_study"]

_CALIBRATION = 2  # images
_QUICK_IMAGES = 4
_WIDTH = 110
_console = Console(width=max(_WIDTH, Console().width))
_app = App(name="python -m spikeloom.verif.study.command", version_flags=[],
           help="Measure a network on crossbars of many kinds.", result_action="return_value")


@_app.default
def run_study(*, net: str = "vgg_fashion", images: int = 100, draws: int = 3,
              config: str = "imc",
              set_: Annotated[tuple[str, ...], Parameter(name="--set")] = (),
              costs: Path = DEFAULT_COSTS,
              quick: Annotated[bool, Parameter(negative="")] = False,
              out: Path = Path("out/study")) -> int:
    """Measure accuracy, energy, latency and area of a network on crossbars.

    Each parameter is varied around the preset's: bits of ADCs and of cells, variation, stuck
    cells, encoding of signs.

    Parameters
    ----------
    net
        Name of the network.
    images
        Test images, from the first.
    draws
        Of cells that are not ideal.
    config
        Preset with crossbars, or a TOML file.
    set_
        Override a field of the preset: FIELD=VALUE.
    costs
        Energies, areas and times, a TOML or JSON file.
    quick
        Few images, few values, one draw.
    out
        Folder for NET.json and NET.png.
    """
    hardware, table = load_config(config, set_), load_costs(costs)
    if hardware.crossbar is None:
        raise ConfigError(f"preset {config}: crossbar must be given, not absent")
    recipe = get(net)
    test = recipe.load_test()
    count = min(images, _QUICK_IMAGES) if quick else images
    limit = len(test.images) - _CALIBRATION
    if not 1 <= count <= limit or draws < 1:
        raise ValueError(f"images must be in 1..{limit} and draws at least 1, "
                         f"not {count} and {draws}")
    with torch.no_grad():
        found = study(
            recipe.load(), test.images[:count], test.labels[:count],
            test.images[-_CALIBRATION:], hardware, table, axes=QUICK_AXES if quick else AXES,
            draws=1 if quick else draws, progress=_tell)
    _console.print(report.points_table(found))
    _console.print(report.budget_table(found))
    for note in (*found.notes, f"costs of {costs}"):
        _console.print(note, highlight=False, markup=False)
    paths = out / f"{net}.json", out / f"{net}.png"
    write_whole(paths[0], msgspec.json.format(msgspec.json.encode(found), indent=2) + b"\n")
    report.draw(found, paths[1])
    _console.print(f"figures in {paths[0]} and {paths[1]}", highlight=False)
    return 0


def _tell(result: PointResult) -> None:
    _console.print(f"{result.axis} {result.value}: {result.mean:.1%}", highlight=False)


def main(words: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status: 2 if the user is to mend a thing.

    Parameters
    ----------
    words : Sequence[str]
        Without the command's name; those that Python was started with if None.
    """
    torch.set_num_threads(1)  # the products are small: more threads lose
    return run_app(_app, words, UnknownNetworkError, ValueError)


if __name__ == "__main__":
    sys.exit(main())
