# SPDX-License-Identifier: Apache-2.0
"""How a vision transformer with attention reuse is trained, quantized, stored and measured."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import torch
from torch import Tensor
from torch.nn import functional

from ..data.recall import LabelledTokens
from ..golden.vit_layers import Product, exact_product
from ..golden.vit_network import VitNetwork
from ..golden.vit_network_file import load_vit, save_vit
from ..golden.vit_shape import VitShape
from .training import TrainingConfig, repeatable
from .vit import TwinVit

__all__ = ["Measurement", "VitRecipe", "measure", "similarity"]

_WEIGHTS = Path(__file__).parents[1] / "weights"
_OBSERVED = 512  # inputs that the scales are chosen from


@dataclass(frozen=True, kw_only=True, eq=False)
class VitRecipe:
    """A vision transformer on some task.

    Parameters
    ----------
    task : str
    shape : VitShape
    input_exponent : int
        Inputs are in units of ``2**-input_exponent``.
    training : TrainingConfig
        In floating point.
    tuning : TrainingConfig
        Behind it, in integers.
    load_training, load_test : callable
        Return the training split and the test split.
    """

    task: str
    shape: VitShape
    input_exponent: int
    training: TrainingConfig
    tuning: TrainingConfig
    load_training: Callable[[], LabelledTokens]
    load_test: Callable[[], LabelledTokens]

    @property
    def name(self) -> str:
        """Name of the network and its file."""
        return f"trex_{self.task}_{self.shape.pattern}"

    @property
    def weights(self) -> Path:
        """The committed weight file."""
        return _WEIGHTS / f"{self.name}.npz"

    def with_pattern(self, pattern: str) -> "VitRecipe":
        """Return the recipe of the same task with other control words."""
        return replace(self, shape=replace(self.shape, pattern=pattern))

    def train(self, data: LabelledTokens, seed: int,
              report: Callable[[int, int, float], None] = lambda *_: None) -> TwinVit:
        """Train the network from a seed; it is quantized in the end."""
        with repeatable(seed) as generator:
            twin = TwinVit(self.shape, self.input_exponent)
            _train(twin, data, self.training, generator, report)
            twin.quantize(data.tokens[:_OBSERVED])
            _train(twin, data, self.tuning, generator, report)
        return twin.eval()

    def save(self, path: Path, twin: TwinVit) -> None:
        """Write the integer network."""
        save_vit(path, twin.integer(self.name))

    def load(self, path: Path | None = None) -> VitNetwork:
        """Load the integer network, the committed one if no path is given.

        Raises
        ------
        NetworkFileError
            If the file is missing or corrupt.
        """
        return load_vit(path or self.weights)


class Measurement(msgspec.Struct, kw_only=True, frozen=True):
    """What an integer network is worth on some inputs."""

    task: str
    pattern: str
    seed: int | None
    inputs: int
    accuracy: float
    accuracy_crossbar: dict[str, float]  # by the name of the device, on the first inputs


def measure(recipe: VitRecipe, data: LabelledTokens, network: VitNetwork,
            seed: int | None = None, devices: dict[str, Callable[[], Product]] | None = None,
            few: int = 200) -> Measurement:
    """Measure a network.

    Parameters
    ----------
    recipe : VitRecipe
    data : LabelledTokens
        The test split, or part of it.
    network : VitNetwork
    seed : int, optional
        For the record.
    devices : dict, optional
        Makers of products that take the place of exact ones.
    few : int
        Inputs for these.
    """
    part = data.first(few)
    return Measurement(
        task=recipe.task, pattern=recipe.shape.pattern, seed=seed, inputs=len(data.labels),
        accuracy=_accuracy(network, data, exact_product),
        accuracy_crossbar={name: _accuracy(network, part, make())
                           for name, make in (devices or {}).items()})


def similarity(network: VitNetwork, inputs: Tensor) -> Tensor:
    """Return how alike the attention outputs of encoders are: their mean cosine.

    Parameters
    ----------
    network : VitNetwork
        All its encoders have attention of their own.
    inputs : Tensor[B, N, features]

    Returns
    -------
    Tensor[L, L]
        float64.
    """
    outputs = [added.to(torch.float64) for added in network.run(inputs).attention]
    return torch.tensor([[functional.cosine_similarity(one, other, -1).mean() for other in outputs]
                         for one in outputs])


def _accuracy(network: VitNetwork, data: LabelledTokens, product: Product) -> float:
    right = network.predict(data.tokens, product) == data.labels
    return float(right.to(torch.float64).mean())


def _train(twin: TwinVit, data: LabelledTokens, course: TrainingConfig,
           generator: torch.Generator, report: Callable[[int, int, float], None]) -> None:
    parameters: Sequence[Tensor] = list(twin.parameters())
    optimizer = torch.optim.AdamW(parameters, weight_decay=course.weight_decay, fused=True)
    steps, step = course.steps(len(data.labels)), 0
    for _ in range(course.epochs):
        twin.train()
        order = torch.randperm(len(data.labels), generator=generator)
        for chosen in order.split(course.batch)[:steps // course.epochs]:
            for group in optimizer.param_groups:
                group["lr"] = course.rate_at(step, steps)
            loss = functional.cross_entropy(twin(data.tokens[chosen]), data.labels[chosen],
                                            label_smoothing=course.smoothing)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            report(step, steps, float(loss.detach()))
            step += 1
