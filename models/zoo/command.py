# SPDX-License-Identifier: Apache-2.0
"""Command line of a network: ``python -m spikeloom.models.zoo.NAME train``."""

from collections.abc import Callable
from pathlib import Path

import cyclopts
import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from torch import Tensor

from ..data.labelled import DataError, LabelledImages
from ..golden.errors import NetworkFileError
from ..golden.network import IntegerNetwork
from ..nn.layers import SpikingNetwork
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
            console.print(summary(recipe, validation, recipe.load_test(), *networks))
    except (DataError, NetworkFileError) as error:
        console.print(f"[red]error:[/red] {error}", highlight=False, soft_wrap=True)
        raise SystemExit(1) from error
    console.print(f"{output}: {output.stat().st_size / 1000:.0f} kB")


def summary(recipe: Recipe, validation: LabelledImages, test: LabelledImages,
            floating: SpikingNetwork, quantized: SpikingNetwork) -> Table:
    """Return accuracies and sparsities; beside those of the network it was tuned from."""
    columns = [(recipe.name, integer_network(recipe.name, quantized), lambda: floating)]
    if recipe.base:
        columns.insert(0, (recipe.base.name, recipe.base.load(), recipe.base.load_float))
    table = Table("", *(name for name, _, _ in columns), title=recipe.name)

    def row(name: str, value: Callable[[IntegerNetwork, Callable[[], SpikingNetwork]], float]):
        table.add_row(name, *(f"{value(network, model):.2%}" for _, network, model in columns))

    for split, data in (("validation", validation), ("test", test)):
        row(f"float accuracy, {split}",
            lambda _, model, data=data: accuracy(model(), data.images, data.labels))
        row(f"integer accuracy, {split}", lambda network, _, data=data: float(
            (network.predict(data.images) == data.labels).double().mean()))
    for index, layer in enumerate(columns[-1][1].layers):
        row(f"weight sparsity, {layer.name}", 
            lambda network, _, i=index: network.layers[i].sparsity)
    row("weight sparsity, overall", lambda network, _: network.sparsity)
    ratios = [silent_ratio(network, test.images[:100]) for _, network, _ in columns]
    for layer in ratios[0]:
        table.add_row(f"silent neurons, {layer}", *(f"{ratio[layer]:.2%}" for ratio in ratios))
    return table


@torch.no_grad()
def silent_ratio(network: IntegerNetwork, images: Tensor) -> dict[str, float]:
    """Return the share of stored lane words without a spike, by layer and ``overall``."""
    stored = {trace.name: trace.maps for trace in network.run(images).layers
              if trace.spikes is not None and trace.maps is not None}
    silent = {name: (~maps.any(0)).double() for name, maps in stored.items()}
    ratios = {name: float(words.mean()) for name, words in silent.items()}
    words = sum(x.numel() for x in silent.values())
    return ratios | {"overall": sum(float(x.sum()) for x in silent.values()) / words}
