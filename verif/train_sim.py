# SPDX-License-Identifier: Apache-2.0
"""Train a layer of tensor-train cores on the training core, on handwritten digits.

``python -m spikeloom.verif.train_sim --net tt_train --images 3200``: 16 images make a step; after
each step every weight and shift is compared with the golden model. ``tt_train`` is the mode PTT;
there are ``tt_train_stt``, ``tt_train_htt``, and ``tt_train_dense`` with a kernel of 3x3 taps.
"""

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import torch
from cyclopts import App, Parameter
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from ..gen.files import write_whole
from ..gen.presets import load_unit_config
from ..gen.run_app import run_app
from ..models.nn.training import repeatable
from ..models.zoo import tt_training as zoo
from ..rtl.config import ConfigError, TrainConfig
from ..rtl.train.train_core import COUNTERS
from .runner import BenchFailure
from .toolchain import ToolError
from .train_course import TRAINING, Course, read_back
from .train_host import run_instructions

__all__ = ["PRESETS", "committed", "knows", "main", "simulate"]

PRESETS = {"tt_train": "train", "tt_train_stt": "train", "tt_train_htt": "train",
           "tt_train_dense": "train_array"}
_SEGMENT = 40      # steps of one simulation
_console = Console()
_app = App(name="python -m spikeloom.verif.train_sim",
           help="Train a layer of tensor-train cores on the RTL.", version_flags=[],
           result_action="return_value")


def knows(net: str) -> bool:
    """Return whether that is the name of a training that `simulate` runs."""
    return net in PRESETS


def committed() -> list[str]:
    """Return the trainings that there are."""
    return list(PRESETS)


@_app.default
def simulate(net: str = "tt_train", *, images: int = 16, config: str = "",
             set_: Annotated[tuple[str, ...], Parameter(name="--set")] = (),
             layer: str = "tt_layer", epochs: int = 6, finish: bool = True,
             out: Path = Path("out/sim")) -> int:
    """Train from the first step; compare every weight after every step.

    Parameters
    ----------
    net
        tt_train, tt_train_stt, tt_train_htt or tt_train_dense.
    images
        Images to train on, one after the other; 16 make a step, the last one is whole too.
    config
        Preset of the hardware, or a TOML file.
    set_
        Override a field of the preset: FIELD=VALUE.
    layer
        Sizes of the layer: tt_unit or tt_layer.
    epochs
        Of the whole course, at whose end the learning rate is zero.
    finish
        Let the golden model finish the course behind the RTL, for its accuracy.
    out
        Folder for NET.json and the loss curve NET.png.
    """
    if layer not in zoo.CONFIGURATIONS:
        raise ValueError(f"layer must be one of {', '.join(zoo.CONFIGURATIONS)}, not {layer!r}")
    hardware = load_unit_config(config or PRESETS[net], set_)
    if not isinstance(hardware, TrainConfig):
        raise ConfigError(f"preset {config}: family must be train here, "
                          f"not that of {type(hardware).__name__}")
    course = Course(config=hardware, mode=_mode(net), layer=layer, epochs=epochs)
    steps = -(-images // zoo.Course.batch)
    if not 1 <= steps <= course.steps:
        raise ValueError(f"images must be in 1..{16 * course.steps}, not {images}")
    _console.print(f"{net}: {steps} steps of 16 images, every weight compared after each")
    started = time.monotonic()
    with repeatable(1):
        report = _train(net, course, steps, out / net)
        seconds = time.monotonic() - started
        report["accuracy"] = {"rtl": course.accuracy(course.trainers[-1])}
        if finish:
            report["accuracy"]["golden"] = course.accuracy(course.finish())
    _print(report, seconds, course)
    _plot(report, out / f"{net}.png")
    write_whole(out / f"{net}.json", json.dumps(report, indent=2) + "\n")
    _console.print(f"figures in {out / net}.json, loss curve in {out / net}.png")
    return 0 if report["exact"] else 1


def _mode(net: str) -> str:
    return net.removeprefix("tt_train").removeprefix("_") or "ptt"


def _train(net: str, course: Course, steps: int, folder: Path) -> dict[str, Any]:
    """Run all steps, some in one simulation; the next one goes on with the state of the last."""
    found: dict[str, Any] = {"logits": [], "loss": [], "counters": [], "mismatch": ""}
    cycles = 0
    while len(course.trainers) < steps and not found["mismatch"]:
        done = len(course.trainers)
        run = run_instructions(course.config, course.instructions(min(steps - done, _SEGMENT)),
                               folder)
        back = read_back(course, run, done)
        found = {name: value + back[name] for name, value in found.items()}
        cycles += run.cycles
        if steps > _SEGMENT:
            _console.print(f"step {len(course.trainers)}: "
                           f"{back['mismatch'] or 'exact'}, loss {back['loss'][-1]:.3f}")
    total = {name: sum(step[name] for step in found["counters"]) for name in COUNTERS}
    return {
        "network": net, "config": course.config.as_dict(), "config_hash": course.config.hash(),
        "layer": course.layer, "images": len(found["logits"]), "steps": len(course.trainers),
        "exact": not found["mismatch"], **found, "total": total,
        "cycles": sum(value for name, value in total.items() if name.endswith("_cycles")),
        "simulated": cycles,
    }


def _print(report: dict[str, Any], seconds: float, course: Course) -> None:
    verdict = "[green]exact[/]" if report["exact"] else "[red]mismatch[/]"
    layer, steps = course.first.layer, report["steps"]
    table = Table(title=f"{report['network']}, {layer.inputs} to {layer.outputs} channels, rank "
                        f"{layer.rank}, {steps} steps", box=SIMPLE_HEAD,
                  caption="of a step on average; loss: of the first and the last step")
    for name in ("forward", "readout", "backward", "update", "loss", "RTL"):
        table.add_column(name, justify="right")
    cycles = (f"{report['total'][f'{name}_cycles'] / steps:,.0f}"
              for name in ("forward", "readout", "back", "update"))
    table.add_row(*cycles, f"{report['loss'][0]:.2f} -> {report['loss'][-1]:.2f}", verdict)
    _console.print(table)
    if report["mismatch"]:
        _console.print(f"first mismatch: {report['mismatch']}", style="red", highlight=False)
    text = f"accuracy after {steps} steps: {report['accuracy']['rtl']:.1%}"
    if "golden" in report["accuracy"]:
        text += (f"; after the whole course of {course.steps} steps, golden model: "
                 f"{report['accuracy']['golden']:.1%}")
    _console.print(f"{text} of {len(course.all_labels) - TRAINING} test images")
    _console.print(f"{report['simulated']:,} cycles simulated in {seconds:.1f} s, building "
                   "included")


def _plot(report: dict[str, Any], path: Path) -> None:
    """Draw the loss of each step."""
    from matplotlib.figure import Figure  # takes a second to load

    figure = Figure(figsize=(6, 3.5), layout="constrained")
    axes = figure.add_subplot()
    axes.plot(range(1, len(report["loss"]) + 1), report["loss"], linewidth=1, marker=".",
              markersize=3)
    axes.set(xlabel="step", ylabel="cross-entropy, nat",
             title=f"{report['network']} on the RTL, {report['layer']}")
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=120)


def main(words: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status: 1 on a mismatch, 2 if the user is to mend a thing.

    Parameters
    ----------
    words : Sequence[str]
        Without the command's name; those that Python was started with if None.
    """
    torch.set_num_threads(1)  # the products are small: more threads lose
    return run_app(_app, words, ToolError, ValueError, BenchFailure)


if __name__ == "__main__":
    sys.exit(main())
