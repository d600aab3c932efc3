# SPDX-License-Identifier: Apache-2.0
"""Networks of neurons that spike once, with and without skip connections, on three data sets.

After Y. Kim et al., "Rethinking skip connections in spiking neural networks with time-to-first-
spike coding" (2023), with fewer channels:

- ``base``: no skip;
- ``res``: addition skips, spike times add up;
- ``shuffle``: concatenation skips with a channel shuffle;
- ``delay``: these with a learnable delay for each channel that skips;

on handwritten digits (``mnist``), clothes (``fashion``) and the place where a wave began
(``wave``); and ``ttfs_mnist_small``, ``base`` with a quarter of the channels and half the steps,
trained longer, for hardware as small as an iCE40 UP5K. ``python -m spikeloom.models.zoo.ttfs
train`` makes the weight files anew: in continuous time first, the form of the paper, then, but for
the wave, which loses by it, on the grid of the integer networks, 16 steps in a time constant (the
small one 8) and 8-bit weights.

``ttfs_measured.json``, which ``show`` prints, is what three seeds gave::

    python -m spikeloom.models.zoo.ttfs train --seeds 1 --seeds 2 --seeds 3 --folder out/ttfs
    python -m spikeloom.models.zoo.ttfs measure --folder out/ttfs --resolutions 3 \\
        --resolutions 5 --json models/zoo/ttfs_measured.json
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

import cyclopts
from rich.console import Console
from rich.table import Table

from ..data import digits, fashion, wave
from ..data.labelled import DataError, LabelledImages
from ..golden.errors import NetworkFileError
from ..nn.training import STILL, TrainingConfig
from ..nn.ttfs_network import FirstSpikeShape
from ..nn.ttfs_recipe import FirstSpikeRecipe, Measurement, measure
from ..nn.ttfs_training import FirstSpikeTraining
from .registry import UnknownNetworkError
from .seeds import read_measured, report_bars, seed_files, seed_path, spread, write_measured

__all__ = ["MEASURED", "NETWORKS", "app", "get", "summary"]

MEASURED = Path(__file__).with_name("ttfs_measured.json")
_EXTENDED = (6.0, 12.0, 15.875)  # addition: windows grow with the times, up to 8 bits
_VARIANTS = {
    "base": FirstSpikeShape(skip="none"),
    "res": FirstSpikeShape(skip="addition", windows=_EXTENDED),
    "shuffle": FirstSpikeShape(skip="concatenation"),
    "delay": FirstSpikeShape(skip="concatenation", delay=True),
}
_DATA = {
    "mnist": (
        {"side": 28, "classes": 10, "kernel": "linear", "width": 16},
        lambda: digits.load_training()[0], digits.load_test,
        TrainingConfig(epochs=3, rate=7e-3, batch=32, augmentation=STILL)),
    "fashion": (
        {"side": 28, "classes": 10, "kernel": "linear", "width": 16},
        lambda: fashion.load_training()[0], fashion.load_test,
        TrainingConfig(epochs=3, rate=7e-3, batch=32, images=8000, augmentation=STILL)),
    "wave": (
        {"side": 64, "classes": 9, "kernel": "exponential", "width": 8},
        wave.load_training, wave.load_test,
        TrainingConfig(epochs=4, rate=7e-3, batch=16, augmentation=STILL)),
}


def _recipe(data: str, variant: str) -> FirstSpikeRecipe:
    fields, load_training, load_test, course = _DATA[data]
    return FirstSpikeRecipe(
        name=f"ttfs_{data}_{variant}", shape=replace(_VARIANTS[variant], **fields),
        training=FirstSpikeTraining(course=course),
        tuning=None if data == "wave" else FirstSpikeTraining(
            course=replace(course, epochs=1, rate=1e-3), sharpness=(10.0, 10.0)),
        load_training=load_training, load_test=load_test)


def _longer(training: FirstSpikeTraining, epochs: int) -> FirstSpikeTraining:
    return replace(training, course=replace(training.course, epochs=epochs))


_BASE = _recipe("mnist", "base")
_SMALL = replace(
    _BASE, name="ttfs_mnist_small", shape=replace(_BASE.shape, width=4), resolution=3, time_bits=6,
    training=_longer(_BASE.training, 12), tuning=_longer(cast(FirstSpikeTraining, _BASE.tuning), 3))
NETWORKS = {recipe.name: recipe for recipe in (
    *(_recipe(data, variant) for data in _DATA for variant in _VARIANTS), _SMALL)}


def get(name: str) -> FirstSpikeRecipe:
    """Return the network of that name.

    Raises
    ------
    UnknownNetworkError
        If there is none.
    """
    if name not in NETWORKS:
        raise UnknownNetworkError(f"network must be one of {', '.join(NETWORKS)}, not {name!r}")
    return NETWORKS[name]


def summary(results: Sequence[Measurement]) -> Table:
    """Return the table of what networks are worth, one row a network, over all its seeds."""
    resolutions = sorted({bits for result in results for bits in result.agreements})
    table = Table(title="Neurons that spike once (percent; mean, half of the range of the seeds)")
    columns = ("network", "seeds", "images", "float", "integer", "agreement",
               "continuous", "agreement", *(f"k = {bits}" for bits in resolutions),
               "decision step", "of window", "undecided", "ties")
    for column in columns:
        table.add_column(column, justify="left" if column == "network" else "right")
    for name in dict.fromkeys(result.name for result in results):
        rows = [result for result in results if result.name == name]
        table.add_row(
            name, str(len(rows)), str(rows[0].images),
            spread([row.accuracy_float for row in rows]),
            spread([row.accuracy_integer for row in rows]),
            spread([row.agreement for row in rows]),
            spread([row.accuracy_continuous for row in rows]),
            spread([row.agreement_continuous for row in rows]),
            *(spread([row.agreements[bits] for row in rows]) for bits in resolutions),
            spread([row.decision for row in rows], 1),
            spread([row.decision / row.window for row in rows]),
            spread([row.undecided for row in rows]), spread([row.ties for row in rows]))
    return table


app = cyclopts.App(name="python -m spikeloom.models.zoo.ttfs",
                   help="Networks of neurons that spike once.")


@app.command(name="train")
def train_command(*names: str, seeds: tuple[int, ...] = (1,), folder: Path | None = None) -> None:
    """Train networks anew.

    Parameters
    ----------
    names
        Networks; all if none is given.
    seeds
        Of the trainings.
    folder
        Where NAME-SEED.npz is written; without it the weight files of the package are.
    """
    loaded: dict[object, LabelledImages] = {}
    try:
        with report_bars() as add_bar:
            for seed in seeds:
                for recipe in map(get, names or NETWORKS):
                    load = recipe.load_training
                    data = loaded.get(load) or loaded.setdefault(load, load())
                    network = recipe.train(data, seed, add_bar(f"{recipe.name}, seed {seed}"))
                    recipe.save(seed_path(recipe.name, recipe.weights, seed, folder), network)
    except (DataError, UnknownNetworkError) as error:
        raise SystemExit(str(error)) from error


@app.command(name="measure")
def measure_command(*names: str, folder: Path | None = None, images: int | None = None,
                    resolutions: tuple[int, ...] = (), json: Path | None = None) -> None:
    """Print what trained networks are worth.

    Parameters
    ----------
    names
        Networks; all if none is given.
    folder
        Where NAME-SEED.npz are; without it the weight files of the package are measured.
    images
        Of the test split, the first ones; all if not given.
    resolutions
        Further resolutions of time whose agreement is measured, 2**k steps in a time constant.
    json
        File that all measurements are written to.
    """
    results = []
    try:
        for recipe in map(get, names or NETWORKS):
            data = recipe.load_test().first(images)
            results += [measure(recipe, data, path, seed, resolutions)
                        for seed, path in seed_files(recipe.name, recipe.weights, folder)]
    except (DataError, NetworkFileError, UnknownNetworkError) as error:
        raise SystemExit(str(error)) from error
    _print(results)
    if json is not None:
        write_measured(json, results)


@app.command(name="show")
def show_command(json: Path = MEASURED) -> None:
    """Print what trained networks were worth when they were measured.

    Parameters
    ----------
    json
        File that ``measure`` wrote.
    """
    _print(read_measured(json, Measurement))


def _print(results: Sequence[Measurement]) -> None:
    Console(width=200).print(summary(results))


if __name__ == "__main__":
    app()
