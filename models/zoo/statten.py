# SPDX-License-Identifier: Apache-2.0
"""Spiking transformers with spatial-temporal attention: published shapes, and small trained ones.

After D. Lee et al., "Spiking transformer with spatial-temporal attention" (2024). ``PUBLISHED``
has the authors' shapes. Trained here are small networks with every mechanism of those:

- ``statten_digits``: handwritten digits, four timesteps in chunks of two;
- ``statten_events``: digits that move, seen by an event camera, five timesteps in one chunk;
- ``statten_asked``, ``sdt_asked``, ``ssa_asked``: a digit, a pause and a question in eight
  timesteps, with the three kinds of attention.

``python -m spikeloom.models.zoo.statten train`` makes the weight files anew.
``statten_measured.json``, which ``show`` prints, is what three seeds gave (one for digits and
events)::

    python -m spikeloom.models.zoo.statten train --seeds 1 --seeds 2 --seeds 3 --folder out/statten
    python -m spikeloom.models.zoo.statten measure --folder out/statten \\
        --json models/zoo/statten_measured.json
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cyclopts
import msgspec
import torch
from rich.console import Console
from rich.table import Table

from ..data import asked, digits, moving
from ..data.labelled import DataError, LabelledImages
from ..golden.errors import NetworkFileError
from ..nn.layers import SpikingNetwork, build_layer
from ..nn.recipe import Recipe, TrainingPlan, train_network
from ..nn.statten import statten_layers
from ..nn.statten_shape import ATTENTIONS, StattenShape
from ..nn.training import STILL, Augmentation, TrainingConfig, operand, repeatable
from .seeds import read_measured, report_bars, seed_files, seed_path, spread, write_measured

__all__ = ["MEASURED", "NETWORKS", "PUBLISHED", "RECIPES", "Measurement", "app", "build"]

MEASURED = Path(__file__).with_name("statten_measured.json")


def _still(classes: int, side: int, channels: int, **fields) -> StattenShape:
    return StattenShape(side=side, inputs=3, classes=classes, timesteps=4, chunk_steps=2,
                        channels=channels, **fields)


def _camera(classes: int, timesteps: int, chunk_steps: int) -> StattenShape:
    return StattenShape(side=64, inputs=2, classes=classes, timesteps=timesteps,
                        chunk_steps=chunk_steps, channels=256, frames=True, events=True)


PUBLISHED = {
    "cifar10-2-256": _still(10, 32, 256),
    "cifar10-2-512": _still(10, 32, 512),
    "cifar100-2-256": _still(100, 32, 256),
    "cifar100-2-512": _still(100, 32, 512),
    "imagenet-8-512": _still(1000, 224, 512, depth=8, pools="1111"),
    "imagenet-8-768": _still(1000, 224, 768, depth=8, pools="1111"),
    "cifar10dvs-t10": _camera(10, 10, 5),
    "cifar10dvs-t16": _camera(10, 16, 4),
    "ncaltech101-t10": _camera(101, 10, 5),
    "ncaltech101-t16": _camera(101, 16, 4),
}
_DIGITS = StattenShape(side=28, inputs=1, classes=10, timesteps=4, chunk_steps=2, channels=32,
                       heads=4, depth=1, pools="1011", hidden_ratio=2)
_EVENTS = StattenShape(side=moving.SIDE, inputs=2, classes=10, timesteps=moving.STEPS,
                       chunk_steps=moving.STEPS, channels=32, heads=4, depth=1, pools="1001",
                       hidden_ratio=2, frames=True, events=True)
_ASKED = StattenShape(side=asked.SIDE, inputs=1, classes=10, timesteps=asked.STEPS,
                      chunk_steps=asked.STEPS, channels=32, heads=4, depth=1, pools="0010",
                      hidden_ratio=2, frames=True)


def _recipe(name: str, shape: StattenShape, data, epochs: int, images: int | None = None,
            augmentation: Augmentation = STILL) -> Recipe:
    floating = TrainingConfig(epochs=epochs, rate=6e-3, images=images, augmentation=augmentation)
    return Recipe(name=name, layers=statten_layers(shape), timesteps=shape.timesteps,
                  load_training=data.load_training, load_test=data.load_test,
                  plan=TrainingPlan(floating=floating, sparsity=0,
                                    quantized=replace(floating, epochs=1, rate=6e-4,
                                                      images=2000)))


RECIPES = {
    "statten_digits": (_DIGITS, _recipe("statten_digits", _DIGITS, digits, 8,
                                        augmentation=Augmentation(degrees=8, shift=1))),
    "statten_events": (_EVENTS, _recipe("statten_events", _EVENTS, moving, 6)),
} | {
    f"{kind}_asked": (shape, _recipe(f"{kind}_asked", shape, asked, 20, images=7500))
    for kind in ATTENTIONS for shape in (replace(_ASKED, attention=kind),)}
NETWORKS = {name: recipe for name, (_, recipe) in RECIPES.items()}


def build(shape: StattenShape) -> SpikingNetwork:
    """Return an untrained network."""
    return SpikingNetwork([*map(build_layer, statten_layers(shape))], shape.timesteps)


class Measurement(msgspec.Struct, frozen=True, kw_only=True):
    """What a trained network is worth.

    Attributes
    ----------
    name : str
    seed : int or None
        Of the training; None for a committed file.
    images : int
        Of the test split.
    accuracy_float, accuracy_integer : float
        0..1.
    agreement : float
        Share of images that both models give the same class.
    rates : dict
        Share of 1 among the stored spikes of each layer.
    """

    name: str
    seed: int | None
    images: int
    accuracy_float: float
    accuracy_integer: float
    agreement: float
    rates: dict[str, float]


@torch.no_grad()
def measure(recipe: Recipe, data: LabelledImages, seed: int | None) -> Measurement:
    """Run both models of a trained network.

    Parameters
    ----------
    recipe : Recipe
    data : LabelledImages
    seed : int or None
        Of the training.
    """
    floating, integer = recipe.load_float(), recipe.load()
    classes = torch.cat([floating(operand(part)).argmax(1) for part in data.images.split(50)])
    predicted, rates, batches = [], {}, data.images.split(50)
    for part in batches:
        trace = integer.run(part)
        predicted.append(trace.predictions)
        for layer in trace.layers:
            if layer.maps is not None:
                share = float(layer.maps.double().sum()) / layer.maps[:, 0].numel()
                rates[layer.name] = rates.get(layer.name, 0) + share / len(data.labels)
    found = torch.cat(predicted)
    return Measurement(
        name=recipe.name, seed=seed, images=len(data.labels),
        accuracy_float=float((classes == data.labels).double().mean()),
        accuracy_integer=float((found == data.labels).double().mean()),
        agreement=float((found == classes).double().mean()), rates=rates)


def summary(results: Sequence[Measurement]) -> Table:
    """Return the table of what networks are worth, one row a network, over all its seeds."""
    table = Table(title="Spatial-temporal attention (percent; mean, half of the range of the "
                        "seeds)")
    for column in ("network", "attention", "T", "B", "seeds", "images", "float", "integer",
                   "agreement", "queries, keys, values", "attended"):
        left = column in ("network", "attention")
        table.add_column(column, justify="left" if left else "right")
    for name in dict.fromkeys(result.name for result in results):
        rows, (shape, _) = [row for row in results if row.name == name], RECIPES[name]
        table.add_row(
            name, shape.attention, str(shape.timesteps), str(shape.attended_steps),
            str(len(rows)), str(rows[0].images),
            *(spread(values) for values in (
                [row.accuracy_float for row in rows], [row.accuracy_integer for row in rows],
                [row.agreement for row in rows], [row.rates["block0.qkv"] for row in rows],
                [row.rates["block0.attention"] for row in rows])))
    return table


app = cyclopts.App(name="python -m spikeloom.models.zoo.statten",
                   help="Spiking transformers with spatial-temporal attention.")


def _get(name: str) -> Recipe:
    if name not in NETWORKS:
        raise SystemExit(f"network must be one of {', '.join(NETWORKS)}, not {name!r}")
    return NETWORKS[name]


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
    try:
        with report_bars() as add_bar:
            for recipe in map(_get, names or NETWORKS):
                data = recipe.load_training()[0]
                for seed in seeds:
                    report = add_bar(f"{recipe.name}, seed {seed}")
                    networks = train_network(
                        recipe, data.images, data.labels, replace(recipe.plan, seed=seed),
                        lambda _, *progress, report=report: report(*progress))
                    recipe.save(seed_path(recipe.name, recipe.weights, seed, folder), *networks)
    except DataError as error:
        raise SystemExit(str(error)) from error


@app.command(name="measure")
def measure_command(*names: str, folder: Path | None = None, images: int | None = None,
                    json: Path | None = None) -> None:
    """Print what trained networks are worth.

    Parameters
    ----------
    names
        Networks; all if none is given.
    folder
        Where NAME-SEED.npz are; without it the weight files of the package are measured.
    images
        Of the test split, the first ones; all if not given.
    json
        File that all measurements are written to.
    """
    results = []
    try:
        for recipe in map(_get, names or NETWORKS):
            data = recipe.load_test().first(images)
            for seed, path in seed_files(recipe.name, recipe.weights, folder):
                with repeatable(0):  # one thread, as in training
                    results.append(measure(replace(recipe, file=path), data, seed))
    except (DataError, NetworkFileError) as error:
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


@app.command(name="configs")
def configs_command() -> None:
    """Print the shapes, those of the authors and the small ones."""
    table = Table(title="Shapes")
    columns = ("name", "image", "T", "B", "blocks", "channels", "heads", "pools", "tokens",
               "parameters", "unused by the authors")
    for column in columns:
        table.add_column(column, justify="left" if column == "name" else "right")
    small = {name: shape for name, (shape, _) in RECIPES.items()}
    for name, shape in (PUBLISHED | small).items():
        with torch.device("meta"):
            count = sum(weight.numel() for weight in build(shape).parameters())
        table.add_row(name, f"{shape.inputs}x{shape.side}x{shape.side}", *map(str, (
            shape.timesteps, shape.attended_steps, shape.depth, shape.channels, shape.heads,
            shape.pools, shape.grid ** 2)), f"{count:,}", f"{shape.unused_parameters:,}")
    Console(width=160).print(table)


if __name__ == "__main__":
    app()
