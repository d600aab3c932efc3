# SPDX-License-Identifier: Apache-2.0
"""Trainable layers of a spiking network, and the network that chains them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..golden.plif import LIF
from .neuron import LIFNeuron

__all__ = ["LayerConfig", "SpikingLayer", "SpikingNetwork"]


@dataclass(frozen=True, kw_only=True)
class LayerConfig:
    """Shape of one layer.

    A linear layer reads feature maps in the order (y, x, channel).
    """

    name: str
    kind: Literal["conv", "linear"]
    inputs: int              # channels of the input
    outputs: int             # channels of the output
    height: int = 1          # of the input's feature maps
    width: int = 1
    kernel: int = 3          # side, of a convolution; its stride is 1
    padding: int = 1
    pool: int = 0            # side of the max pooling behind the neurons, 0 for none
    lif: LIF | None = LIF()  # None for the readout
    encoder: bool = False    # input is pixels, the same at each timestep

    @property
    def weight_shape(self) -> tuple[int, ...]:
        """Shape of the weight tensor."""
        if self.kind == "conv":
            return self.outputs, self.inputs, self.kernel, self.kernel
        return self.outputs, self.inputs * self.height * self.width


class SpikingLayer(nn.Module):
    """Convolution or linear layer with batch norm, neurons and pooling.

    The readout has a bias instead of batch norm and neurons.

    Parameters
    ----------
    config : LayerConfig
    """

    def __init__(self, config: LayerConfig):
        super().__init__()
        self.config = config
        self.weight = nn.Parameter(torch.empty(config.weight_shape))
        nn.init.kaiming_normal_(self.weight)
        self.neuron = LIFNeuron(config.lif) if config.lif else None
        self.norm = nn.BatchNorm2d(config.outputs) if config.lif else None
        self.bias = None if config.lif else nn.Parameter(torch.zeros(config.outputs))

    def synapse(self) -> tuple[Tensor, Tensor | None]:
        """Weight and bias as the product uses them."""
        return self.weight, self.bias

    def currents(self, x: Tensor) -> Tensor:
        """Multiply inputs with the weights.

        Parameters
        ----------
        x : Tensor[T, B, C, H, W]

        Returns
        -------
        Tensor[T, B, N, H, W]
            What drives the neurons, or the readout's output with ``H = W = 1``.
        """
        weight, bias = self.synapse()
        flat = x.flatten(0, 1).contiguous(memory_format=torch.channels_last)
        if self.config.kind == "conv":
            y = functional.conv2d(flat, weight, bias, padding=self.config.padding)
        else:
            y = functional.linear(flat.movedim(1, 3).flatten(1), weight, bias)[..., None, None]
        if self.norm is not None:
            y = self.norm(y)
        return y.unflatten(0, x.shape[:2])

    def spikes(self, currents: Tensor) -> Tensor:
        """Fire the neurons, without pooling."""
        return self.neuron(currents) if self.neuron else currents

    def pooled(self, spikes: Tensor) -> Tensor:
        """Pool feature maps, Tensor[T, B, N, H, W]."""
        if not self.config.pool:
            return spikes
        return functional.max_pool2d(spikes.flatten(0, 1), self.config.pool).unflatten(
            0, spikes.shape[:2])


class SpikingNetwork(nn.Module):
    """Chain of spiking layers on images that stay for all timesteps.

    Parameters
    ----------
    layers : sequence of SpikingLayer
        The first is the encoder, the last the readout.
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

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits, the mean of the readout over the timesteps.

        Parameters
        ----------
        images : Tensor[B, 28, 28]
            Floating point, pixels in units of 1/256.

        Returns
        -------
        Tensor[B, classes]
        """
        return self.trace(images)[1]

    def trace(self, images: Tensor) -> tuple[list[Tensor], Tensor]:
        """Return the spikes of each layer before pooling, Tensor[T, B, N, H, W], and logits."""
        x = images[None, :, None]
        fired = []
        for layer in self:
            currents = layer.currents(x)
            if layer.config.encoder:
                currents = currents.expand(self.timesteps, -1, -1, -1, -1)
            x = layer.spikes(currents)
            if layer.neuron:
                fired.append(x)
                x = layer.pooled(x)
        return fired, x.mean(0).flatten(1)
