# SPDX-License-Identifier: Apache-2.0
"""Parts of an integer vision transformer: what each one holds, checked, and what it computes."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from .checks import check_int, check_integers, check_range, check_signed, check_table
from .errors import NetworkError
from .ftp_array import exact_matmul
from .gelu import gelu
from .layer_norm import layer_norm
from .softmax import softmax

__all__ = ["ACCUMULATOR_BITS", "VALUE_BITS", "Product", "VitAttention", "VitLinear", "VitMLP",
           "VitNorm", "VitTransform", "exact_product", "round_shift"]

VALUE_BITS = 8
ACCUMULATOR_BITS = 32
Product = Callable[[str, Tensor, Tensor], Tensor]


def exact_product(name: str, values: Tensor, weight: Tensor) -> Tensor:
    """Multiply Tensor[..., K] with the static weights Tensor[K, n] of the layer ``name``."""
    return exact_matmul(values, weight, 128)


def round_shift(x: Tensor, shift: int, bits: int) -> Tensor:
    """Divide by ``2**shift``, half up, and clip to signed values of ``bits`` bits."""
    limit = 1 << (bits - 1)
    return ((x + ((1 << shift) >> 1)) >> shift).clamp(-limit, limit - 1)


def _dynamic_product(one: Tensor, other: Tensor) -> Tensor:
    """Multiply values of 8 bits; floating point is exact for so few, and faster."""
    return (one.to(torch.float64) @ other.to(torch.float64)).to(torch.int64)


@dataclass(frozen=True, kw_only=True, eq=False)
class VitLinear:
    """Linear layer with static weights.

    Parameters
    ----------
    weight : Tensor[K, n]
        int64, -127..127.
    bias : Tensor[n]
        int64, in the unit of the products.
    shift : int
        Right shift of the sums, 0..31.
    bits : int
        Of a result: 8, 16 where it goes to the residual, 32 for logits.
    """

    weight: Tensor
    bias: Tensor
    shift: int
    bits: int = VALUE_BITS

    def __post_init__(self) -> None:
        if self.weight.dtype != torch.int64 or self.weight.ndim != 2:
            raise NetworkError(f"weight must be int64 of rank 2, not {self.weight.dtype} of rank "
                               f"{self.weight.ndim}")
        check_range("weight", self.weight, -127, 127)
        check_table("bias", self.bias, self.weight.shape[1])
        check_int("shift", self.shift, 0, 31)
        check_int("bits", self.bits, 2, 32)

    def sums(self, name: str, values: Tensor, product: Product = exact_product) -> Tensor:
        """Multiply Tensor[..., K], and add the bias.

        Raises
        ------
        PsumOverflowError
            A sum is too large for the accumulator.
        """
        total = product(name, values, self.weight) + self.bias
        check_signed(f"{name}: sum", total, ACCUMULATOR_BITS)
        return total

    def run(self, name: str, values: Tensor, product: Product = exact_product) -> Tensor:
        """Multiply Tensor[..., K], add the bias, round."""
        check_range(f"{name}: value", check_integers("values", values), -128, 127)
        return round_shift(self.sums(name, values, product), self.shift, self.bits)


@dataclass(frozen=True, kw_only=True, eq=False)
class VitNorm:
    """Layer normalization.

    Parameters
    ----------
    gamma : Tensor[D]
        int64, -127..127.
    beta : Tensor[D]
        int64, 24 bits signed.
    shift : int
        See `layer_norm`.
    """

    gamma: Tensor
    beta: Tensor
    shift: int

    def __post_init__(self) -> None:
        check_table("beta", self.beta, len(self.gamma))
        check_range("gamma", self.gamma, -127, 127)
        check_range("beta", self.beta, -(1 << 23), (1 << 23) - 1)
        check_int("shift", self.shift, 0, 31)

    def run(self, tokens: Tensor) -> Tensor:
        """Normalize Tensor[..., D], to 8 bits."""
        return layer_norm(tokens, self.gamma, self.beta, self.shift)


@dataclass(frozen=True, kw_only=True, eq=False)
class VitAttention:
    """Attention block: the output for the residual, and for the reuse buffer.

    Parameters
    ----------
    norm : VitNorm
    query, key, value, projection : VitLinear
        Of D channels each.
    heads : int
    gain, scale_shift : int
        Of the scores; see `softmax`.
    mix_shift : int
        Right shift of the mixed values.
    """

    norm: VitNorm
    query: VitLinear
    key: VitLinear
    value: VitLinear
    projection: VitLinear
    heads: int
    gain: int
    scale_shift: int
    mix_shift: int

    def run(self, name: str, tokens: Tensor, product: Product = exact_product) -> Tensor:
        """Return the attention output, 8 bits, of Tensor[B, N, D]."""
        inputs = self.norm.run(tokens)
        query, key, value = (
            self._split(getattr(self, part).run(f"{name}.{part}", inputs, product))
            for part in ("query", "key", "value"))
        scores = _dynamic_product(query, key.transpose(-1, -2))
        weights = softmax(scores, self.gain, self.scale_shift)
        mixed = round_shift(_dynamic_product(weights, value), self.mix_shift, VALUE_BITS)
        joined = mixed.transpose(1, 2).flatten(2)
        return self.projection.run(f"{name}.projection", joined, product)

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(2, (self.heads, -1)).transpose(1, 2)


@dataclass(frozen=True, kw_only=True, eq=False)
class VitTransform:
    """Transformation block of a reused attention output: norm, linear, ReLU.

    Parameters
    ----------
    norm : VitNorm
    linear : VitLinear
    """

    norm: VitNorm
    linear: VitLinear

    def run(self, name: str, reused: Tensor, product: Product = exact_product) -> Tensor:
        """Return 8 bits of Tensor[B, N, D] for the residual."""
        return self.linear.run(f"{name}.linear", self.norm.run(reused), product).clamp(min=0)


@dataclass(frozen=True, kw_only=True, eq=False)
class VitMLP:
    """Two layers with GELU between them.

    Parameters
    ----------
    norm : VitNorm
    expand : VitLinear
    table : Tensor[256]
        See `gelu_table`.
    contract : VitLinear
        To 16 bits, in the unit of the residual.
    """

    norm: VitNorm
    expand: VitLinear
    table: Tensor
    contract: VitLinear

    def __post_init__(self) -> None:
        check_table("table", self.table, 256)
        check_range("table", self.table, -128, 127)

    def run(self, name: str, tokens: Tensor, product: Product = exact_product) -> Tensor:
        """Return what is added to Tensor[B, N, D]."""
        hidden = self.expand.run(f"{name}.expand", self.norm.run(tokens), product)
        return self.contract.run(f"{name}.contract", gelu(hidden, self.table), product)
