# SPDX-License-Identifier: Apache-2.0
"""How a network with tensor-train cores is trained, merged, quantized, stored and measured."""

import time
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ..data.labelled import LabelledImages
from ..golden import network_file
from ..golden.network import IntegerNetwork
from .costs import costs
from .layer_config import LayerConfig
from .layers import AnyConfig, SpikingNetwork
from .pruning import MagnitudePruner
from .quantization import fold_network, integer_network
from .recipe import load_state
from .tensor_train_layer import floating_network
from .training import TrainingConfig, accuracy, operand, repeatable, train
from .unmerged import choose_exponents, unmerge

__all__ = ["FEW_BITS", "Measurement", "TensorTrainRecipe", "measure", "merged", "step_seconds"]

_WEIGHTS = Path(__file__).parents[1] / "weights"
FEW_BITS = 4     # of weights that are trained again after rounding
_OBSERVED = 200  # training images that the units between cores are chosen from


@dataclass(frozen=True, kw_only=True, eq=False)
class TensorTrainRecipe:
    """A network, dense or of cores.

    Parameters
    ----------
    name : str
        Of the network and its file.
    layers : tuple of LayerConfig or FixedConfig
        In order.
    timesteps : int
        ``T``.
    training : TrainingConfig
        Of the cores; they are merged and rounded to 8 bits, and not trained further.
    tuning : TrainingConfig
        Of merged kernels of `FEW_BITS`; weights that are zero between the taps of a plus stay so.
    load_training, load_test : callable
        Return the training split and the test split.
    """

    name: str
    layers: tuple[AnyConfig, ...]
    timesteps: int
    training: TrainingConfig
    tuning: TrainingConfig
    load_training: Callable[[], LabelledImages]
    load_test: Callable[[], LabelledImages]

    @property
    def weights(self) -> Path:
        """The committed weight file."""
        return _WEIGHTS / f"{self.name}.npz"

    @property
    def decomposed(self) -> bool:
        """Whether it has cores."""
        return any(isinstance(layer, LayerConfig) and layer.tensor_train for layer in self.layers)

    def train(self, data: LabelledImages, seed: int,
              report: Callable[[int, int, float], None] = lambda *_: None) -> SpikingNetwork:
        """Train the network from a seed."""
        with repeatable(seed) as generator:
            network = floating_network(self.layers, self.timesteps)
            train(network, data.images, data.labels, self.training, generator, report=report)
        return network.eval()

    def tune(self, network: SpikingNetwork, data: LabelledImages, seed: int,
             report: Callable[[int, int, float], None] = lambda *_: None) -> SpikingNetwork:
        """Merge a trained network, round it to `FEW_BITS`, and train what is rounded.

        The kernels are no products of cores any more, which merged kernels need not be.
        """
        with repeatable(seed) as generator:
            tuned = fold_network(network, FEW_BITS)
            train(tuned, data.images, data.labels, self.tuning, generator,
                  MagnitudePruner(tuned.weights), report)
        return tuned.eval()

    @property
    def tuned_name(self) -> str:
        """Name of the tuned network."""
        return f"{self.name}_int{FEW_BITS}"

    def tuned_path(self, path: Path | None = None) -> Path:
        """Return where the tuned network is, beside the file of the trained one."""
        path = path or self.weights
        return path.with_name(path.name.replace(self.name, self.tuned_name, 1))

    def save_tuned(self, path: Path, tuned: SpikingNetwork) -> None:
        """Write the tuned network in integers, beside the file of the trained one."""
        network_file.save(self.tuned_path(path), integer_network(self.tuned_name, tuned))

    def save(self, path: Path, network: SpikingNetwork, images: Tensor) -> None:
        """Write the merged integer network, and beside it the trained one.

        Parameters
        ----------
        path : Path
        network : SpikingNetwork
        images : Tensor[B, ...]
            uint8; the units between unmerged cores are chosen from the first of them.
        """
        extra = {f"float.{field}": tensor.numpy()
                 for field, tensor in network.state_dict().items()}
        if self.decomposed:
            exponents = choose_exponents(network, images[:_OBSERVED])
            extra |= {f"exponent.{name}": np.array(exponent)
                      for name, exponent in exponents.items()}
        path.parent.mkdir(parents=True, exist_ok=True)
        network_file.save(path, integer_network(self.name, merged(network)), extra)

    def load(self, path: Path | None = None) -> IntegerNetwork:
        """Load the merged network with weights of 8 bits, the committed one if no path is given.

        Raises
        ------
        NetworkFileError
            If the file is missing or corrupt.
        """
        return network_file.load(path or self.weights)

    def load_tuned(self, path: Path | None = None) -> IntegerNetwork:
        """Load the merged network with weights of `FEW_BITS`.

        Raises
        ------
        NetworkFileError
            If the file is missing or corrupt.
        """
        return network_file.load(self.tuned_path(path))

    def load_float(self, path: Path | None = None) -> SpikingNetwork:
        """Load the trained network, the committed one if no path is given.

        Raises
        ------
        NetworkFileError
            If the file is missing or corrupt.
        """
        return load_state(path or self.weights, "float",
                          floating_network(self.layers, self.timesteps))

    def load_unmerged(self, path: Path | None = None, weight_bits: int = 8,
                      bits: int = 8) -> SpikingNetwork:
        """Load the fake-quantized network whose cores are layers of their own.

        Parameters
        ----------
        path : Path, optional
            Not the committed file.
        weight_bits : int
            2..8.
        bits : int
            Of the integers between cores, 2..8.

        Raises
        ------
        NetworkFileError
            If the file is missing or corrupt.
        """
        arrays = network_file.read_arrays(path or self.weights)
        exponents = {field.removeprefix("exponent."): int(array) + bits - 8
                     for field, array in arrays.items() if field.startswith("exponent.")}
        return unmerge(self.load_float(path), exponents, weight_bits, bits)


