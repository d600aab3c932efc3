# SPDX-License-Identifier: Apache-2.0
"""Batch-norm folding and power-of-two quantization, exact in the integer golden graph.

A weight is ``q * 2**-e`` with an integer ``q`` and one exponent ``e`` for each output channel.
A threshold of 1 is then ``2**e`` in integers. The readout has one exponent for all classes, so
that its logits compare. Pixels are in units of 1/256.
"""

from typing import cast

import torch
from torch import Tensor, nn

from ..golden.layer import PIXEL_BITS, IntegerLayer
from ..golden.network import IntegerNetwork
from .layers import LayerConfig, SpikingLayer, SpikingNetwork

__all__ = ["FakeQuantizedLayer", "fake_quantize", "fold", "fold_network", "integer_network"]

_MAX_EXPONENT = 10  # of a channel whose weights are all small or pruned


class _Round(torch.autograd.Function):
    """Rounding to the nearest integer, ties to even; the gradient passes unchanged."""

    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:
        return x.round()

    @staticmethod
    def backward(ctx, *grads: Tensor) -> Tensor:
        return grads[0]


def fake_quantize(x: Tensor, exponent: Tensor, limit: int) -> Tensor:
    """Round to multiples of ``2**-exponent``, at most ``limit`` of them, with a gradient.

    Parameters
    ----------
    x : Tensor[N, ...]
        Floating point.
    exponent : Tensor[N]
        int64, of each channel.
    limit : int
        Largest magnitude of the integer.

    Returns
    -------
    Tensor[N, ...]
        Of the input's type.
    """
    scale = torch.exp2(exponent.to(x.dtype)).view(-1, *[1] * (x.ndim - 1))
    return _Round.apply(x * scale).clamp(-limit, limit) / scale


def fold(layer: SpikingLayer) -> tuple[Tensor, Tensor]:
    """Fold the batch norm of a layer into weight and bias, in evaluation mode."""
    if layer.norm is None:
        return layer.weight.detach(), cast(Tensor, layer.bias).detach()
    norm = layer.norm
    mean, variance = cast(Tensor, norm.running_mean), cast(Tensor, norm.running_var)
    gain = norm.weight / torch.sqrt(variance + norm.eps)
    shape = (-1, *[1] * (layer.weight.ndim - 1))
    return (layer.weight * gain.view(shape)).detach(), (norm.bias - gain * mean).detach()


class FakeQuantizedLayer(SpikingLayer):
    """Layer whose weights and biases are rounded as the integer layer has them.

    Parameters
    ----------
    config : LayerConfig
    weight_bits : int
        2..8.
    """

    bias: nn.Parameter
    exponent: Tensor

    def __init__(self, config: LayerConfig, weight_bits: int = 8):
        super().__init__(config)
        self.weight_bits = weight_bits
        self.norm = None
        self.bias = nn.Parameter(torch.zeros(config.outputs))
        self.register_buffer("exponent", torch.zeros(config.outputs, dtype=torch.int64))

    @property
    def weight_limit(self) -> int:
        """Largest magnitude of an integer weight."""
        return (1 << (self.weight_bits - 1)) - 1

    @property
    def psum_bits(self) -> int:
        """Width of a signed partial sum, which bias and threshold fit as well."""
        row_length = self.weight[0].numel()
        return (self.weight_bits + (row_length - 1).bit_length()
                + PIXEL_BITS * self.config.encoder)

    @property
    def bias_exponent(self) -> Tensor:
        """Exponent of a partial sum, int64[N]."""
        return self.exponent + PIXEL_BITS * self.config.encoder

    @torch.no_grad()
    def initialize(self, weight: Tensor, bias: Tensor) -> None:
        """Take folded weights and choose the exponents that use the range best."""
        self.weight.copy_(weight)
        self.bias.copy_(bias)
        largest = weight.abs().flatten(1).amax(1)
        if not self.config.lif:
            largest = largest.max().expand_as(largest)
        exponent = torch.log2(self.weight_limit / largest).floor()
        highest = min(_MAX_EXPONENT, self.psum_bits - PIXEL_BITS * self.config.encoder - 2)
        self.exponent.copy_(exponent.clamp(0, highest).to(torch.int64))

    def synapse(self) -> tuple[Tensor, Tensor]:
        """Weight and bias, rounded."""
        bias_limit = (1 << (self.psum_bits - 1)) - 1
        return (fake_quantize(self.weight, self.exponent, self.weight_limit),
                fake_quantize(self.bias, self.bias_exponent, bias_limit))

    def integer_layer(self) -> IntegerLayer:
        """Return the layer in integers."""
        with torch.no_grad():
            weight, bias = (x.to(torch.float64) for x in self.synapse())
        config, scale = self.config, torch.exp2(self.exponent.to(torch.float64))
        shape = (-1, *[1] * (weight.ndim - 1))
        unit = torch.exp2(self.bias_exponent.to(torch.float64))
        return IntegerLayer(
            name=config.name, kind=config.kind,
            weight=(weight * scale.view(shape)).to(torch.int64),
            bias=(bias * unit).to(torch.int64),
            threshold=unit.to(torch.int64) if config.lif else None, lif=config.lif,
            height=config.height, width=config.width,
            padding=config.padding if config.kind == "conv" else 0, pool=config.pool,
            encoder=config.encoder, weight_bits=self.weight_bits)


def fold_network(network: SpikingNetwork, weight_bits: int = 8) -> SpikingNetwork:
    """Return the fake-quantized network of a trained one."""
    layers = []
    for layer in network:
        quantized = FakeQuantizedLayer(layer.config, weight_bits)
        quantized.initialize(*fold(layer))
        layers.append(quantized)
    return SpikingNetwork(layers, network.timesteps)


def integer_network(name: str, network: SpikingNetwork) -> IntegerNetwork:
    """Return the integer golden graph of a fake-quantized network.

    Its spikes are the same, and so are its logits in units of the readout: the mean of the
    fake-quantized readout times ``timesteps * 2**exponent``.

    Raises
    ------
    TypeError
        If a layer is not fake-quantized.
    """
    layers = []
    for layer in network:
        if not isinstance(layer, FakeQuantizedLayer):
            raise TypeError(f"{layer.config.name} must be a FakeQuantizedLayer, "
                            f"not {type(layer).__name__}")
        layers.append(layer.integer_layer())
    return IntegerNetwork(name=name, timesteps=network.timesteps, layers=tuple(layers))
