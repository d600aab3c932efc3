# SPDX-License-Identifier: Apache-2.0
"""Trainable layers of a spiking network, and the graph that they make."""

from collections.abc import Callable, Iterator, Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..golden.layer import IMAGE
from .fixed_layers import FixedConfig, FixedLayer
from .layer_config import LayerConfig, SourceConfig
from .neuron import LIFNeuron

__all__ = ["AnyConfig", "SpikingLayer", "SpikingNetwork", "build_layer"]


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
        self.norm = None if config.readout else nn.BatchNorm2d(config.outputs)
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
        total = self.convolved([(source, x) for source, x in sources if not source.identity])
        if self.norm is not None:
            total = self.norm(total)
        total = total.unflatten(0, inputs[0].shape[:2])
        for source, x in sources:
            if source.identity:
                total = total + x
        return total

    def convolved(self, inputs: Sequence[tuple[SourceConfig, Tensor]]) -> Tensor:
        """Return the sum of the products, Tensor[T * B, N, H, W].

        The inputs, Tensor[T, B, C, H, W], are those of the sources with weights.
        """
        weights, bias = self.synapse()
        pending, weight, total = iter(weights), None, None
        for source, x in inputs:
            weight = weight if source.shared else next(pending)
            y = _convolve(source, _masked(source, x).flatten(0, 1), cast(Tensor, weight), bias)
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
        """Return what each layer gives out, Tensor[T, B, N, H, W] by name, and the logits."""
        frames = images.transpose(0, 1) if images.ndim == 5 else (
            images if images.ndim == 4 else images[:, None])[None]
        maps, kept, x = {IMAGE: frames}, {}, frames
        for layer in self:
            if isinstance(layer, FixedLayer):
                currents = layer.currents(maps, kept)
            else:
                currents = self._currents(layer, maps, kept)
            if layer.config.keep_residual:
                kept[layer.config.name] = currents
            x = layer.spikes(currents)
            if isinstance(layer, FixedLayer) or not layer.config.readout:
                maps[layer.config.name] = x = layer.stored(x)
        maps.pop(IMAGE)
        return maps, x.mean(0).flatten(1)

    def _currents(self, layer: SpikingLayer, maps: dict[str, Tensor],
                  kept: dict[str, Tensor]) -> Tensor:
        config = layer.config
        inputs = [maps[source.input] for source in config.sources]
        residual = kept[config.residual] if config.residual else None
        if not config.encoder:
            return layer.currents(inputs, residual)
        currents = layer.currents([x[:1] for x in inputs], residual)
        return currents.expand(self.timesteps, -1, -1, -1, -1)


AnyConfig = LayerConfig | FixedConfig


def build_layer(config: AnyConfig, trained: Callable[[LayerConfig], SpikingLayer] = SpikingLayer
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