def merged(network: SpikingNetwork, weight_bits: int = 8) -> SpikingNetwork:
    """Return the fake-quantized network of merged kernels."""
    return fold_network(deepcopy(network).double(), weight_bits).double().eval()


class Measurement(msgspec.Struct, kw_only=True, frozen=True):
    """What a trained network is worth on some images, and what it costs."""

    name: str
    seed: int | None
    images: int
    accuracy_float: float
    accuracy_int8: float             # merged, weights of 8 bits
    accuracy_int4: float             # merged, trained again
    accuracy_rounded: float          # of 4 bits, not trained again
    accuracy_unmerged: float | None  # cores and integers between them of 8 bits
    parameters: int
    macs: int
    step_seconds: float              # CPU time of a training step


def step_seconds(recipe: TensorTrainRecipe, images: Tensor, steps: int = 10) -> float:
    """Return the CPU seconds of a training step, the least of some, on one thread.

    A step is forward, backward and update for a batch of the recipe's size.
    """
    chosen = images[:recipe.training.batch]
    x, labels = operand(chosen), torch.zeros(len(chosen), dtype=torch.int64)
    times = []
    with repeatable(0):
        network = floating_network(recipe.layers, recipe.timesteps).train()
        optimizer = torch.optim.AdamW(network.parameters())
        for _ in range(steps):
            start = time.process_time()
            optimizer.zero_grad()
            functional.cross_entropy(network(x), labels).backward()
            optimizer.step()
            times.append(time.process_time() - start)
    return min(times)


def measure(recipe: TensorTrainRecipe, data: LabelledImages, path: Path | None = None,
            seed: int | None = None, steps: int = 10) -> Measurement:
    """Measure a stored network.

    Parameters
    ----------
    recipe : TensorTrainRecipe
    data : LabelledImages
        The test split, or part of it.
    path : Path, optional
        Not the committed file.
    seed : int, optional
        For the record.
    steps : int
        Training steps whose time is taken.
    """
    count = costs(recipe.layers, recipe.timesteps)

    def right(network: IntegerNetwork) -> float:
        found = network.predict(data.images, batch=50)
        return float((found == data.labels).double().mean())

    return Measurement(
        name=recipe.name, seed=seed, images=len(data.labels),
        accuracy_float=accuracy(recipe.load_float(path), data.images, data.labels),
        accuracy_int8=right(recipe.load(path)),
        accuracy_int4=right(recipe.load_tuned(path)),
        accuracy_rounded=right(integer_network(recipe.name,
                                               merged(recipe.load_float(path), FEW_BITS))),
        accuracy_unmerged=right(integer_network(recipe.name, recipe.load_unmerged(path)))
        if recipe.decomposed else None,
        parameters=count.parameters, macs=count.macs,
        step_seconds=step_seconds(recipe, data.images, steps))
