# SPDX-License-Identifier: Apache-2.0
"""Small MS-ResNets with dense or tensor-train convolutions, on images and on sequences.

After D. Lee et al., "TT-SNN: tensor train decomposition for efficient spiking neural network
training" (2024):

- ``dense``: 3x3 convolutions;
- ``stt``: four cores one after another;
- ``ptt``: the middle cores side by side;
- ``htt``: the same at the first two of four timesteps, the outer cores alone at the others;

on handwritten digits (``digits``), the same at each timestep, and on the four quarters of their
images one after another, black and white (``quadrants``). A network is called ``tt_DATA_MODE``.
``python -m spikeloom.models.zoo.tt_snn train`` makes the weight files anew.

``tt_measured.json``, which ``show`` prints, is what some seeds gave::

    python -m spikeloom.models.zoo.tt_snn train --seeds 1 --seeds 2 --seeds 3 --folder out/tt
    python -m spikeloom.models.zoo.tt_snn measure --folder out/tt \\
        --json models/zoo/tt_measured.json
"""

from collections.abc import Sequence
from pathlib import Path

import cyclopts
from rich.console import Console
from rich.table import Table

from ..data import digits, quadrants
from ..data.labelled import DataError, LabelledImages
from ..golden.errors import NetworkFileError
from ..nn.layers import SpikingNetwork
from ..nn.tensor_train import MODES, choose_rank
from ..nn.tensor_train_recipe import Measurement, TensorTrainRecipe, measure
from ..nn.training import STILL, TrainingConfig
from . import tt_published
from .errors import UnknownNetworkError
from .seeds import read_measured, report_bars, seed_files, seed_path, spread, write_measured
from .tt_layers import MsResNet

__all__ = ["MEASURED", "NETWORKS", "RANKS", "SHAPES", "app", "found_ranks", "get", "summary"]

MEASURED = Path(__file__).with_name("tt_measured.json")
SHAPES = {
    "digits": MsResNet(inputs=1, side=28, stem=16, stem_stride=2, stem_padding=3,
                       blocks=((32, 2), (32, 1)), classes=10, timesteps=4),
    "quadrants": MsResNet(inputs=1, side=14, stem=16, stem_padding=2,
                          blocks=((32, 2), (32, 1), (64, 2)), classes=10,
                          timesteps=quadrants.TIMESTEPS, frames=True),
}
RANKS = {"digits": (8, 12, 12, 12), "quadrants": (8, 12, 12, 12, 16, 24)}
_DATA = {
    "digits": (lambda: digits.load_training()[0], digits.load_test,
               TrainingConfig(epochs=12, rate=4e-3, smoothing=0.05),
               TrainingConfig(epochs=2, rate=2e-3, smoothing=0.05)),
    "quadrants": (lambda: quadrants.look(digits.load_training()[0]),
                  lambda: quadrants.look(digits.load_test()),
                  TrainingConfig(epochs=12, rate=4e-3, smoothing=0.05, augmentation=STILL),
               TrainingConfig(epochs=2, rate=2e-3, smoothing=0.05, augmentation=STILL)),
}


def _recipe(data: str, mode: str) -> TensorTrainRecipe:
    load_training, load_test, training, tuning = _DATA[data]
    shape = SHAPES[data]
    return TensorTrainRecipe(
        name=f"tt_{data}_{mode}", layers=shape.layers(mode, RANKS[data]),
        timesteps=shape.timesteps, training=training, tuning=tuning, load_training=load_training,
        load_test=load_test)


NETWORKS = {recipe.name: recipe for recipe in (
    _recipe(data, mode) for data in SHAPES for mode in ("dense", *MODES))}


def get(name: str) -> TensorTrainRecipe:
    """Return the network of that name.

    Raises
    ------
    UnknownNetworkError
        If there is none.
    """
    if name not in NETWORKS:
        raise UnknownNetworkError(f"network must be one of {', '.join(NETWORKS)}, not {name!r}")
    return NETWORKS[name]


def found_ranks(network: SpikingNetwork) -> dict[str, int]:
    """Return the rank that variational Bayes finds in each 3x3 kernel of the blocks."""
    return {name: choose_rank(layer.synapse()[0][0]) for name, layer in network.trained.items()
            if name.startswith("block") and layer.config.sources[0].kernel == (3, 3)}


