# SPDX-License-Identifier: Apache-2.0
"""Batch-norm folding and quantization, exact in the integer golden graph.

A weight is an integer times the scale of its output channel. The scale is a power of two,
``2**-e``; a threshold of 1 is then ``2**e`` in integers, and a shortcut of spikes has the weight
``2**e`` too. The readout has one exponent for all classes, so that its logits compare. Layers
whose currents are residuals are requantized to the residuals' unit, and their scales are the
multiples of it that a 16-bit multiplier and a shift give; with ``fixed_point`` they are powers
of two as elsewhere, and residuals outside their range are an error. Pixels are in units of 1/256.
"""

from typing import cast

import torch
from torch import Tensor, nn

from ..golden.layer import PIXEL_BITS, IntegerLayer, Source
from ..golden.network import IntegerNetwork
from ..golden.requantize import MULTIPLIER_BITS, SHIFT_LIMIT
from ..golden.residual_add import RESIDUAL_LIMITS
from .fixed_layers import FixedLayer
from .layers import LayerConfig, SpikingLayer, SpikingNetwork
from .rounding import RoundHalfUp, fake_quantize

__all__ = ["RESIDUAL_EXPONENT", "FakeQuantizedLayer", "ResidualOverflowError", "fold",
           "fold_network", "integer_network"]

RESIDUAL_EXPONENT = 10  # residuals are multiples of 2**-10, up to 32
_MAX_EXPONENT = 10      # of a channel whose weights are all small or pruned


class ResidualOverflowError(ArithmeticError):
    """A residual that 16 bits do not hold; names the layer, the value and the limit."""


def fold(layer: SpikingLayer) -> tuple[list[Tensor], Tensor]:
    """Fold the batch norm of a layer into weights and bias, in evaluation mode."""
    if layer.norm is None:
        return [w.detach() for w in layer.weights], cast(Tensor, layer.bias).detach()
    norm = layer.norm
    mean, variance = cast(Tensor, norm.running_mean), cast(Tensor, norm.running_var)
    gain = norm.weight / torch.sqrt(variance + norm.eps)
    weights = [(w * gain.view(-1, *[1] * (w.ndim - 1))).detach() for w in layer.weights]
    return weights, (norm.bias - gain * mean).detach()


