# SPDX-License-Identifier: Apache-2.0
"""How a network of neurons that spike once is trained, quantized, stored and measured."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import msgspec
import torch
from torch import Tensor

from ..data.labelled import LabelledImages
from ..golden.errors import NetworkFileError
from ..golden.network_file import read_arrays
from ..golden.ttfs_layers import TTFSNeurons
from ..golden.ttfs_network import TTFSNetwork
from ..golden.ttfs_network_file import load_ttfs, save_ttfs
from .training import repeatable
from .ttfs_network import FirstSpikeNetwork, FirstSpikeShape
from .ttfs_quantization import integer_first_spike
from .ttfs_training import FirstSpikeTraining, train_first_spike

__all__ = ["FirstSpikeRecipe", "Measurement", "measure"]

_WEIGHTS = Path(__file__).parents[1] / "weights"


@dataclass(frozen=True, kw_only=True, eq=False)
class FirstSpikeRecipe:
    """A network of neurons that spike once.

    Parameters
    ----------
    name : str
        Of the network and its file.
    shape : FirstSpikeShape
    training : FirstSpikeTraining
        In continuous time.
    tuning : FirstSpikeTraining or None
        What follows on the grid of the integer network, if anything.
    resolution : int
        Of the integer network's time: 2**resolution steps in a time constant.
    time_bits : int
        Of the integer network's time words.
    load_training, load_test : callable
        Return the training split and the test split.
    """

    name: str
    shape: FirstSpikeShape
    training: FirstSpikeTraining
    tuning: FirstSpikeTraining | None
    load_training: Callable[[], LabelledImages]
    load_test: Callable[[], LabelledImages]
    resolution: int = 4
    time_bits: int = 8

    @property
    def weights(self) -> Path:
        """The committed weight file."""
        return _WEIGHTS / f"{self.name}.npz"

    def train(self, data: LabelledImages, seed: int,
              report: Callable[[int, int, float], None] = lambda *_: None) -> FirstSpikeNetwork:
        """Train the network from a seed, then tune it."""
        first, last = (stage.course.steps(len(data.labels)) if stage else 0
                       for stage in (self.training, self.tuning))
        with repeatable(seed) as generator:
            network = FirstSpikeNetwork(self.shape)
            train_first_spike(network, data.images, data.labels, self.training, generator,
                              lambda step, _, loss: report(step, first + last, loss))
        return self.tune(network, data, seed,
                         lambda step, _, loss: report(first + step, first + last, loss))

    def tune(self, network: FirstSpikeNetwork, data: LabelledImages, seed: int,
             report: Callable[[int, int, float], None] = lambda *_: None) -> FirstSpikeNetwork:
        """Teach a trained network the grid of the integer one; repeatable from its weights."""
        if self.tuning:
            training = replace(self.tuning, resolution=self.resolution)
            with repeatable(seed) as generator:
                train_first_spike(network, data.images, data.labels, training, generator, report)
        network.resolution = self.resolution
        return network.eval()

    def save(self, path: Path, network: FirstSpikeNetwork) -> None:
        """Write the integer network, and the trained one beside it."""
        path.parent.mkdir(parents=True, exist_ok=True)
        state = {f"float.{field}": tensor.numpy() for field, tensor in network.state_dict().items()}
        integer = integer_first_spike(self.name, network, self.resolution, self.time_bits)
        save_ttfs(path, integer, state)

    def load(self, path: Path | None = None) -> TTFSNetwork:
        """Load the integer network, the committed one if no path is given.

        Raises
        ------
        NetworkFileError
            If the file is missing or corrupt.
        """
        return load_ttfs(path or self.weights)

    def load_float(self, path: Path | None = None) -> FirstSpikeNetwork:
        """Load the trained network, the committed one if no path is given.

        It computes on the grid of the integer network; ``resolution = None`` changes that.

        Raises
        ------
        NetworkFileError
            If the file is missing or corrupt.
        """
        path = path or self.weights
        arrays, network = read_arrays(path), FirstSpikeNetwork(self.shape)
        state = {}
        for field, tensor in network.state_dict().items():
            array = arrays.get(f"float.{field}")
            if array is None or array.shape != tensor.shape:
                found = "missing" if array is None else f"of shape {array.shape}"
                raise NetworkFileError(f"{path}: float.{field} must be of shape "
                                       f"{tuple(tensor.shape)}, not {found}")
            state[field] = torch.from_numpy(array)
        network.load_state_dict(state)
        network.resolution = self.resolution
        return network.eval()


class Measurement(msgspec.Struct, kw_only=True, frozen=True):
    """What a trained network and the integer one made of it are worth on some images."""

    name: str
    seed: int | None
    images: int
    accuracy_float: float
    accuracy_integer: float
    agreement: float           # share of images that both put into the same class
    accuracy_continuous: float  # of the trained network with continuous times and exact weights
    agreement_continuous: float  # of that with the integer network
    agreements: dict[int, float]  # the same by the resolution of time, on the first images
    decision: float            # mean step of the first output spike, the last step without one
    window: int                # steps of the last layer
    undecided: float           # share of images without output spike
    ties: float                # share of images whose first output spikes are several


@torch.no_grad()
def measure(recipe: FirstSpikeRecipe, data: LabelledImages, path: Path | None = None,
            seed: int | None = None, resolutions: tuple[int, ...] = (),
            few: int = 200) -> Measurement:
    """Measure a stored network.

    Parameters
    ----------
    recipe : FirstSpikeRecipe
    data : LabelledImages
        The test split, or part of it.
    path : Path, optional
        Not the committed file.
    seed : int, optional
        For the record.
    resolutions : tuple of int
        Further values of ``tau_shift`` to quantize with, not learned with.
    few : int
        Images for these.
    """
    floating, integer = recipe.load_float(path), recipe.load(path)
    last = cast(TTFSNeurons, integer.layers[-1])
    expected = _classes(floating, data)
    floating.resolution = None
    continuous = _classes(floating, data)
    classes, decisions, ties = [], [], []
    for part in data.images.split(50):
        trace = integer.run(part[:, None].to(torch.int64))
        classes.append(trace.classes)
        decisions.append(trace.decisions)
        output = trace.times[last.name].flatten(1)
        ties.append((output == trace.decisions[:, None]).sum(1) > 1)
    found, times = torch.cat(classes), torch.cat(decisions)
    decided = times < integer.silent
    agreements = {}
    for bits in resolutions:
        time_bits = integer.time_bits + max(0, bits - integer.tau_shift)
        other = integer_first_spike(recipe.name, floating, bits, time_bits)
        agreements[bits] = _share(other.predict(data.images[:few, None].to(torch.int64), 50)
                                  == continuous[:few])
    return Measurement(
        name=recipe.name, seed=seed, images=len(data.labels),
        accuracy_float=_share(expected == data.labels),
        accuracy_integer=_share(found == data.labels), agreement=_share(found == expected),
        accuracy_continuous=_share(continuous == data.labels),
        agreement_continuous=_share(found == continuous),
        agreements=agreements, decision=float(times.clamp(max=last.window).double().mean()),
        window=last.window, undecided=_share(~decided),
        ties=_share(torch.cat(ties) & decided))


def _classes(network: FirstSpikeNetwork, data: LabelledImages) -> Tensor:
    return torch.cat([network(part.to(torch.float32) / 256).argmax(1)
                      for part in data.images.split(100)])


def _share(flags: Tensor) -> float:
    return float(flags.double().mean())
