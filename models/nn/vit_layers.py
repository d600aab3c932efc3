# SPDX-License-Identifier: Apache-2.0
"""Float twins of the parts of a vision transformer, exact where they are quantized."""

from enum import Enum, auto
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..golden.gelu import gelu, gelu_table
from ..golden.layer_norm import layer_norm
from ..golden.vit_layers import VALUE_BITS, VitLinear, VitNorm

__all__ = ["RESIDUAL_EXPONENT", "Mode", "Quantizer", "TwinGELU", "TwinLinear", "TwinNorm",
           "straight_through", "to_integers"]

RESIDUAL_EXPONENT = 8    # the residual is in units of 2**-8, up to 128
NORM_FRACTION_BITS = 8   # of what the layer norm multiplies with gamma
_WEIGHT_LIMIT = 127
_MAX_WEIGHT_EXPONENT = 12
_BIAS_LIMIT = (1 << 22) - 1  # sums stay exact in 32-bit floating point


class Mode(Enum):
    """How a twin computes."""

    FLOAT = auto()
    OBSERVE = auto()   # in floating point; quantizers note the largest magnitude
    INTEGER = auto()   # what the integer model computes, with gradients of the floating point


class _StraightThrough(torch.autograd.Function):
    """The value of one tensor with the gradient of another."""

    @staticmethod
    def forward(ctx, soft: Tensor, hard: Tensor) -> Tensor:
        return hard.to(soft)

    @staticmethod
    def backward(ctx, *grads: Tensor) -> Any:
        return grads[0], None


def straight_through(soft: Tensor, hard: Tensor) -> Tensor:
    """Return ``hard``; its gradient goes to ``soft``."""
    return cast(Tensor, _StraightThrough.apply(soft, hard))


def to_integers(x: Tensor, exponent: int) -> Tensor:
    """Return multiples of ``2**-exponent`` as int64."""
    return (x.detach() * 2.0 ** exponent).round().to(torch.int64)


class Quantizer(nn.Module):
    """Rounds half up to multiples of ``2**-exponent``, and clips.

    Parameters
    ----------
    bits : int
        Of the signed integer.
    exponent : int
        If given, it stays; else it comes from what is observed.
    """

    largest: Tensor

    def __init__(self, bits: int = VALUE_BITS, exponent: int | None = None):
        super().__init__()
        self.mode = Mode.FLOAT
        self.limit = 1 << (bits - 1)
        self.fixed = exponent is not None
        self.exponent = exponent or 0
        self.register_buffer("largest", torch.zeros(()))

    def settle(self, highest: int) -> None:
        """Choose the exponent from what was observed, at most ``highest``."""
        if not self.fixed:
            best = torch.log2((self.limit - 1) / self.largest.clamp(min=1e-6)).floor()
            self.exponent = min(int(best), highest)
        if not 0 <= self.exponent <= highest:
            raise ValueError(f"exponent must be in 0..{highest}, not {self.exponent}")

    def forward(self, x: Tensor) -> Tensor:
        """Quantize, in that mode."""
        if self.mode is Mode.OBSERVE:
            self.largest.copy_(torch.maximum(self.largest, x.detach().abs().max()))
        if self.mode is not Mode.INTEGER:
            return x
        scale = 2.0 ** self.exponent
        hard = (x.detach() * scale + 0.5).floor().clamp(-self.limit, self.limit - 1) / scale
        return straight_through(x.clamp(-self.limit / scale, (self.limit - 1) / scale), hard)


def _weight_exponent(weight: Tensor) -> int:
    largest = weight.detach().abs().max().clamp(min=1e-6)
    return min(int(torch.log2(_WEIGHT_LIMIT / largest).floor()), _MAX_WEIGHT_EXPONENT)


