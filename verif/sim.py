# SPDX-License-Identifier: Apache-2.0
"""Run a trained network whole on the generated accelerator: the job behind ``make sim``."""

import dataclasses
import functools
import json
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any, TypeVar

import torch
from cyclopts import App, Parameter
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from ..gen.compiler.compile import compile_network
from ..gen.compiler.crossbar_options import ALL_CROSSBARS, CrossbarOptions
from ..gen.compiler.program import Program
from ..gen.files import write_whole
from ..gen.presets import DEFAULT_PRESET, as_toml, load_config
from ..gen.run_app import run_app
from ..gen.session.errors import SessionError
from ..gen.session.transport import TransportError
from ..models.golden.network import IntegerNetwork
from ..models.nn.recipe import Recipe
from ..models.zoo.registry import UnknownNetworkError, get
from ..rtl.config import AcceleratorConfig
from . import train_sim, ttfs_sim, vit_run
from .accounting.energy import DEFAULT_TABLE, DEFAULT_TABLES, Event, energy, load_table
from .divergence_waves import show_divergence
from .layer_energy import (
    EVENTS,
    attention_shares,
    energy_notes,
    energy_table,
    layer_energy,
)
from .program_run import ProgramReport, run_program
from .runner import BenchFailure
from .toolchain import ToolError
from .verilator_transport import VerilatorTransport

__all__ = ["main", "simulate"]

_Result = TypeVar("_Result")
_WIDTH = 112  # columns that the table needs
_console = Console(width=max(_WIDTH, Console().width))
_app = App(name="python -m spikeloom.verif.sim", help="Run a trained network on the RTL.",
           version_flags=[], result_action="return_value")


@_app.default
def simulate(*, net: str = "dual_sparse_cnn", images: int = 20, config: str | None = None,
             set_: Annotated[tuple[str, ...], Parameter(name="--set")] = (),
             energies: Path = DEFAULT_TABLES, table: str = DEFAULT_TABLE,
             out: Path = Path("out/sim"),
             crossbars: Annotated[CrossbarOptions, Parameter(name="*")] = ALL_CROSSBARS) -> int:
    """Run test images through the accelerator, first layer to argmax, and compare every layer.

    Parameters
    ----------
    net
        Name of the network.
    images
        Test images to run, from the first.
    config
        Preset of the hardware, or a TOML file; by default "loas", "ttfs" for a network of
        neurons that spike once, "vit_core" for a vision transformer, "train" for a training.
    set_
        Override a field of the preset: FIELD=VALUE.
    energies
        Tables of the energy of events, a TOML file; for networks on the accelerator.
    table
        The one to take.
    out
        Folder for NET.json, the program image and the resolved configuration.
    crossbars
        Where the hardware has some.
    """
    if ttfs_sim.knows(net):
        return ttfs_sim.simulate(net=net, images=images, config=config or "",
                                 set_=set_, out=out)
    if vit_run.knows(net):
        return vit_run.simulate(net=net, images=images, config=config or vit_run.PRESET,
                                set_=set_, out=out)
    if train_sim.knows(net):
        return train_sim.simulate(net, images=images, config=config or "", set_=set_, out=out)
    hardware = load_config(config or DEFAULT_PRESET, set_)
    picojoules = load_table(table, energies)
    energy(dict.fromkeys(EVENTS, 0), picojoules)
    recipe = get(net)
    network, test = crossbars.apply(recipe.load(), hardware), recipe.load_test()
    if not 1 <= images <= len(test.images):
        raise ValueError(f"images must be in 1..{len(test.images)}, not {images}")
    program = compile_network(network, hardware, keep_all=True)
    program.save(out / net)
    write_whole(out / net / "config.toml", as_toml(hardware))
    with ThreadPoolExecutor(max_workers=1) as pool:  # on the other core
        models = pool.submit(_model_accuracy, recipe)
        transport = _step("generate and build the accelerator",
                          lambda: VerilatorTransport(hardware))
        with closing(transport):
            report = _run(program, network, test.images[:images], transport)
        known = _step(f"integer and float model on {len(test.images)} test images",
                      models.result)
    labels = test.labels[:len(report.predictions)]
    right = [guess == int(label) for guess, label in zip(report.predictions, labels, strict=True)]
    accuracy = {**known, "rtl": sum(right) / len(right) if right else None}
    _print_report(report, hardware, images)
    _print_energy(report, picojoules, table)
    _print_accuracy(report, accuracy, len(test.images))
    if report.divergence:
        _print_divergence(report, program, network, test.images, out / net)
    path = out / f"{net}.json"
    write_whole(path, json.dumps(_result(report, hardware, images, accuracy, picojoules),
                                 indent=2) + "\n")
    _console.print(f"figures in {path}, program image in {out / net}")
    return 0 if report.exact else 1


def _run(program: Program, network: IntegerNetwork, images: torch.Tensor,
         transport: VerilatorTransport) -> ProgramReport:
    _console.print(f"{network.name}: {len(images)} images, every layer compared")
    with Progress(console=_console, disable=not _console.is_terminal) as progress:
        task = progress.add_task("images", total=len(images))
        return run_program(program, network, images, transport,
                           progress=lambda done: progress.update(task, completed=done))