def summary(results: Sequence[Measurement]) -> Table:
    """Return the table of what networks are worth, one row a network, over all its seeds."""
    table = Table(title="Tensor-train cores (percent; mean, half of the range of the seeds)")
    for column in ("network", "seeds", "images", "float", "int8", "int4", "rounded", "unmerged",
                   "parameters", "MACs", "ms a step"):
        table.add_column(column, justify="left" if column == "network" else "right")
    for name in dict.fromkeys(result.name for result in results):
        rows = [result for result in results if result.name == name]
        table.add_row(
            name, str(len(rows)), str(rows[0].images),
            spread([row.accuracy_float for row in rows]),
            spread([row.accuracy_int8 for row in rows]),
            spread([row.accuracy_int4 for row in rows]),
            spread([row.accuracy_rounded for row in rows]),
            spread([row.accuracy_unmerged for row in rows]),
            f"{rows[0].parameters:,}", f"{rows[0].macs:,}",
            f"{1000 * min(row.step_seconds for row in rows):.0f}")
    return table


app = cyclopts.App(name="python -m spikeloom.models.zoo.tt_snn",
                   help="Networks with tensor-train convolutions.")


@app.command(name="counts")
def counts_command() -> None:
    """Print the sizes of the published networks next to the published ratios."""
    console = Console(width=160)
    console.print(tt_published.table(list(tt_published.counts())))
    for note in tt_published.notes():
        console.print(f"- {note}", highlight=False)


@app.command(name="ranks")
def ranks_command(*names: str) -> None:
    """Print the ranks that variational Bayes finds in trained dense networks.

    Parameters
    ----------
    names
        Networks; the dense ones if none is given.
    """
    console = Console(width=160)
    try:
        for recipe in map(get, names or (f"tt_{data}_dense" for data in SHAPES)):
            console.print(recipe.name, found_ranks(recipe.load_float()))
    except (NetworkFileError, UnknownNetworkError) as error:
        raise SystemExit(str(error)) from error


@app.command(name="train")
def train_command(*names: str, seeds: tuple[int, ...] = (1,), folder: Path | None = None,
                  cores: bool = True) -> None:
    """Train networks anew, with cores and then with merged kernels of 4 bits.

    Parameters
    ----------
    names
        Networks; all if none is given.
    seeds
        Of the trainings.
    folder
        Where NAME-SEED.npz and NAME_int4-SEED.npz are written; without it the weight files of the
        package are.
    cores
        Train the cores; else those that are there are merged, and their kernels trained.
    """
    loaded: dict[object, LabelledImages] = {}
    try:
        with report_bars() as add_bar:
            for seed in seeds:
                for recipe in map(get, names or NETWORKS):
                    load = recipe.load_training
                    data = loaded.get(load) or loaded.setdefault(load, load())
                    path = seed_path(recipe.name, recipe.weights, seed, folder)
                    text = f"{recipe.name}, seed {seed}"
                    if cores:
                        trained = recipe.train(data, seed, add_bar(text))
                        recipe.save(path, trained, data.images)
                    tuned = recipe.tune(recipe.load_float(path), data, seed,
                                        add_bar(f"{text}, 4 bits"))
                    recipe.save_tuned(path, tuned)
    except (DataError, NetworkFileError, UnknownNetworkError) as error:
        raise SystemExit(str(error)) from error


@app.command(name="measure")
def measure_command(*names: str, folder: Path | None = None, images: int | None = None,
                    steps: int = 10, json: Path | None = None) -> None:
    """Print what trained networks are worth.

    Parameters
    ----------
    names
        Networks; all if none is given.
    folder
        Where NAME-SEED.npz are; without it the weight files of the package are measured.
    images
        Of the test split, the first ones; all if not given.
    steps
        Training steps whose CPU time is taken; the least counts.
    json
        File that all measurements are written to.
    """
    results = []
    try:
        for recipe in map(get, names or NETWORKS):
            data = recipe.load_test().first(images)
            results += [measure(recipe, data, path, seed, steps)
                        for seed, path in seed_files(recipe.name, recipe.weights, folder)]
    except (DataError, NetworkFileError, UnknownNetworkError) as error:
        raise SystemExit(str(error)) from error
    Console(width=160).print(summary(results))
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
    Console(width=160).print(summary(read_measured(json, Measurement)))


if __name__ == "__main__":
    app()
