# SPDX-License-Identifier: Apache-2.0
"""How a network of the zoo is trained, pruned, quantized, stored and loaded again.

Three models share one weight file:

- *float*: the pruned network with batch norm in float32, before folding and quantization;
- *fake-quantized*: folded, fine-tuned with rounded weights and biases, in floating point;
- *integer*: the golden graph, which equals the fake-quantized model in every spike and logit.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from ..data.labelled import LabelledImages
from ..golden import network_file
from ..golden.errors import NetworkFileError
from ..golden.network import IntegerNetwork
from .layers import AnyConfig, SpikingNetwork, build_layer
from .pruning import MagnitudePruner, PruningSchedule
from .quantization import FakeQuantizedLayer, fold_network, integer_network
from .training import TrainingConfig, accuracy, repeatable, train

__all__ = ["Recipe", "TrainingPlan", "load_state", "train_network"]

_WEIGHTS = Path(__file__).parents[1] / "weights"


@dataclass(frozen=True, kw_only=True)
class TrainingPlan:
    """Both trainings and the pruning between."""

    floating: TrainingConfig
    quantized: TrainingConfig
    seed: int = 1
    sparsity: float = 0.96     # of all weights
    prune_start: float = 0.1   # share of the float training at which pruning starts
    prune_stop: float = 0.6    # and at which the sparsity is reached
    prune_interval: int = 32   # steps


@dataclass(frozen=True, kw_only=True, eq=False)
class Recipe:
    """A network of the zoo.

    Parameters
    ----------
    name : str
        Of the network and its file.
    layers : tuple of LayerConfig or FixedConfig
        In order.
    timesteps : int
        ``T``.
    plan : TrainingPlan
        Made the committed weights.
    load_training : callable
        Returns the training and the validation split.
    load_test : callable
        Returns the test split.
    base : Recipe or None
        Network of the same weights that the training starts from; pruned weights stay zero.
    file : Path or None
        Weight file of another training; the committed one if None.
    weight_bits : int
        Of the integer weights, 2..8.
    """

    name: str
    layers: tuple[AnyConfig, ...]
    timesteps: int
    plan: TrainingPlan
    load_training: Callable[[], tuple[LabelledImages, LabelledImages]]
    load_test: Callable[[], LabelledImages]
    base: "Recipe | None" = None
    file: Path | None = None
    weight_bits: int = 8

    @property
    def weights(self) -> Path:
        """The weight file."""
        return self.file or _WEIGHTS / f"{self.name}.npz"

    def load(self) -> IntegerNetwork:
        """Load the integer network.

        Raises
        ------
        NetworkFileError
            If the weight file is missing or corrupt.
        """
        return network_file.load(self.weights)

    def load_float(self) -> SpikingNetwork:
        """Load the float model: pruned, with batch norm, before quantization.

        Raises
        ------
        NetworkFileError
            If the weight file is missing or corrupt.
        """
        layers = [build_layer(layer) for layer in self.layers]
        return load_state(self.weights, "float", SpikingNetwork(layers, self.timesteps))

    def load_fake_quantized(self) -> SpikingNetwork:
        """Load the fake-quantized model; exact in float64 (``.double()``).

        Raises
        ------
        NetworkFileError
            If the weight file is missing or corrupt.
        """
        trained = partial(FakeQuantizedLayer, weight_bits=self.weight_bits)
        layers = [build_layer(layer, trained) for layer in self.layers]
        return load_state(self.weights, "fake", SpikingNetwork(layers, self.timesteps))

    def accuracy_float(self, images: Tensor, labels: Tensor) -> float:
        """Return the float model's accuracy, 0..1.

        Parameters
        ----------
        images : Tensor[B, H, W]
            uint8.
        labels : Tensor[B]
            int64.
        """
        return accuracy(self.load_float(), images, labels)

    def save(self, path: Path, floating: SpikingNetwork, quantized: SpikingNetwork) -> None:
        """Write all three models."""
        extra = {f"{kind}.{field}": tensor.numpy()
                 for kind, network in (("float", floating), ("fake", quantized))
                 for field, tensor in network.state_dict().items()}
        path.parent.mkdir(parents=True, exist_ok=True)
        network_file.save(path, integer_network(self.name, quantized), extra)


def train_network(recipe: Recipe, images: Tensor, labels: Tensor,
                  plan: TrainingPlan | None = None,
                  report=lambda *_: None) -> tuple[SpikingNetwork, SpikingNetwork]:
    """Train, prune and quantize.

    Parameters
    ----------
    recipe : Recipe
    images : Tensor[B, H, W]
        uint8.
    labels : Tensor[B]
        int64.
    plan : TrainingPlan, optional
        Another one than the recipe's.
    report : callable, optional
        Called after each step with the phase, the step, the number of steps and the loss.

    Returns
    -------
    floating, quantized : SpikingNetwork
        The float model and the fake-quantized model.
    """
    plan = plan or recipe.plan
    with repeatable(plan.seed) as generator:
        floating = SpikingNetwork([*map(build_layer, recipe.layers)], recipe.timesteps)
        if recipe.base is None:
            steps = plan.floating.steps(len(images))
            schedule = PruningSchedule(
                start=int(plan.prune_start * steps), stop=int(plan.prune_stop * steps),
                interval=plan.prune_interval, sparsity=plan.sparsity)
        else:
            floating.load_state_dict(recipe.base.load_float().state_dict())
            schedule = None
        train(floating, images, labels, plan.floating, generator,
              MagnitudePruner(floating.weights, schedule),
              lambda *progress: report("float", *progress))
        quantized = fold_network(floating, recipe.weight_bits)
        train(quantized, images, labels, plan.quantized, generator,
              MagnitudePruner(quantized.weights),
              lambda *progress: report("quantized", *progress))
    return floating.eval(), quantized.eval()


def load_state(path: Path, kind: str, network: SpikingNetwork) -> SpikingNetwork:
    """Fill a network with the arrays of a weight file whose names begin with its kind.

    Raises
    ------
    NetworkFileError
        If the file is missing or corrupt, or has no array that fits.
    """
    arrays = network_file.read_arrays(path)
    state = {}
    for field, tensor in network.state_dict().items():
        array = arrays.get(f"{kind}.{field}")
        if array is None or array.shape != tensor.shape:
            found = "missing" if array is None else f"of shape {array.shape}"
            raise NetworkFileError(f"{path}: {kind}.{field} must be of shape "
                                   f"{tuple(tensor.shape)}, not {found}")
        state[field] = torch.from_numpy(array)
    network.load_state_dict(state)
    return network.eval()
