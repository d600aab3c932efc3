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
from .fixed_layers import FixedConfig, FixedLayer
from .neuron import LIFNeuron

__all__ = ["AnyConfig", "LayerConfig", "SourceConfig", "SpikingLayer", "SpikingNetwork",
           "build_layer"]


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
    identity: bool = False              # spikes enter the current as they are, kernel unused
    shared: bool = False                # has the weights of the source before
    frames: bool = False                # an image is spikes, another one at each timestep

    @property
    def pixels(self) -> bool:
        """Whether the input is pixels, the same at each timestep."""
        return self.input == IMAGE and not self.frames

    @property
    def covers_map(self) -> bool:
        """Whether the layer is linear: a kernel as large as the map."""
        return (self.kernel == (self.height, self.width) and self.padding == (0, 0)
                and self.mean_pool == 1)

    @property
    def exponent(self) -> int:
        """Power of two by which integer inputs are larger than floating-point ones."""
        pooled = 2 * (self.mean_pool.bit_length() - 1)
        return pooled + PIXEL_BITS * self.pixels


@dataclass(frozen=True, kw_only=True)
class LayerConfig:
    """Shape of one layer.

    The norm covers the sum of all sources but those that are identities, which enter behind.
    """

    name: str
    sources: tuple[SourceConfig, ...]
    outputs: int                 # channels of the output
    pool: int = 1                # side of the max pooling behind the neurons, 1 for none
    lif: LIF | None = LIF()      # None for the readout
    residual: str | None = None  # layer whose kept residual adds to the current
    keep_residual: bool = False  # whether the current is kept
    drop_single: bool = False    # whether neurons that fire once only are silenced
    silent: bool = False         # whether no neuron fires, since only the residual is of use
    fixed_point: int | None = None  # scales are powers of two, residuals multiples of 2**-this

    @property
    def encoder(self) -> bool:
        """Whether the input is pixels, the same at each timestep."""
        return self.sources[0].pixels

    @property
    def carries_residual(self) -> bool:
        """Whether the current is in units of the residuals."""
        return self.keep_residual or self.residual is not None

    @property
    def has_identity(self) -> bool:
        """Whether spikes enter the current as they are."""
        return any(source.identity for source in self.sources)

    @property
    def trained(self) -> tuple[SourceConfig, ...]:
        """Sources with weights."""
        return tuple(source for source in self.sources
                     if not source.identity and not source.shared)


class SpikingLayer(nn.Module):
    """Sum of convolutions with batch norm, shortcuts, neurons and pooling.

    The readout has a bias instead of batch norm and neurons.

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
        self.norm = nn.BatchNorm2d(config.outputs) if config.lif else None
        self.bias = None if config.lif else nn.Parameter(torch.zeros(config.outputs))

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
        weights, bias = self.synapse()
        pending, weight, total, shortcuts = iter(weights), None, None, []
        for source, x in zip(self.config.sources, inputs, strict=True):
            if source.identity:
                shortcuts.append(x)
                continue
            weight = weight if source.shared else next(pending)
            y = _convolve(source, x.flatten(0, 1), cast(Tensor, weight), bias)
            total, bias = (y if total is None else total + y), None
        total = cast(Tensor, total)
        if self.norm is not None:
            total = self.norm(total)
        total = total.unflatten(0, inputs[0].shape[:2])
        for shortcut in shortcuts:
            total = total + shortcut
        return total

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
        if self.config.silent:
            return torch.zeros_like(currents)
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
    """Graph of spiking layers on images that stay for all timesteps, or on spikes.

    Parameters
    ----------
    layers : sequence of SpikingLayer or FixedLayer
        In the order in which they are computed; the last is the readout.
    timesteps : int
        ``T``.
    """

    def __init__(self, layers: Sequence[SpikingLayer | FixedLayer], timesteps: int):
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.timesteps = timesteps

    def __iter__(self) -> Iterator[SpikingLayer | FixedLayer]:
        """Iterate over the layers."""
        for layer in self.layers:
            yield cast(SpikingLayer | FixedLayer, layer)

    @property
    def trained(self) -> dict[str, SpikingLayer]:
        """The layers with weights, by name."""
        return {layer.config.name: layer for layer in self if isinstance(layer, SpikingLayer)}

    @property
    def weights(self) -> list[nn.Parameter]:
        """Weights of all layers, in order."""
        return [weight for layer in self.trained.values() for weight in layer.weights]

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits, the mean of the readout over the timesteps.

        Parameters
        ----------
        images : Tensor[B, H, W] or Tensor[B, C, H, W]
            Floating point, pixels in units of 1/256; or spikes, Tensor[B, T, C, H, W].

        Returns
        -------
        Tensor[B, classes]
        """
        return self.trace(images)[1]

    def trace(self, images: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        """Return the stored spikes of each layer, Tensor[T, B, N, H, W] by name, and logits."""
        frames = images.transpose(0, 1) if images.ndim == 5 else (
            images if images.ndim == 4 else images[:, None])[None]
        maps, kept, x = {IMAGE: frames}, {}, frames
        for layer in self:
            if isinstance(layer, FixedLayer):
                currents = layer.currents(maps, kept)
            else:
                sources, residual = layer.config.sources, layer.config.residual
                currents = layer.currents([maps[source.input] for source in sources],
                                          kept[residual] if residual else None)
                if layer.config.encoder:
                    currents = currents.expand(self.timesteps, -1, -1, -1, -1)
            if layer.config.keep_residual:
                kept[layer.config.name] = currents
            x = layer.spikes(currents)
            if layer.config.lif:
                maps[layer.config.name] = x = layer.stored(x)
        maps.pop(IMAGE)
        return maps, x.mean(0).flatten(1)


AnyConfig = LayerConfig | FixedConfig


def build_layer(config: AnyConfig, trained: type[SpikingLayer] = SpikingLayer
                ) -> SpikingLayer | FixedLayer:
    """Return a layer of that shape: of the given type if it is trained."""
    return trained(config) if isinstance(config, LayerConfig) else config.layer()


def _initial(outputs: int, source: SourceConfig) -> nn.Parameter:
    height, width = source.kernel
    if not source.covers_map:
        weight = torch.empty(outputs, source.inputs, height, width)
        nn.init.kaiming_normal_(weight)
        return nn.Parameter(weight)
    weight = torch.empty(outputs, height * width * source.inputs)
    nn.init.kaiming_normal_(weight)  # in the order (y, x, channel) of the matrix product
    return nn.Parameter(weight.view(outputs, height, width, source.inputs).permute(0, 3, 1, 2))


def _convolve(source: SourceConfig, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    x = x.contiguous(memory_format=torch.channels_last)
    if source.covers_map:
        rows, columns = (y.movedim(1, 3).flatten(1) for y in (x, weight))
        return functional.linear(rows, columns, bias)[..., None, None]
    if source.mean_pool > 1:
        x = functional.avg_pool2d(x, source.mean_pool)
    return functional.conv2d(x, weight, bias, stride=source.stride, padding=source.padding)