class TwinLinear(nn.Module):
    """Linear layer with weights Tensor[K, n].

    Parameters
    ----------
    inputs, outputs : int
    out : Quantizer
        Of the result; none for logits.
    """

    def __init__(self, inputs: int, outputs: int, out: Quantizer | None):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(inputs, outputs) * inputs ** -0.5)
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.out = out
        self.mode = Mode.FLOAT
        self.weight_exponent = self.input_exponent = 0

    @property
    def sum_exponent(self) -> int:
        """Unit of the sums."""
        return self.weight_exponent + self.input_exponent

    def settle(self, input_exponent: int) -> int:
        """Choose the scales for inputs in units of ``2**-input_exponent``; return the output's."""
        self.weight_exponent = _weight_exponent(self.weight)
        self.input_exponent = input_exponent
        if self.out is None:
            return self.sum_exponent
        self.out.settle(self.sum_exponent)
        return self.out.exponent

    def forward(self, x: Tensor) -> Tensor:
        """Multiply Tensor[..., K]."""
        if self.mode is not Mode.INTEGER:
            y = x @ self.weight + self.bias
        else:
            weight, bias = self._integers()
            soft = straight_through(self.weight, weight * 2.0 ** -self.weight_exponent)
            y = x @ soft + straight_through(self.bias, bias * 2.0 ** -self.sum_exponent)
        return y if self.out is None else self.out(y)

    def integer(self) -> VitLinear:
        """Return the layer in integers."""
        weight, bias = self._integers()
        shift, bits = 0, 32
        if self.out is not None:
            shift = self.sum_exponent - self.out.exponent
            bits = self.out.limit.bit_length()
        return VitLinear(weight=weight, bias=bias, shift=shift, bits=bits)

    def _integers(self) -> tuple[Tensor, Tensor]:
        weight = to_integers(self.weight, self.weight_exponent)
        bias = to_integers(self.bias, self.sum_exponent)
        return (weight.clamp(-_WEIGHT_LIMIT, _WEIGHT_LIMIT),
                bias.clamp(-_BIAS_LIMIT, _BIAS_LIMIT))


class TwinNorm(nn.Module):
    """Layer normalization of D channels, to 8 bits."""

    def __init__(self, channels: int):
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(channels))
        self.beta = nn.Parameter(torch.zeros(channels))
        self.out = Quantizer()
        self.mode = Mode.FLOAT
        self.gamma_exponent = self.input_exponent = 0

    def settle(self, input_exponent: int) -> int:
        """Choose the scales; return the exponent of the output."""
        self.gamma_exponent = min(_weight_exponent(self.gamma), _MAX_WEIGHT_EXPONENT)
        self.input_exponent = input_exponent
        self.out.settle(self.gamma_exponent + NORM_FRACTION_BITS)
        return self.out.exponent

    def forward(self, x: Tensor) -> Tensor:
        """Normalize Tensor[..., D]."""
        soft = functional.layer_norm(x, self.gamma.shape, self.gamma, self.beta)
        if self.mode is not Mode.INTEGER:
            return self.out(soft)
        norm = self.integer()
        hard = layer_norm(to_integers(x, self.input_exponent), norm.gamma, norm.beta, norm.shift)
        return straight_through(soft, hard * 2.0 ** -self.out.exponent)

    def integer(self) -> VitNorm:
        """Return the layer in integers."""
        unit = self.gamma_exponent + NORM_FRACTION_BITS
        limit = (1 << 23) - 1
        return VitNorm(
            gamma=to_integers(self.gamma, self.gamma_exponent).clamp(
                -_WEIGHT_LIMIT, _WEIGHT_LIMIT),
            beta=to_integers(self.beta, unit).clamp(-limit, limit), shift=unit - self.out.exponent)


class TwinGELU(nn.Module):
    """GELU of 8-bit values, to 8 bits."""

    def __init__(self):
        super().__init__()
        self.out = Quantizer()
        self.mode = Mode.FLOAT
        self.input_exponent = 0
        self.table = torch.zeros(1 << VALUE_BITS, dtype=torch.int64)

    def settle(self, input_exponent: int) -> int:
        """Choose the scales and make the table; return the exponent of the output."""
        self.input_exponent = input_exponent
        self.out.settle(_MAX_WEIGHT_EXPONENT)
        self.table = gelu_table(input_exponent, self.out.exponent)
        return self.out.exponent

    def forward(self, x: Tensor) -> Tensor:
        """Apply the function."""
        soft = functional.gelu(x)
        if self.mode is not Mode.INTEGER:
            return self.out(soft)
        hard = gelu(to_integers(x, self.input_exponent), self.table)
        return straight_through(soft, hard * 2.0 ** -self.out.exponent)
