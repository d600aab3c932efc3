# SPDX-License-Identifier: Apache-2.0
"""Dual-sparse convolutional spiking network for handwritten digits.

Four timesteps, direct encoding: the first convolution reads pixels, all other layers read
spikes. Neurons have a time constant of 2 and a hard reset; pooling is the OR of spikes. 96 % of
the weights are pruned to zero (gradual magnitude pruning over all layers), the others have
8 bits with a power-of-two scale for each channel.

Three models share one weight file:

- *float*: the pruned network with batch norm in float32, before folding and quantization;
- *fake-quantized*: folded, fine-tuned with rounded weights and biases, in floating point;
- *integer*: the golden graph, which equals the fake-quantized model in every spike and logit.

``python -m spikeloom.models.zoo.dual_sparse_cnn train`` reproduces the file, byte for byte on
the same kind of CPU; on another one floating point may round differently on the way.
"""

from dataclasses import dataclass
from pathlib import Path

import cyclopts
import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from torch import Tensor

from ..data import digits
from ..golden import network_file
from ..golden.errors import NetworkFileError
from ..golden.network import IntegerNetwork
from ..nn.layers import LayerConfig, SpikingLayer, SpikingNetwork
from ..nn.pruning import MagnitudePruner, PruningSchedule
from ..nn.quantization import FakeQuantizedLayer, fold_network, integer_network
from ..nn.training import TrainingConfig, accuracy, repeatable, train

__all__ = ["LAYERS", "NAME", "TIMESTEPS", "WEIGHTS", "TrainingPlan", "accuracy_float", "load",
           "load_fake_quantized", "load_float", "save", "train_network"]

NAME = "dual_sparse_cnn"
TIMESTEPS = 4
WEIGHTS = Path(__file__).parents[1] / "weights" / f"{NAME}.npz"

LAYERS = (
    LayerConfig(name="conv1", kind="conv", inputs=1, outputs=32, height=28, width=28, pool=2,
                encoder=True),
    LayerConfig(name="conv2", kind="conv", inputs=32, outputs=64, height=14, width=14, pool=2),
    LayerConfig(name="conv3", kind="conv", inputs=64, outputs=64, height=7, width=7, pool=2),
    LayerConfig(name="fc1", kind="linear", inputs=64, outputs=128, height=3, width=3),
    LayerConfig(name="fc2", kind="linear", inputs=128, outputs=10, lif=None),
)


@dataclass(frozen=True, kw_only=True)
class TrainingPlan:
    """Both trainings and the pruning between; the defaults made the committed weights."""

    seed: int = 1
    sparsity: float = 0.96
    prune_start: float = 0.1   # share of the float training at which pruning starts
    prune_stop: float = 0.6    # and at which the sparsity is reached
    prune_interval: int = 32   # steps
    floating: TrainingConfig = TrainingConfig(epochs=30, rate=3e-3, batch=32, smoothing=0.05)
    quantized: TrainingConfig = TrainingConfig(epochs=5, rate=3e-4, batch=32, smoothing=0.05)


def load() -> IntegerNetwork:
    """Load the integer network.

    Raises
    ------
    NetworkFileError
        If the weight file is missing or corrupt.
    """
    return network_file.load(WEIGHTS)


def load_float() -> SpikingNetwork:
    """Load the float model: pruned, with batch norm, before quantization.

    Raises
    ------
    NetworkFileError
        If the weight file is missing or corrupt.
    """
    return _load_state("float", SpikingNetwork([SpikingLayer(x) for x in LAYERS], TIMESTEPS))


def load_fake_quantized() -> SpikingNetwork:
    """Load the fake-quantized model; exact in float64 (``.double()``).

    Raises
    ------
    NetworkFileError
        If the weight file is missing or corrupt.
    """
    return _load_state("fake", SpikingNetwork([FakeQuantizedLayer(x) for x in LAYERS], TIMESTEPS))


def accuracy_float(images: Tensor, labels: Tensor) -> float:
    """Return the float model's accuracy, 0..1.

    Parameters
    ----------
    images : Tensor[B, 28, 28]
        uint8.
    labels : Tensor[B]
        int64.
    """
    return accuracy(load_float(), images, labels)


