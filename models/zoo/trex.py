# SPDX-License-Identifier: Apache-2.0
"""Vision transformers that reuse the attention of earlier encoders, on three tasks.

After A. Moitra et al., "TReX: reusing vision transformer's attention for efficient xbar-based
computing" (2024), with four encoders of 32 channels:

- ``recall``: which value stood beside a key; cannot be done without attention;
- ``digits`` and ``fashion``: images of 28x28 pixels as 16 patches; can be done without.

A network is called ``trex_TASK_PATTERN``; the pattern has one letter for each encoder: A has
attention of its own, R reuses the last one's output through a transformation block, C as it is,
S has none. ``python -m spikeloom.models.zoo.trex train`` makes the weight files anew.
"""

from collections.abc import Callable
from pathlib import Path

import cyclopts
from rich.console import Console
from rich.table import Table

from ...rtl.config import CrossbarConfig
from ..data import digits, fashion, patches, recall
from ..data.labelled import DataError
from ..data.recall import LabelledTokens
from ..golden.conductance import Device
from ..golden.errors import NetworkError, NetworkFileError
from ..golden.vit_crossbar import CrossbarProduct
from ..golden.vit_layers import Product
from ..golden.vit_shape import VitShape
from ..nn.training import TrainingConfig
from ..nn.vit_recipe import Measurement, VitRecipe, measure
from .registry import UnknownNetworkError
from .seeds import report_bars, seed_files, seed_path, write_measured

__all__ = ["COMMITTED", "DEVICES", "MACRO", "TASKS", "app", "get"]

_IMAGES = VitShape(pattern="AAAA", tokens=16, channels=32, heads=2, hidden=64, features=49,
                   classes=10, pool="mean")
_TUNING = TrainingConfig(epochs=1, rate=1e-3, batch=64)

TASKS = {recipe.task: recipe for recipe in (
    VitRecipe(
        task="recall", input_exponent=6, tuning=_TUNING,
        shape=VitShape(pattern="AAAA", tokens=recall.PAIRS + 1, channels=32, heads=2, hidden=64,
                       features=recall.FEATURES, classes=recall.VALUES, pool="last"),
        training=TrainingConfig(epochs=20, rate=3e-3, batch=64),
        load_training=recall.load_training, load_test=recall.load_test),
    VitRecipe(
        task="digits", input_exponent=7, shape=_IMAGES, tuning=_TUNING,
        training=TrainingConfig(epochs=8, rate=3e-3, batch=64),
        load_training=lambda: patches.cut(digits.load_training()[0]),
        load_test=lambda: patches.cut(digits.load_test())),
    VitRecipe(
        task="fashion", input_exponent=7, shape=_IMAGES,
        tuning=TrainingConfig(epochs=1, rate=1e-3, batch=64, images=8000),
        training=TrainingConfig(epochs=12, rate=3e-3, batch=64, images=8000),
        load_training=lambda: patches.cut(fashion.load_training()[0]),
        load_test=lambda: patches.cut(fashion.load_test())),
)}
COMMITTED = tuple(f"trex_{task}_{pattern}" for task in ("recall", "fashion")
                  for pattern in ("AAAA", "AAAR", "ARAR", "ARRR", "SSSS"))

MACRO = CrossbarConfig(adc_bits=8, timesteps=8)  # lossless for its 64 rows
DEVICES: dict[str, Callable[[], Product]] = {
    "sigma 10 %": lambda: CrossbarProduct(MACRO, Device(sigma=0.1, seed=1)),
    "sigma 20 %": lambda: CrossbarProduct(MACRO, Device(sigma=0.2, seed=1)),
    "6-bit ADC": lambda: CrossbarProduct(CrossbarConfig(timesteps=8)),
}


def get(name: str) -> VitRecipe:
    """Return the network of that name.

    Raises
    ------
    UnknownNetworkError
        If there is none.
    """
    first, task, pattern = [*name.split("_", 2), "", ""][:3]
    if first != "trex" or task not in TASKS:
        raise UnknownNetworkError(f"network must be trex_TASK_PATTERN with one of "
                                  f"{', '.join(TASKS)}, not {name!r}")
    return TASKS[task].with_pattern(pattern)


def summary(results: list[Measurement]) -> Table:
    """Return the table of what networks are worth."""
    table = Table(title="Vision transformers with attention reuse (accuracy in percent)")
    devices = list(dict.fromkeys(name for result in results for name in result.accuracy_crossbar))
    for column in ("task", "pattern", "inputs", "exact", *devices):
        table.add_column(column, justify="left" if column in ("task", "pattern") else "right")
    for result in results:
        table.add_row(result.task, result.pattern, str(result.inputs),
                      f"{100 * result.accuracy:.1f}",
                      *(f"{100 * result.accuracy_crossbar[name]:.1f}" for name in devices))
    return table


app = cyclopts.App(name="python -m spikeloom.models.zoo.trex",
                   help="Vision transformers that reuse attention.")


@app.command(name="train")
def train_command(*names: str, seeds: tuple[int, ...] = (1,), folder: Path | None = None) -> None:
    """Train networks anew.

    Parameters
    ----------
    names
        Networks; all that are committed if none is given.
    seeds
        Of the trainings.
    folder
        Where NAME-SEED.npz is written; without it the weight files of the package are.
    """
    loaded: dict[str, LabelledTokens] = {}
    try:
        with report_bars() as add_bar:
            for seed in seeds:
                for recipe in map(get, names or COMMITTED):
                    if recipe.task not in loaded:
                        loaded[recipe.task] = recipe.load_training()
                    twin = recipe.train(loaded[recipe.task], seed,
                                        add_bar(f"{recipe.name}, seed {seed}"))
                    recipe.save(seed_path(recipe.name, recipe.weights, seed, folder), twin)
    except (DataError, NetworkError, UnknownNetworkError) as error:
        raise SystemExit(str(error)) from error


@app.command(name="measure")
def measure_command(*names: str, folder: Path | None = None, inputs: int | None = None,
                    crossbar: int = 0, json: Path | None = None) -> None:
    """Print what trained networks are worth.

    Parameters
    ----------
    names
        Networks; all that are committed if none is given.
    folder
        Where NAME-SEED.npz are; without it the weight files of the package are measured.
    inputs
        Of the test split, the first ones; all if not given.
    crossbar
        Inputs that are computed on crossbars with real devices, too; none if 0.
    json
        File that all measurements are written to.
    """
    results = []
    try:
        for recipe in map(get, names or COMMITTED):
            data = recipe.load_test().first(inputs)
            results += [measure(recipe, data, recipe.load(path), seed,
                                DEVICES if crossbar else {}, crossbar)
                        for seed, path in seed_files(recipe.name, recipe.weights, folder)]
    except (DataError, NetworkError, NetworkFileError, UnknownNetworkError) as error:
        raise SystemExit(str(error)) from error
    Console(width=140).print(summary(results))
    if json is not None:
        write_measured(json, results)


if __name__ == "__main__":
    app()
