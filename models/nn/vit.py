# SPDX-License-Identifier: Apache-2.0
"""Vision transformer with attention reuse, in floating point and as the integer model has it."""

import math
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..golden.softmax import softmax
from ..golden.vit_layers import VitAttention, VitMLP, VitTransform
from ..golden.vit_network import RESIDUAL_BITS, VitEncoder, VitNetwork, pooled
from ..golden.vit_shape import VitShape
from .vit_layers import (
    RESIDUAL_EXPONENT,
    Mode,
    Quantizer,
    TwinGELU,
    TwinLinear,
    TwinNorm,
    straight_through,
    to_integers,
)

__all__ = ["TwinVit"]

_PROBABILITY_BITS = 8
_INDEX_BITS = 6  # of the softmax's table


def _to_residual() -> Quantizer:
    return Quantizer(RESIDUAL_BITS, RESIDUAL_EXPONENT)


class TwinAttention(nn.Module):
    """Attention block."""

    def __init__(self, shape: VitShape):
        super().__init__()
        channels = shape.channels
        self.shape = shape
        self.norm = TwinNorm(channels)
        self.query, self.key, self.value, self.projection = (
            TwinLinear(channels, channels, Quantizer()) for _ in range(4))
        self.mixed = Quantizer()
        self.mode = Mode.FLOAT
        self.gain, self.scale_shift, self.score_exponent = 1, 0, 0

    def settle(self, input_exponent: int) -> int:
        """Choose the scales; return the exponent of the output."""
        normal = self.norm.settle(input_exponent)
        query, key, value = (part.settle(normal) for part in (self.query, self.key, self.value))
        self.score_exponent = query + key
        factor = math.log2(math.e) / math.sqrt(self.shape.head_channels) * 2 ** _INDEX_BITS
        factor *= 2.0 ** -self.score_exponent  # of a score of 1, in steps of the table
        self.scale_shift = 7 - math.floor(math.log2(factor))
        self.gain = round(factor * 2.0 ** self.scale_shift)
        if self.gain > 255:
            self.gain, self.scale_shift = self.gain // 2, self.scale_shift - 1
        if not 0 <= self.scale_shift <= 31:
            raise ValueError(f"scale_shift must be in 0..31, not {self.scale_shift}")
        self.mixed.settle(_PROBABILITY_BITS + value)
        projection = cast(Quantizer, self.projection.out)
        self.projection.settle(self.mixed.exponent)
        projection.settle(min(RESIDUAL_EXPONENT, self.projection.sum_exponent))
        return projection.exponent

    def forward(self, tokens: Tensor) -> Tensor:
        """Return the attention output of Tensor[B, N, D]."""
        inputs = self.norm(tokens)
        query, key, value = (
            part(inputs).unflatten(2, (self.shape.heads, -1)).transpose(1, 2)
            for part in (self.query, self.key, self.value))
        scores = query @ key.transpose(-1, -2)
        weights = functional.softmax(scores * self.shape.head_channels ** -0.5, -1)
        if self.mode is Mode.INTEGER:
            hard = softmax(to_integers(scores, self.score_exponent), self.gain, self.scale_shift)
            weights = straight_through(weights, hard * 2.0 ** -_PROBABILITY_BITS)
        mixed = self.mixed(weights @ value)
        return self.projection(mixed.transpose(1, 2).flatten(2))

    def integer(self) -> VitAttention:
        """Return the block in integers."""
        value = cast(Quantizer, self.value.out)
        return VitAttention(
            norm=self.norm.integer(), query=self.query.integer(), key=self.key.integer(),
            value=self.value.integer(), projection=self.projection.integer(),
            heads=self.shape.heads, gain=self.gain, scale_shift=self.scale_shift,
            mix_shift=_PROBABILITY_BITS + value.exponent - self.mixed.exponent)


class TwinTransform(nn.Module):
    """Transformation block of the reuse buffer."""

    def __init__(self, channels: int):
        super().__init__()
        self.norm = TwinNorm(channels)
        self.linear = TwinLinear(channels, channels, Quantizer())

    def settle(self, input_exponent: int) -> int:
        """Choose the scales; return the exponent of the output."""
        self.linear.settle(self.norm.settle(input_exponent))
        out = cast(Quantizer, self.linear.out)
        out.settle(min(RESIDUAL_EXPONENT, self.linear.sum_exponent))
        return out.exponent

    def forward(self, reused: Tensor) -> Tensor:
        """Return what is added to Tensor[B, N, D]."""
        return self.linear(self.norm(reused)).relu()

    def integer(self) -> VitTransform:
        """Return the block in integers."""
        return VitTransform(norm=self.norm.integer(), linear=self.linear.integer())