def train_network(images: Tensor, labels: Tensor, plan: TrainingPlan,
                  report=lambda *_: None) -> tuple[SpikingNetwork, SpikingNetwork]:
    """Train, prune and quantize.

    Parameters
    ----------
    images : Tensor[B, 28, 28]
        uint8.
    labels : Tensor[B]
        int64.
    plan : TrainingPlan
    report : callable, optional
        Called after each step with the phase, the step, the number of steps and the loss.

    Returns
    -------
    floating, quantized : SpikingNetwork
        The float model and the fake-quantized model.
    """
    steps = plan.floating.steps(len(images))
    schedule = PruningSchedule(
        start=int(plan.prune_start * steps), stop=int(plan.prune_stop * steps),
        interval=plan.prune_interval, sparsity=plan.sparsity)
    with repeatable(plan.seed) as generator:
        floating = SpikingNetwork([SpikingLayer(x) for x in LAYERS], TIMESTEPS)
        train(floating, images, labels, plan.floating, generator,
              MagnitudePruner([x.weight for x in floating], schedule),
              lambda *progress: report("float", *progress))
        quantized = fold_network(floating)
        train(quantized, images, labels, plan.quantized, generator,
              MagnitudePruner([x.weight for x in quantized]),
              lambda *progress: report("quantized", *progress))
    return floating.eval(), quantized.eval()


def save(path: Path, floating: SpikingNetwork, quantized: SpikingNetwork) -> None:
    """Write all three models."""
    extra = {f"{kind}.{field}": tensor.numpy()
             for kind, network in (("float", floating), ("fake", quantized))
             for field, tensor in network.state_dict().items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    network_file.save(path, integer_network(NAME, quantized), extra)


app = cyclopts.App(name=f"python -m spikeloom.models.zoo.{NAME}", help="Dual-sparse CNN.")


@app.command(name="train")
def train_command(output: Path = WEIGHTS) -> None:
    """Train the network anew and write its weight file; takes some 20 minutes on one core.

    Parameters
    ----------
    output
        The weight file.
    """
    console = Console()
    try:
        training, validation = digits.load_training()
    except digits.DataError as error:
        console.print(f"[red]error:[/red] {error}", highlight=False)
        raise SystemExit(1) from error
    columns = (TextColumn("{task.description:9}"), BarColumn(), TextColumn("{task.fields[loss]}"),
               TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        tasks = {phase: progress.add_task(phase, total=None, loss="")
                 for phase in ("float", "quantized")}

        def report(phase: str, step: int, steps: int, loss: float) -> None:
            progress.update(tasks[phase], completed=step + 1, total=steps,
                            loss=f"loss {loss:.3f}")

        networks = train_network(training.images, training.labels, TrainingPlan(), report)
    save(output, *networks)
    with repeatable(0):  # one thread, as in training
        console.print(_summary(validation, digits.load_test(), *networks))
    console.print(f"{output}: {output.stat().st_size / 1000:.0f} kB")


def _summary(validation: digits.Digits, test: digits.Digits, floating: SpikingNetwork,
             quantized: SpikingNetwork) -> Table:
    network = integer_network(NAME, quantized)
    table = Table("", "value", title=NAME)
    for split, data in (("validation", validation), ("test", test)):
        right = network.predict(data.images) == data.labels
        table.add_row(f"float accuracy, {split}",
                      f"{accuracy(floating, data.images, data.labels):.2%}")
        table.add_row(f"integer accuracy, {split}", f"{right.double().mean():.2%}")
    for layer in network.layers:
        table.add_row(f"weight sparsity, {layer.name}", f"{layer.sparsity:.2%}")
    table.add_row("weight sparsity, overall", f"{network.sparsity:.2%}")
    return table


def _load_state(kind: str, network: SpikingNetwork) -> SpikingNetwork:
    arrays = network_file.read_arrays(WEIGHTS)
    state = {}
    for field, tensor in network.state_dict().items():
        array = arrays.get(f"{kind}.{field}")
        if array is None or array.shape != tensor.shape:
            found = "missing" if array is None else f"of shape {array.shape}"
            raise NetworkFileError(f"{WEIGHTS}: {kind}.{field} must be of shape "
                                   f"{tuple(tensor.shape)}, not {found}")
        state[field] = torch.from_numpy(array)
    network.load_state_dict(state)
    return network.eval()


if __name__ == "__main__":
    app()