@functools.cache  # of a network on several configurations
def _model_accuracy(recipe: Recipe) -> dict[str, float]:
    """Return the accuracy of the integer and of the float model on all test images."""
    test = recipe.load_test()
    predicted = recipe.load().predict(test.images)
    return {"integer": float((predicted == test.labels).double().mean()),
            "float": recipe.accuracy_float(test.images, test.labels)}


def _step(what: str, work: Callable[[], _Result]) -> _Result:
    """Do a part of the work, with a line that says so and one when it is done."""
    started = time.monotonic()
    if _console.is_terminal:
        with _console.status(what):
            result = work()
    else:
        _console.print(f"{what} ...")
        result = work()
    _console.print(f"{what}: {time.monotonic() - started:.1f} s")
    return result


def _print_report(report: ProgramReport, config: AcceleratorConfig, images: int) -> None:
    elements = (f"elements of {config.rows_per_pe} rows, {config.pe}" if config.looks_up else
                f"TPPEs, {config.inner_join}")
    engines = ["engine"] if config.crossbar or config.attention else []
    if config.crossbar:
        elements += f", {config.crossbar.tiles} crossbars"
    table = Table(title=f"{report.network}, {report.images} of {images} images, {config.tppes} "
                        f"{elements}, chunk {config.chunk}, memory {config.memory}",
                  box=SIMPLE_HEAD, padding=(0, 1, 0, 0),
                  caption="cycles and bytes of an image on average; limit: what most element "
                          "cycles went to")
    for name in ("layer", *engines, "cycles", "predicted", "PE utili-\nsation", "limit",
                 "weight\nbytes", "spike\nbytes", "written\nbytes", "RTL"):
        table.add_column(name, justify="left" if name in ("layer", "engine", "limit", "RTL")
                         else "right")
    count = max(report.images, 1)
    for layer in report.layers:
        mean = {name: f"{value // count:,}" for name, value in layer.bytes.items()}
        verdict = {True: "[green]exact[/]", False: "[red]mismatch[/]", None: "not compared"}
        table.add_row(
            layer.name, *(layer.engine for _ in engines),
            f"{layer.cycles // count:,}", f"{layer.predicted // count:,}",
            f"{layer.utilisation:.1%}", layer.limit, mean["weight_bytes"], mean["spike_bytes"],
            mean["written_bytes"], verdict[layer.exact])
    _console.print(table)
    _console.print(f"{report.cycles:,} cycles simulated, {report.cycles_per_second:,.0f} a second")
    if report.error:
        _console.print(report.error, style="red", highlight=False)


def _print_energy(report: ProgramReport, table: dict[str, Event], name: str) -> None:
    if not report.images:
        return
    _console.print(energy_table(report, table))
    for text in (attention_shares(report, table), *energy_notes(table, name)):
        if text:
            _console.print(text, highlight=False, markup=False)


def _print_accuracy(report: ProgramReport, accuracy: dict[str, Any], tested: int) -> None:
    if report.predictions:
        _console.print(f"accuracy on the RTL: {accuracy['rtl']:.2%} of "
                       f"{len(report.predictions)} images")
    _console.print(f"accuracy over the whole test set ({tested} images): integer model "
                   f"{accuracy['integer']:.2%}, float model {accuracy['float']:.2%}")


def _print_divergence(report: ProgramReport, program: Program, network: IntegerNetwork,
                      images: torch.Tensor, folder: Path) -> None:
    """Say where the run went wrong first, and leave the waves of that moment."""
    image = report.divergent_image
    _console.print(f"first mismatch: image {image}, {report.divergence}", style="red",
                   highlight=False)
    found = _step("the same again, with waves", lambda: show_divergence(
        program, network, images[image:image + 1], folder))
    if found is None:
        _console.print("run by itself the image is exact", style="red")
    elif found.waves:
        _console.print(f"waves around it: {found.waves}")


def _result(report: ProgramReport, config: AcceleratorConfig, images: int,
            accuracy: dict[str, Any], table: dict[str, Event]) -> dict[str, Any]:
    return {
        "network": report.network, "config": config.as_dict(), "config_hash": config.hash(),
        "images": images, "exact": report.exact, "accuracy": accuracy,
        "cycles": sum(layer.cycles for layer in report.layers),
        "cycles_per_second": report.cycles_per_second, "error": report.error,
        "mismatch": str(report.divergence or ""), "predictions": report.predictions,
        "logits": report.logits,
        "layers": [dataclasses.asdict(layer) | {"energy_pj": layer_energy(layer, table)}
                   for layer in report.layers],
    }


def main(words: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status: 1 on a mismatch, 2 if the user is to mend a thing.

    Parameters
    ----------
    words : Sequence[str]
        Without the command's name; those that Python was started with if None.
    """
    torch.set_num_threads(1)  # the products are small: more threads lose
    return run_app(_app, words, BenchFailure, SessionError, ToolError, TransportError,
                   UnknownNetworkError, ValueError)


if __name__ == "__main__":
    sys.exit(main())