class TwinEncoder(nn.Module):
    """An encoder of some kind."""

    def __init__(self, kind: str, shape: VitShape):
        super().__init__()
        self.kind = kind
        self.attention = TwinAttention(shape) if kind == "A" else None
        self.transform = TwinTransform(shape.channels) if kind == "R" else None
        self.norm = TwinNorm(shape.channels)
        self.expand = TwinLinear(shape.channels, shape.hidden, Quantizer())
        self.gelu = TwinGELU()
        self.contract = TwinLinear(shape.hidden, shape.channels, _to_residual())
        self.residual = _to_residual()
        self.added_exponent = RESIDUAL_EXPONENT

    def settle(self, reused_exponent: int) -> int:
        """Choose the scales; return the exponent of the reuse buffer behind this encoder."""
        if self.attention is not None:
            reused_exponent = self.attention.settle(RESIDUAL_EXPONENT)
        self.added_exponent = reused_exponent
        if self.transform is not None:
            self.added_exponent = self.transform.settle(reused_exponent)
        if self.kind == "S":
            self.added_exponent = RESIDUAL_EXPONENT
        self.contract.settle(self.gelu.settle(self.expand.settle(
            self.norm.settle(RESIDUAL_EXPONENT))))
        return reused_exponent

    def forward(self, tokens: Tensor, reused: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the tokens behind the encoder, the reuse buffer, and what was added of it."""
        if self.attention is not None:
            reused = self.attention(tokens)
        added = reused if self.transform is None else self.transform(reused)
        if self.kind != "S":
            tokens = self.residual(tokens + added)
        tokens = self.residual(tokens + self.contract(self.gelu(self.expand(self.norm(tokens)))))
        return tokens, reused, added

    def integer(self) -> VitEncoder:
        """Return the encoder in integers."""
        return VitEncoder(
            kind=self.kind, attention=self.attention and self.attention.integer(),
            transform=self.transform and self.transform.integer(),
            add_shift=RESIDUAL_EXPONENT - self.added_exponent,
            mlp=VitMLP(norm=self.norm.integer(), expand=self.expand.integer(),
                       table=self.gelu.table, contract=self.contract.integer()))


class TwinVit(nn.Module):
    """Vision transformer with attention reuse.

    Parameters
    ----------
    shape : VitShape
    input_exponent : int
        Inputs are in units of ``2**-input_exponent``.
    """

    def __init__(self, shape: VitShape, input_exponent: int):
        super().__init__()
        self.shape, self.input_exponent = shape, input_exponent
        self.embed = TwinLinear(shape.features, shape.channels, _to_residual())
        self.position = nn.Parameter(torch.zeros(shape.tokens, shape.channels))
        self.residual = _to_residual()
        self.encoders = nn.ModuleList(TwinEncoder(kind, shape) for kind in shape.pattern)
        self.norm = TwinNorm(shape.channels)
        self.head = TwinLinear(shape.channels, shape.classes, None)
        self.mode = Mode.FLOAT

    def set_mode(self, mode: Mode) -> None:
        """Compute otherwise from now on."""
        for part in self.modules():
            if hasattr(part, "mode"):
                part.mode = cast(Tensor, mode)  # the type checker takes it for a buffer

    @torch.no_grad()
    def quantize(self, inputs: Tensor) -> None:
        """Choose all scales from some inputs, and compute in integers from now on."""
        self.set_mode(Mode.OBSERVE)
        self(inputs)
        self.embed.settle(self.input_exponent)
        reused = RESIDUAL_EXPONENT
        for encoder in self.encoders:
            reused = cast(TwinEncoder, encoder).settle(reused)
        self.head.settle(self.norm.settle(RESIDUAL_EXPONENT))
        self.set_mode(Mode.INTEGER)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the logits of inputs, Tensor[B, N, features], integers."""
        return self.trace(inputs)[0]

    def trace(self, inputs: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return the logits, and what each encoder added of its attention or reuse."""
        values = inputs.to(self.position.dtype) * 2.0 ** -self.input_exponent
        position = self.position
        if self.mode is Mode.INTEGER:
            position = self.residual(position)
        tokens = self.residual(self.embed(values) + position)
        reused, kept = tokens, []
        for encoder in self.encoders:
            tokens, reused, added = encoder(tokens, reused)
            kept.append(added)
        return self.head(self.norm(self._pooled(tokens))), kept

    def integer(self, name: str) -> VitNetwork:
        """Return the integer model; in `Mode.INTEGER` the twin gives its logits exactly."""
        return VitNetwork(
            name=name, shape=self.shape, embed=self.embed.integer(),
            position=to_integers(self.residual(self.position), RESIDUAL_EXPONENT),
            encoders=tuple(cast(TwinEncoder, encoder).integer() for encoder in self.encoders),
            norm=self.norm.integer(), head=self.head.integer())

    def _pooled(self, tokens: Tensor) -> Tensor:
        if self.shape.pool == "last":
            return tokens[:, -1]
        soft = tokens.mean(1)
        if self.mode is not Mode.INTEGER:
            return soft
        hard = pooled(to_integers(tokens, RESIDUAL_EXPONENT), self.shape)
        return straight_through(soft, hard * 2.0 ** -RESIDUAL_EXPONENT)
