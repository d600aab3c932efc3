# SPDX-License-Identifier: Apache-2.0
"""Trainable layers of a spiking network, and the graph that they make."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..golden.layer import IMAGE, PIXEL_BITS
from ..golden.plif import LIF
from .neuron import LIFNeuron
from .tensor_train import TensorTrain

__all__ = ["PIXELS", "Integers", "LayerConfig", "SourceConfig", "SpikingLayer", "SpikingNetwork"]


@dataclass(frozen=True, kw_only=True)
class Integers:
    """How the integer network writes numbers that are not spikes, as multiples of a unit."""

    bits: int
    exponent: int            # the unit is 2**-exponent
    signed: bool = True
    each_step: bool = True   # whether they differ between timesteps


PIXELS = Integers(bits=PIXEL_BITS, exponent=PIXEL_BITS, signed=False, each_step=False)


@dataclass(frozen=True, kw_only=True)
class SourceConfig:
    """One input of a layer: a convolution over the output of another."""

    input: str                          # name of the layer that is read, or "image"
    inputs: int                         # channels of the input
    height: int                         # of the input's maps
    width: int
    kernel: tuple[int, int] = (3, 3)
    stride: int = 1
    padding: tuple[int, int] = (1, 1)   # above and below, left and right
    mean_pool: int = 1                  # side of the average pooling before, a power of two
    identity: bool = False              # the input enters the current as it is, kernel unused
    integers: Integers | None = None    # what the input gives if it is a layer without neurons
    events: bool = False                # of an image: bit t of a pixel is a spike at timestep t
    time_mask: int | None = None        # bit t: whether it acts at timestep t; always if None

    @property
    def covers_map(self) -> bool:
        """Whether the layer is linear: a kernel as large as the map."""
        return (self.kernel == (self.height, self.width) and self.padding == (0, 0)
                and self.mean_pool == 1)

    @property
    def numbers(self) -> Integers | None:
        """What the input gives, None for spikes."""
        return PIXELS if self.input == IMAGE and not self.events else self.integers

    @property
    def exponent(self) -> int:
        """Power of two by which integer inputs are larger than floating-point ones."""
        pooled = 2 * (self.mean_pool.bit_length() - 1)
        return pooled + (self.numbers.exponent if self.numbers else 0)


@dataclass(frozen=True, kw_only=True)
class LayerConfig:
    """Shape of one layer.

    The norm covers the sum of all sources but those that are identities, which enter behind.
    """

    name: str
    sources: tuple[SourceConfig, ...]
    outputs: int                 # channels of the output
    pool: int = 1                # side of the max pooling behind the neurons, 1 for none
    lif: LIF | None = LIF()      # None for the readout, and where currents are handed on
    integers: Integers | None = None  # of the currents that are handed on
    residual: str | None = None  # layer whose kept residual adds to the current
    keep_residual: bool = False  # whether the current is kept
    drop_single: bool = False    # whether neurons that fire once only are silenced
    tensor_train: TensorTrain | None = None  # cores in place of the first source's kernel

    @property
    def encoder(self) -> bool:
        """Whether the input is integers that are the same at each timestep, as pixels are."""
        return self.numbers is not None and not self.numbers.each_step

    @property
    def numbers(self) -> Integers | None:
        """What the inputs are, None for spikes."""
        return self.sources[0].numbers

    @property
    def readout(self) -> bool:
        """Whether the layer's currents are the network's output."""
        return self.lif is None and self.integers is None

    @property
    def carries_residual(self) -> bool:
        """Whether the current is in units of the residuals."""
        return self.keep_residual or self.residual is not None

    @property
    def trained(self) -> tuple[SourceConfig, ...]:
        """Sources with weights."""
        return tuple(source for source in self.sources if not source.identity)


class SpikingLayer(nn.Module):
    """Sum of convolutions with batch norm, shortcuts, neurons and pooling.

    The readout has a bias instead of batch norm and neurons; layers of integers have no neurons.

    Parameters
    ----------
    config : LayerConfig
    """

    def __init__(self, config: LayerConfig):
        super().__init__()
        self.config = config
        self.weights = nn.ParameterList([
            _initial(config.outputs, source) for source in config.trained])
        self.neuron = LIFNeuron(config.lif) if config.lif else None
        normed = config.trained and not config.readout
        self.norm = nn.BatchNorm2d(config.outputs) if normed else None
        self.bias = nn.Parameter(torch.zeros(config.outputs)) if config.readout else None

    def synapse(self) -> tuple[list[Tensor], Tensor | None]:
        """Weights and bias as the products use them."""
        return list(self.weights), self.bias

    def products(self, inputs: Sequence[Tensor]) -> Tensor:
        """Multiply inputs with the weights; normalize, and add what is not weighted.

        Parameters
        ----------
        inputs : sequence of Tensor[T, B, C, H, W]
            The map that each source reads.

        Returns
        -------
        Tensor[T, B, N, H, W]
            With ``H = W = 1`` for the readout.
        """
        sources = list(zip(self.config.sources, inputs, strict=True))
        parts = [x for source, x in sources if source.identity]
        trained = [(source, x) for source, x in sources if not source.identity]
        if trained:
            total = self.convolved(trained)
            if self.norm is not None:
                total = self.norm(total)
            parts = [total.unflatten(0, inputs[0].shape[:2]), *parts]
        return cast(Tensor, sum(parts[1:], parts[0]))

    def convolved(self, inputs: Sequence[tuple[SourceConfig, Tensor]]) -> Tensor:
        """Return the sum of the products, Tensor[T * B, N, H, W].

        The inputs, Tensor[T, B, C, H, W], are those of the sources with weights.
        """
        weights, bias = self.synapse()
        total = None
        for (source, x), weight in zip(inputs, weights, strict=True):
            y = _convolve(source, _masked(source, x).flatten(0, 1), weight, bias)
            total, bias = (y if total is None else total + y), None
        return cast(Tensor, total)

    def currents(self, inputs: Sequence[Tensor], residual: Tensor | None = None) -> Tensor:
        """Return what drives the neurons, or the readout's output.

        Parameters
        ----------
        inputs : sequence of Tensor[T, B, C, H, W]
            The map that each source reads.
        residual : Tensor[T, B, N, H, W], optional
            Is added.

        Returns
        -------
        Tensor[T, B, N, H, W]
        """
        y = self.products(inputs)
        return y if residual is None else y + residual

    def spikes(self, currents: Tensor) -> Tensor:
        """Fire the neurons, without pooling."""
        return self.neuron(currents) if self.neuron else currents

    def stored(self, spikes: Tensor) -> Tensor:
        """Pool feature maps, Tensor[T, B, N, H, W], and silence those that fire once only."""
        if self.config.pool > 1:
            spikes = functional.max_pool2d(spikes.flatten(0, 1), self.config.pool).unflatten(
                0, spikes.shape[:2])
        if self.config.drop_single:
            spikes = spikes * (spikes.detach().sum(0) >= 2)
        return spikes


class SpikingNetwork(nn.Module):
    """Graph of spiking layers on images that stay for all timesteps, or on events.

    Parameters
    ----------
    layers : sequence of SpikingLayer
        In the order in which they are computed; the last is the readout.
    timesteps : int
        ``T``.
    """

    def __init__(self, layers: Sequence[SpikingLayer], timesteps: int):
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.timesteps = timesteps

    def __iter__(self) -> Iterator[SpikingLayer]:
        """Iterate over the layers."""
        for layer in self.layers:
            yield cast(SpikingLayer, layer)

    @property
    def weights(self) -> list[nn.Parameter]:
        """Weights of all layers, in order."""
        return [weight for layer in self for weight in layer.weights]

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits, the mean of the readout over the timesteps.

        Parameters
        ----------
        images : Tensor[B, H, W] or Tensor[B, C, H, W]
            Floating point, pixels in units of 1/256.

        Returns
        -------
        Tensor[B, classes]
        """
        return self.trace(images)[1]

    def trace(self, images: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        """Return what each layer gives out, Tensor[T, B, N, H, W] by name, and the logits."""
        maps = {IMAGE: self._pixels(images if images.ndim == 4 else images[:, None])}
        kept: dict[str, Tensor] = {}
        x = maps[IMAGE]
        for layer in self:
            config = layer.config
            residual = kept[config.residual] if config.residual else None
            inputs = [maps[source.input] for source in config.sources]
            if config.encoder:
                inputs = [x[:1] for x in inputs]
            currents = layer.currents(inputs, residual)
            if config.encoder:
                currents = currents.expand(self.timesteps, -1, -1, -1, -1)
            if config.keep_residual:
                kept[config.name] = currents
            x = layer.spikes(currents)
            if not config.readout:
                maps[config.name] = x = layer.stored(x)
        maps.pop(IMAGE)
        return maps, x.mean(0).flatten(1)

    def _pixels(self, images: Tensor) -> Tensor:
        """Return the maps of images: one for all timesteps, or the spikes of each if events."""
        sources = [source for layer in self for source in layer.config.sources]
        if not any(source.events for source in sources):
            return images[None]
        pixels = (images * (1 << PIXEL_BITS)).round().to(torch.int64)
        return torch.stack([(pixels >> t & 1).to(images.dtype) for t in range(self.timesteps)])


def _initial(outputs: int, source: SourceConfig) -> nn.Parameter:
    height, width = source.kernel
    if not source.covers_map:
        weight = torch.empty(outputs, source.inputs, height, width)
        nn.init.kaiming_normal_(weight)
        return nn.Parameter(weight)
    weight = torch.empty(outputs, height * width * source.inputs)
    nn.init.kaiming_normal_(weight)  # in the order (y, x, channel) of the matrix product
    return nn.Parameter(weight.view(outputs, height, width, source.inputs).permute(0, 3, 1, 2))


def _masked(source: SourceConfig, x: Tensor) -> Tensor:
    """Silence the timesteps at which a source does not act."""
    if source.time_mask is None:
        return x
    acts = torch.tensor([source.time_mask >> t & 1 for t in range(len(x))], dtype=x.dtype)
    return x * acts.view(-1, 1, 1, 1, 1)


def _convolve(source: SourceConfig, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    x = x.contiguous(memory_format=torch.channels_last)
    if source.covers_map:
        rows, columns = (y.movedim(1, 3).flatten(1) for y in (x, weight))
        return functional.linear(rows, columns, bias)[..., None, None]
    if source.mean_pool > 1:
        x = functional.avg_pool2d(x, source.mean_pool)
    return functional.conv2d(x, weight, bias, stride=source.stride, padding=source.padding)