class FakeQuantizedLayer(SpikingLayer):
    """Layer whose weights, biases and residuals are rounded as the integer layer has them.

    Parameters
    ----------
    config : LayerConfig
    weight_bits : int
        2..8.

    Raises
    ------
    ValueError
        If a shortcut of spikes meets residuals, or sources have different units.
    """

    bias: nn.Parameter
    exponent: Tensor
    multiplier: Tensor
    shift: Tensor

    def __init__(self, config: LayerConfig, weight_bits: int = 8):
        super().__init__(config)
        self.weight_bits = weight_bits
        self.norm = None
        self.bias = nn.Parameter(torch.zeros(config.outputs))
        if len({source.exponent for source in config.sources}) > 1:
            raise ValueError(f"{config.name}: sources must all be images, or all have the same "
                             f"mean_pool")
        if config.carries_residual and config.has_identity:
            raise ValueError(f"{config.name}: a layer with residuals must have no identity source")
        zeros = torch.zeros(config.outputs, dtype=torch.int64)
        if self.multiplied:
            self.register_buffer("multiplier", zeros)
            self.register_buffer("shift", zeros.clone())
        else:
            self.register_buffer("exponent", zeros)

    @property
    def multiplied(self) -> bool:
        """Whether a multiplier of its own brings each channel to the residuals' unit."""
        return self.config.carries_residual and self.config.fixed_point is None

    @property
    def residual_exponent(self) -> int:
        """Residuals are multiples of two to the minus this."""
        fixed = self.config.fixed_point
        return RESIDUAL_EXPONENT if fixed is None else fixed

    @property
    def weight_limit(self) -> int:
        """Largest magnitude of an integer weight."""
        return (1 << (self.weight_bits - 1)) - 1

    @property
    def psum_bits(self) -> int:
        """Width of a signed partial sum, which bias and threshold fit as well."""
        row_length = sum(
            source.inputs * (1 if source.identity else
                             source.kernel[0] * source.kernel[1] * source.mean_pool ** 2)
            for source in self.config.sources)
        return (self.weight_bits + (row_length - 1).bit_length()
                + PIXEL_BITS * self.config.encoder)

    @property
    def bias_limit(self) -> int:
        """Largest magnitude of an integer bias."""
        return (1 << (self.psum_bits - 1)) - 1

    @property
    def scale(self) -> Tensor:
        """Value of an integer weight of 1, Tensor[N]."""
        if not self.multiplied:
            return torch.exp2(-self.exponent.to(self.bias.dtype))
        unit = torch.exp2(-(self.shift + RESIDUAL_EXPONENT).to(self.bias.dtype))
        return self.multiplier * unit

    @property
    def unit(self) -> Tensor:
        """Value of a partial sum of 1, Tensor[N]."""
        return self.scale * 2.0 ** -self.config.sources[0].exponent

    @torch.no_grad()
    def initialize(self, weights: list[Tensor], bias: Tensor) -> None:
        """Take folded weights and choose the scales that use the range best."""
        for weight, folded in zip(self.weights, weights, strict=True):
            weight.copy_(folded)
        self.bias.copy_(bias)
        largest = torch.stack([w.abs().flatten(1).amax(1) for w in weights]).amax(0)
        if self.multiplied:
            self._choose_multipliers(largest)
            return
        if not self.config.lif:
            largest = largest.max().expand_as(largest)
        exponent = torch.log2(self.weight_limit / largest).floor()
        if self.config.fixed_point is not None:  # the bias must not be cut
            room = torch.log2(self.bias_limit / self.bias.abs()).floor()
            exponent = torch.minimum(exponent, room - self.config.sources[0].exponent)
        highest = min(_MAX_EXPONENT, self.psum_bits - self.config.sources[0].exponent - 2)
        if self.config.has_identity:
            highest = min(highest, self.weight_bits - 2)  # 2**exponent is a weight
        self.exponent.copy_(exponent.clamp(0, highest).to(torch.int64))

    def _choose_multipliers(self, largest: Tensor) -> None:
        factor = torch.maximum(largest / self.weight_limit,
                               1.01 * self.bias.abs() / self.bias_limit).double()
        factor = (factor * 2.0 ** RESIDUAL_EXPONENT).clamp(2.0 ** (MULTIPLIER_BITS - SHIFT_LIMIT),
                                                           2.0 ** (MULTIPLIER_BITS - 1))
        shift = (MULTIPLIER_BITS - 1 - torch.log2(factor).floor()).clamp(0, SHIFT_LIMIT)
        multiplier = (factor * torch.exp2(shift)).round().clamp(max=(1 << MULTIPLIER_BITS) - 1)
        self.multiplier.copy_(multiplier.to(torch.int64))
        self.shift.copy_(shift.to(torch.int64))

    def synapse(self) -> tuple[list[Tensor], Tensor]:
        """Weights and bias, rounded."""
        return ([fake_quantize(weight, self.scale, self.weight_limit) for weight in self.weights],
                fake_quantize(self.bias, self.unit, self.bias_limit))

    def currents(self, inputs, residual: Tensor | None = None) -> Tensor:
        """Return what drives the neurons, in multiples of the residuals' unit if it is kept."""
        y = self.products(inputs)
        if not self.config.carries_residual:
            return y
        one = 2.0 ** self.residual_exponent
        y = self._residual_range(RoundHalfUp.apply(y * one))
        if residual is not None:
            y = self._residual_range(y + residual * one)
        return y / one

    def _residual_range(self, x: Tensor) -> Tensor:
        low, high = RESIDUAL_LIMITS
        if self.config.fixed_point is not None:
            wrong = x.detach()[(x < low) | (x > high)]
            if wrong.numel():
                raise ResidualOverflowError(f"{self.config.name}: residual must be in "
                                            f"{low}..{high}, not {float(wrong[0]):.0f}")
        return x.clamp(low, high)

    @property
    def factors(self) -> tuple[Tensor, Tensor] | None:
        """Multiplier and shift of the requantization; None if there is none."""
        if not self.config.carries_residual:
            return None
        if self.multiplied:
            return self.multiplier, self.shift
        up = self.residual_exponent - self.exponent
        return torch.ones_like(up) << up.clamp(min=0), (-up).clamp(min=0)

    def integer_layer(self) -> IntegerLayer:
        """Return the layer in integers."""
        with torch.no_grad():
            double = [_integers(weight.double(), self.scale.double(), self.weight_limit)
                      for weight in self.weights]
            bias = _integers(self.bias.double(), self.unit.double(), self.bias_limit)
            threshold = (1 / self.unit).round().to(torch.int64)
        config, pending = self.config, iter(double)
        if config.carries_residual:
            threshold = torch.full_like(bias, 1 << self.residual_exponent)
        if config.silent:
            threshold = torch.full_like(bias, RESIDUAL_LIMITS[1])  # no membrane gets there
        sources, weight = [], bias
        for source in config.sources:
            if source.identity:
                weight = (1 << self.exponent).view(-1, 1, 1, 1)
            elif not source.shared:
                weight = next(pending)
            sources.append(Source(
                input=source.input, weight=weight, height=source.height, width=source.width,
                stride=source.stride, padding=(0, 0) if source.identity else source.padding,
                sum_pool=source.mean_pool, groups=config.outputs if source.identity else 1))
        return IntegerLayer(
            name=config.name, sources=tuple(sources), bias=bias, lif=config.lif,
            threshold=threshold if config.lif else None,
            requantize=self.factors,
            residual=config.residual, keep_residual=config.keep_residual, pool=config.pool,
            drop_single=config.drop_single, output="spikes" if config.lif else "readout",
            weight_bits=self.weight_bits, input_bits=PIXEL_BITS * config.encoder)


