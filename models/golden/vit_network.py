# SPDX-License-Identifier: Apache-2.0
"""Integer vision transformer that reuses attention: what the hardware computes, bit for bit.

After A. Moitra et al., "TReX: reusing vision transformer's attention for efficient xbar-based
computing" (2024). The residual has 16 bits and saturates; all else has 8 bits; units are powers
of two. Each encoder has a control word, see `KINDS`.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from .checks import check_int, check_range, check_rank, check_table
from .errors import GoldenError, NetworkError
from .vit_layers import (
    Product,
    VitAttention,
    VitLinear,
    VitMLP,
    VitNorm,
    VitTransform,
    exact_product,
    round_shift,
)
from .vit_shape import VitShape

__all__ = ["RESIDUAL_BITS", "VitEncoder", "VitNetwork", "VitTrace", "pooled"]

RESIDUAL_BITS = 16
_LIMIT = 1 << (RESIDUAL_BITS - 1)


@dataclass(frozen=True, kw_only=True, eq=False)
class VitEncoder:
    """An encoder.

    Parameters
    ----------
    kind : str
        Control word; see `KINDS`.
    attention : VitAttention
        Of an A, else None.
    transform : VitTransform
        Of an R, else None.
    add_shift : int
        Left shift of attention output or transformed reuse to the unit of the residual.
    mlp : VitMLP
    """

    kind: str
    attention: VitAttention | None = None
    transform: VitTransform | None = None
    add_shift: int = 0
    mlp: VitMLP

    def __post_init__(self) -> None:
        if (self.attention is not None) != (self.kind == "A"):
            raise NetworkError(f"kind {self.kind}: attention must be there for A alone")
        if (self.transform is not None) != (self.kind == "R"):
            raise NetworkError(f"kind {self.kind}: transform must be there for R alone")
        check_int("add_shift", self.add_shift, 0, RESIDUAL_BITS)


@dataclass(frozen=True, kw_only=True, eq=False)
class VitTrace:
    """What a network computed for some inputs.

    Parameters
    ----------
    tokens : list of Tensor[B, N, D]
        The residual: of the embedding, then behind each encoder.
    attention : list of Tensor[B, N, D]
        What each encoder added of its attention, before ``add_shift``; empty where it has none.
    logits : Tensor[B, classes]
    """

    tokens: list[Tensor]
    attention: list[Tensor]
    logits: Tensor

    @property
    def classes(self) -> Tensor:
        """Class of each input, the lowest of the best."""
        return self.logits.argmax(1)


@dataclass(frozen=True, kw_only=True, eq=False)
class VitNetwork:
    """Vision transformer in integers.

    Parameters
    ----------
    name : str
    shape : VitShape
    embed : VitLinear
        From features to the residual.
    position : Tensor[N, D]
        int64, added to the tokens.
    encoders : tuple of VitEncoder
        With the kinds of ``shape.pattern``.
    norm : VitNorm
        Before the head.
    head : VitLinear
        To the logits; its shift and bits do not count.

    Raises
    ------
    NetworkError
        The parts do not fit the shape.
    """

    name: str
    shape: VitShape
    embed: VitLinear
    position: Tensor
    encoders: tuple[VitEncoder, ...]
    norm: VitNorm
    head: VitLinear

    def __post_init__(self) -> None:
        shape = self.shape
        kinds = "".join(encoder.kind for encoder in self.encoders)
        if kinds != shape.pattern:
            raise NetworkError(f"{self.name}: encoders must be {shape.pattern}, not {kinds}")
        if self.position.shape != (shape.tokens, shape.channels):
            raise NetworkError(f"{self.name}: position must be of shape "
                               f"({shape.tokens}, {shape.channels}), "
                               f"not {tuple(self.position.shape)}")
        check_range(f"{self.name}: position", self.position, -_LIMIT, _LIMIT - 1)
        for name, linear, inputs, outputs in self.linears():
            if linear.weight.shape != (inputs, outputs):
                raise NetworkError(f"{self.name}: weight of {name} must be of shape "
                                   f"({inputs}, {outputs}), not {tuple(linear.weight.shape)}")
        for encoder in self.encoders:
            check_table("gamma", encoder.mlp.norm.gamma, shape.channels)

    def linears(self) -> list[tuple[str, VitLinear, int, int]]:
        """Return each layer with static weights: its name, itself, its inputs and outputs."""
        shape = self.shape
        channels = shape.channels
        found = [("embed", self.embed, shape.features, channels)]
        for index, encoder in enumerate(self.encoders):
            if encoder.attention:
                found += [(f"{index}.{part}", getattr(encoder.attention, part), channels, channels)
                          for part in ("query", "key", "value", "projection")]
            if encoder.transform:
                found.append((f"{index}.linear", encoder.transform.linear, channels, channels))
            found += [(f"{index}.expand", encoder.mlp.expand, channels, shape.hidden),
                      (f"{index}.contract", encoder.mlp.contract, shape.hidden, channels)]
        return [*found, ("head", self.head, channels, shape.classes)]

    def run(self, inputs: Tensor, product: Product = exact_product) -> VitTrace:
        """Compute the logits of some inputs.

        Parameters
        ----------
        inputs : Tensor[B, N, features]
            Integers, -128..127.
        product : callable
            Multiplies values with static weights, given the name of the layer; by default
            exactly.

        Raises
        ------
        GoldenError
            The inputs do not fit.
        """
        check_rank("inputs", inputs, 3)
        if inputs.shape[1:] != (self.shape.tokens, self.shape.features):
            raise GoldenError(f"inputs must be of shape (B, {self.shape.tokens}, "
                              f"{self.shape.features}), not {tuple(inputs.shape)}")
        tokens = _add(self.embed.run("embed", inputs.to(torch.int64), product), self.position)
        trace = VitTrace(tokens=[tokens], attention=[], logits=tokens)
        buffer = tokens[:, :0]
        for index, encoder in enumerate(self.encoders):
            if encoder.attention:
                buffer = encoder.attention.run(str(index), tokens, product)
            added = {"A": buffer, "C": buffer, "S": buffer[:, :0]}.get(encoder.kind)
            if encoder.transform:
                added = encoder.transform.run(str(index), buffer, product)
            assert added is not None
            if added.numel():
                tokens = _add(tokens, added << encoder.add_shift)
            tokens = _add(tokens, encoder.mlp.run(str(index), tokens, product))
            trace.attention.append(added)
            trace.tokens.append(tokens)
        final = self.norm.run(pooled(tokens, self.shape))
        return VitTrace(tokens=trace.tokens, attention=trace.attention,
                        logits=self.head.sums("head", final, product))

    def predict(self, inputs: Tensor, product: Product = exact_product,
                batch: int = 250) -> Tensor:
        """Return the class of each input, int64[B]."""
        return torch.cat([self.run(part, product).classes for part in inputs.split(batch)])


def pooled(tokens: Tensor, shape: VitShape) -> Tensor:
    """Return the token to classify, Tensor[B, D].

    The mean is the sum over a power of two, at least the number of tokens, half up: the norm
    behind it takes any factor away.
    """
    if shape.pool == "last":
        return tokens[:, -1]
    return round_shift(tokens.sum(1), shape.mean_shift, RESIDUAL_BITS)


def _add(tokens: Tensor, more: Tensor) -> Tensor:
    return (tokens + more).clamp(-_LIMIT, _LIMIT - 1)
