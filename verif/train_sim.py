# SPDX-License-Identifier: Apache-2.0
"""Train a layer of tensor-train cores on the training core, on handwritten digits.

``python -m spikeloom.verif.train_sim --net tt_train --images 3200``: 16 images make a step; after
each step every weight and shift is compared with the golden model. ``tt_train`` is the mode PTT;
there are ``tt_train_stt``, ``tt_train_htt``, and ``tt_train_dense`` with a kernel of 3x3 taps.
"""

import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
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
from ..models.data import digits
from ..models.golden.tt_readout import Step, Trainer
from ..models.nn.training import repeatable
from ..models.zoo import tt_training as zoo
from ..rtl.config import ConfigError, TrainConfig
from ..rtl.train.layouts import Phase
from ..rtl.train.train_core import COUNTERS, Target
from .runner import BenchFailure
from .toolchain import ToolError
from .train_host import Fields, TrainHost, TrainRun, run_instructions, unpack

__all__ = ["PRESETS", "Course", "committed", "knows", "main", "simulate"]

PRESETS = {"tt_train": "train", "tt_train_stt": "train", "tt_train_htt": "train",
           "tt_train_dense": "train_array"}
_TRAINING = 1500  # of the 2000 images that are committed; the others are for the test
_SIZE = (8, 8)
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


@dataclass(kw_only=True)
class Course:
    """A training as the core is told to do it, and what the golden model makes of it.

    Parameters
    ----------
    config : TrainConfig
    mode : str
        Of the cores, or dense.
    layer : str
        One of `models.zoo.tt_training.CONFIGURATIONS`.
    epochs : int
        Of the whole course.

    Attributes
    ----------
    trainers : list of Trainer
        Behind each step.
    logits : list of list of int
        Of each image, in the order of the training.
    labels : list of int
        Of each image.
    """

    config: TrainConfig
    mode: str
    layer: str = "tt_layer"
    epochs: int = 6
    trainers: list[Trainer] = field(default_factory=list)
    logits: list[list[int]] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        data = digits.load_test()
        self.host = TrainHost(self.config)
        self.x = zoo.encode(data.images, self.layer)
        self.all_labels = data.labels
        self.first = zoo.untrained(self.layer, self.mode, self.x[:, :64])
        self._steps = self._course()

    def _course(self) -> Iterator[Step]:
        return zoo.fit(self.first, self.x[:, :_TRAINING], self.all_labels[:_TRAINING],
                       zoo.Course(epochs=self.epochs))

    @property
    def steps(self) -> int:
        """Steps of the whole course."""
        return self.epochs * (_TRAINING // zoo.Course.batch)

    def instructions(self, steps: int) -> Iterator[Fields]:
        """Yield what the core is told to do for the first steps, and note what is expected."""
        host, rates = self.host, zoo.Course(epochs=self.epochs)
        yield from host.settings(self.first, _SIZE, rates.rate_at(0, self.steps))
        yield from host.state(self.first)
        yield host.run(Phase.CLEAR)
        yield host.write(Target.COUNTER, 0)
        for number in range(steps):
            step = next(self._steps)
            labels = step.labels.tolist()
            yield host.rate(rates.rate_at(number, self.steps))
            for image, label in enumerate(labels):
                yield from host.spikes(step.seen.x[:, image])
                yield host.run(Phase.FORWARD)
                yield host.run(Phase.READOUT, label)
                yield host.run(Phase.BACK)
                yield from (host.read(Target.LOGIT, k)
                            for k in range(step.error.logits.shape[1]))
            yield host.run(Phase.UPDATE)
            yield from host.read_state(step.trainer)
            yield from host.counters()
            self.trainers.append(step.trainer)
            self.logits += step.error.logits.tolist()
            self.labels += labels

    def accuracy(self, trainer: Trainer) -> float:
        """Return the accuracy on the images that are not trained on."""
        return zoo.accuracy(trainer, self.x[:, _TRAINING:], self.all_labels[_TRAINING:])

    def finish(self) -> Trainer:
        """Let the golden model go on to the end of the course."""
        trainer = self.trainers[-1]
        for step in self._steps:
            trainer = step.trainer
        return trainer


def read_back(course: Course, run: TrainRun) -> dict[str, Any]:
    """Return logits, losses and counters that came back, and the first mismatch."""
    logits: list[list[int]] = []
    losses, counters, mismatch = [], [], ""
    classes, words = len(course.first.readout), iter(run.words)
    batch = zoo.Course.batch

    def take(count: int) -> list[int]:
        return [next(words, 0) for _ in range(count)]

    for number, trainer in enumerate(course.trainers):
        found = [[unpack(word, 32, 1)[0] for word in take(classes)] for _ in range(batch)]
        logits += found
        place = slice(number * batch, (number + 1) * batch)
        state = take(len(course.host.read_state(trainer)))
        problems = [
            *(f"logits must be {want}, not {mine}" for want, mine
              in zip(course.logits[place], found, strict=True) if want != mine),
            *course.host.differences(trainer, state)]
        if problems and not mismatch:
            mismatch = f"step {number}: {problems[0]}"
        losses.append(_loss(found, course.labels[place]))
        counters.append(dict(zip(COUNTERS, take(len(COUNTERS)), strict=True)))
    if not mismatch and (run.stuck or run.error):
        mismatch = f"error {run.error}, {'stuck' if run.stuck else 'ended'}"
    return {"logits": logits, "loss": losses, "counters": counters, "mismatch": mismatch}


def _loss(logits: list[list[int]], labels: list[int]) -> float:
    """Return the cross-entropy; a logit counts in sixteenths, as in the softmax's table."""
    scores = torch.tensor(logits, dtype=torch.float64) / 16
    return float(torch.nn.functional.cross_entropy(scores, torch.tensor(labels)))


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
        Images to train on, one after the other; 16 make a step.
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
    steps = images // zoo.Course.batch
    if not 1 <= steps <= course.steps:
        raise ValueError(f"images must be in 16..{16 * course.steps}, not {images}")
    _console.print(f"{net}: {steps} steps of 16 images, every weight compared after each")
    started = time.monotonic()
    with repeatable(1):
        run = run_instructions(hardware, course.instructions(steps), out / net)
        report = _report(net, course, run)
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


def _report(net: str, course: Course, run: TrainRun) -> dict[str, Any]:
    back = read_back(course, run)
    total = {name: sum(step[name] for step in back["counters"]) for name in COUNTERS}
    return {
        "network": net, "config": course.config.as_dict(), "config_hash": course.config.hash(),
        "layer": course.layer, "images": len(back["logits"]), "steps": len(course.trainers),
        "exact": not back["mismatch"], **back, "total": total,
        "cycles": sum(value for name, value in total.items() if name.endswith("_cycles")),
        "simulated": run.cycles,
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
    _console.print(f"{text} of {len(course.all_labels) - _TRAINING} test images")
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
