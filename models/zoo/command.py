# SPDX-License-Identifier: Apache-2.0
"""Command line of a network: ``python -m spikeloom.models.zoo.NAME train`` or ``measure``."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import cyclopts
import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Column, Table
from torch import Tensor

from ..data.labelled import DataError, LabelledImages
from ..golden.errors import NetworkFileError
from ..golden.network import IntegerNetwork
from ..nn.layers import LayerConfig, SpikingNetwork, build_layer
from ..nn.quantization import integer_network
from ..nn.recipe import Recipe, train_network
from ..nn.training import accuracy, repeatable

__all__ = ["silent_ratio", "summary", "train", "training_app"]


def training_app(recipe: Recipe) -> cyclopts.App:
    """Return the command line of a network."""
    app = cyclopts.App(name=f"python -m spikeloom.models.zoo.{recipe.name}",
                       help=f"The network {recipe.name}.")

    @app.command(name="train")
    def train_command(output: Path = recipe.weights) -> None:
        """Train the network anew and write its weight file.

        Parameters
        ----------
        output
            The weight file.
        """
        train(recipe, output)

    @app.command(name="measure")
    def measure_command() -> None:
        """Print what the committed weights are worth."""
        try:
            with repeatable(0):
                Console().print(summary(recipe, {"test": recipe.load_test()},
                                        recipe.load_float(), recipe.load_fake_quantized()))
        except (DataError, NetworkFileError) as error:
            _refuse(error)

    return app


def train(recipe: Recipe, output: Path) -> None:
    """Train a network, write its weight file and print what it is worth."""
    console = Console()
    try:
        training, validation = recipe.load_training()
        columns = (TextColumn("{task.description:9}"), BarColumn(),
                   TextColumn("{task.fields[loss]}"), TimeRemainingColumn())
        with Progress(*columns, console=console) as progress:
            tasks = {phase: progress.add_task(phase, total=None, loss="")
                     for phase in ("float", "quantized")}

            def report(phase: str, step: int, steps: int, loss: float) -> None:
                progress.update(tasks[phase], completed=step + 1, total=steps,
                                loss=f"loss {loss:.3f}")

            networks = train_network(recipe, training.images, training.labels, report=report)
        recipe.save(output, *networks)
        with repeatable(0):  # one thread, as in training
            console.print(summary(
                recipe, {"validation": validation, "test": recipe.load_test()}, *networks))
    except (DataError, NetworkFileError) as error:
        _refuse(error)
    console.print(f"{output}: {output.stat().st_size / 1000:.0f} kB")


def summary(recipe: Recipe, splits: dict[str, LabelledImages], floating: SpikingNetwork,
            quantized: SpikingNetwork) -> Table:
    """Return accuracies on each split, sparsities and silent ratios.

    For a network that was tuned from another, that one stands beside it, as it is and with the
    silenced neurons but not yet tuned.
    """
    columns = [(recipe.name, integer_network(recipe.name, quantized), floating)]
    if recipe.base:
        columns = [(recipe.base.name, recipe.base.load(), recipe.base.load_float()),
                   ("masked, not tuned", *_masked(recipe, recipe.base)), *columns]
    table = Table(Column(no_wrap=True), *(name for name, _, _ in columns), title=recipe.name)

    def row(name: str, value: Callable[[IntegerNetwork, SpikingNetwork], float]):
        table.add_row(name, *(f"{value(network, model):.2%}" for _, network, model in columns))

    for split, data in splits.items():
        row(f"float accuracy, {split}",
            lambda _, model, data=data: accuracy(model, data.images, data.labels))
        row(f"integer accuracy, {split}", lambda network, _, data=data: float(
            (network.predict(data.images) == data.labels).double().mean()))
    for index, layer in enumerate(columns[-1][1].products):
        row(f"weight sparsity, {layer.name}",
            lambda network, _, i=index: network.products[i].sparsity)
    row("weight sparsity, overall", lambda network, _: network.sparsity)
    ratios = [silent_ratio(network, splits["test"].images[:100]) for _, network, _ in columns]
    for layer in ratios[0]:
        table.add_row(f"silent neurons, {layer}", *(f"{ratio[layer]:.2%}" for ratio in ratios))
    return table


def _masked(recipe: Recipe, base: Recipe) -> tuple[IntegerNetwork, SpikingNetwork]:
    """Return the base with the layers of the network tuned from it: weights not yet tuned."""
    network = base.load()
    layers = tuple(replace(layer, drop_single=config.drop_single)
                   for layer, config in zip(network.layers, recipe.layers, strict=True)
                   if isinstance(config, LayerConfig))
    floating = SpikingNetwork([*map(build_layer, recipe.layers)], recipe.timesteps)
    floating.load_state_dict(base.load_float().state_dict())
    return replace(network, layers=layers), floating


def _refuse(error: Exception) -> NoReturn:
    Console().print(f"[red]error:[/red] {error}", highlight=False, soft_wrap=True)
    raise SystemExit(1) from error


@torch.no_grad()
def silent_ratio(network: IntegerNetwork, images: Tensor) -> dict[str, float]:
    """Return the share of stored lane words without a spike, by layer and ``overall``."""
    stored = {trace.name: trace.maps for trace in network.run(images).layers
              if trace.spikes is not None and trace.maps is not None}
    silent = {name: (~maps.any(0)).double() for name, maps in stored.items()}
    ratios = {name: float(words.mean()) for name, words in silent.items()}
    words = sum(x.numel() for x in silent.values())
    return ratios | {"overall": sum(float(x.sum()) for x in silent.values()) / words}
