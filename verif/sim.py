# SPDX-License-Identifier: Apache-2.0
"""Run a trained network on the generated RTL: the job behind ``make sim``."""

import dataclasses
import json
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Any, TypeVar

import torch
from cyclopts import App, CycloptsError, Parameter
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from torch import Tensor

from ..gen.files import write_whole
from ..gen.presets import DEFAULT_PRESET, load_config
from ..models.data.labelled import LabelledImages
from ..models.golden.network import IntegerNetwork
from ..models.nn.recipe import Recipe
from ..models.zoo.registry import UnknownNetworkError, get
from ..rtl.config import ConfigError, FTPConfig
from .array_run import array_design, array_run
from .build import build
from .network_run import LayerReport, NetworkError, array_layers, check_fit, run_network
from .runner import BenchFailure
from .toolchain import ToolError

__all__ = ["main"]

_Result = TypeVar("_Result")
_WIDTH = 96  # columns that the table needs
_console = Console(width=max(_WIDTH, Console().width))
_app = App(name="python -m spikeloom.verif.sim", help="Run a trained network on the RTL.",
           version_flags=[], result_action="return_value")


@_app.default
def simulate(*, net: str = "dual_sparse_cnn", images: int = 16, config: str = DEFAULT_PRESET,
             set_: Annotated[tuple[str, ...], Parameter(name="--set")] = (),
             out: Path = Path("out/sim")) -> int:
    """Run test images through every layer that reads spikes and compare every bit.

    Parameters
    ----------
    net
        Name of the network.
    images
        Test images to run, from the first.
    config
        Preset of the hardware, or a TOML file.
    set_
        Override a field of the preset: FIELD=VALUE.
    out
        Folder for NET.json and the work files.
    """
    hardware = load_config(config, set_)
    entry = get(net)
    network = entry.load()
    test = entry.load_test()
    if not 1 <= images <= len(test.images):
        raise ValueError(f"images must be in 1..{len(test.images)}, not {images}")
    check_fit(network, hardware)

    with ThreadPoolExecutor(max_workers=1) as pool:  # on the other core
        models = pool.submit(_model_accuracy, entry, network, test)
        _step("generate and build the array", lambda: _build(hardware, out / net))
        reports, rtl = _run_layers(network, test.images[:images], hardware, out / net)
        accuracy = _step(f"integer and float model on {len(test.images)} test images",
                         models.result)
    exact = len(reports) == len(array_layers(network)) and all(report.exact for report in reports)
    labels = test.labels[:images]
    accuracy["rtl"] = float((rtl == labels).double().mean()) if rtl is not None else None
    _print_table(network, hardware, reports, images)
    _print_accuracy(rtl, labels, accuracy, len(test.images))
    result = {
        "network": net, "config": hardware.as_dict(), "config_hash": hardware.hash(),
        "images": images, "exact": exact, "accuracy": accuracy,
        "cycles": sum(report.cycles for report in reports),
        "layers": [dataclasses.asdict(report) for report in reports],
    }
    path = out / f"{net}.json"
    write_whole(path, json.dumps(result, indent=2) + "\n")
    _console.print(f"figures in {path}")
    return 0 if exact else 1


def _model_accuracy(entry: Recipe, network: IntegerNetwork,
                    test: LabelledImages) -> dict[str, float | None]:
    """Return the accuracy of the integer and of the float model on all test images."""
    predicted = network.predict(test.images)
    return {"integer": float((predicted == test.labels).double().mean()),
            "float": entry.accuracy_float(test.images, test.labels)}


def _build(config: FTPConfig, folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return build(array_design(config), array_run(config, folder).folder)


def _run_layers(network: IntegerNetwork, images: Tensor, config: FTPConfig,
                folder: Path) -> tuple[list[LayerReport], Tensor | None]:
    """Run the layers; return their reports and, if all were exact, the predicted labels."""
    reports: list[LayerReport] = []
    steps = run_network(network, images, config, folder)
    output = None
    for layer in array_layers(network):
        started = time.monotonic()
        found = _step(f"layer {layer.name} on the RTL", lambda: next(steps, None))
        if found is None:
            return reports, None
        report, output = found
        reports.append(report)
        seconds = time.monotonic() - started
        _console.print(f"  {'exact' if report.exact else 'MISMATCH'}, {report.cycles} cycles, "
                       f"{report.cycles / seconds:.0f} simulated cycles per second")
    if output is None or not reports[-1].exact:
        return reports, None
    return reports, network.layers[-1].currents(output).sum(dim=0).argmax(dim=1)


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


def _print_table(network: IntegerNetwork, config: FTPConfig, reports: list[LayerReport],
                 images: int) -> None:
    table = Table(title=f"{network.name}, {images} images, {config.tppes} TPPEs, "
                        f"{config.inner_join}, chunk {config.chunk}", box=SIMPLE_HEAD,
                  padding=(0, 1, 0, 0))
    for name in ("layer", "T x M x K x N", "weight\nsparsity", "spike\nsparsity",
                 "silent\nratio", "cycles", "matches", "PE utili-\nsation", "RTL"):
        table.add_column(name, justify="left" if name in ("layer", "RTL") else "right",
                         no_wrap=name != "RTL")
    for report in reports:
        table.add_row(
            report.name, " x ".join(map(str, report.shape)), f"{report.weight_sparsity:.1%}",
            f"{report.spike_sparsity:.1%}", f"{report.silent_ratio:.1%}", f"{report.cycles}",
            f"{report.matches}", f"{report.utilisation:.1%}",
            "[green]exact[/]" if report.exact else "[red]mismatch[/]")
    for layer in array_layers(network)[len(reports):]:
        table.add_row(layer.name, *["-"] * 7, "not run")
    _console.print(table)
    for report in reports:
        if not report.exact:
            _console.print(f"first mismatch: layer {report.name}, {report.mismatch}", style="red")


def _print_accuracy(rtl: Tensor | None, labels: Tensor, accuracy: dict[str, Any],
                    tested: int) -> None:
    if rtl is not None:
        _console.print(f"predicted {' '.join(map(str, rtl.tolist()))}")
        _console.print(f"true      {' '.join(map(str, labels.tolist()))}")
        _console.print(f"accuracy on the RTL: {accuracy['rtl']:.2%} of {len(labels)} images")
    _console.print(f"accuracy over the whole test set ({tested} images): integer model "
                   f"{accuracy['integer']:.2%}, float model {accuracy['float']:.2%}")


def main(words: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status: 1 on a mismatch, 2 if the user is to mend a thing.

    Parameters
    ----------
    words : Sequence[str]
        Without the command's name; those that Python was started with if None.
    """
    torch.set_num_threads(1)  # the products are small: more threads lose
    try:
        return _app(sys.argv[1:] if words is None else words,
                    exit_on_error=False, print_error=False) or 0
    except (ConfigError, CycloptsError, NetworkError, UnknownNetworkError, ToolError, ValueError,
            OSError, BenchFailure) as error:
        print(f"spikeloom: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