def _integers(x: Tensor, scale: Tensor, limit: int) -> Tensor:
    shape = (-1, *[1] * (x.ndim - 1))
    return (x / scale.view(shape)).round().clamp(-limit, limit).to(torch.int64).contiguous()


def fold_network(network: SpikingNetwork, weight_bits: int = 8) -> SpikingNetwork:
    """Return the fake-quantized network of a trained one."""
    layers = []
    for layer in network:
        if isinstance(layer, FixedLayer):
            layers.append(layer)
            continue
        quantized = FakeQuantizedLayer(layer.config, weight_bits)
        quantized.initialize(*fold(layer))
        layers.append(quantized)
    return SpikingNetwork(layers, network.timesteps)


def integer_network(name: str, network: SpikingNetwork) -> IntegerNetwork:
    """Return the integer golden graph of a fake-quantized network.

    Its spikes are the same, and so are its logits in units of the readout: the mean of the
    fake-quantized readout times ``timesteps`` over the readout's `FakeQuantizedLayer.unit`.

    Raises
    ------
    TypeError
        If a layer is not fake-quantized.
    """
    layers = []
    for layer in network:
        if not isinstance(layer, FakeQuantizedLayer | FixedLayer):
            raise TypeError(f"{layer.config.name} must be a FakeQuantizedLayer, "
                            f"not {type(layer).__name__}")
        layers.append(layer.integer_layer())
    first = next(iter(network.trained.values())).config.sources[0]
    return IntegerNetwork(name=name, timesteps=network.timesteps, layers=tuple(layers),
                          input_shape=(first.inputs, first.height, first.width),
                          input_bits=PIXEL_BITS * first.pixels)
