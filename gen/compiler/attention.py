# SPDX-License-Identifier: Apache-2.0
"""Layers without weights, attention and pooling of residuals: do they fit, and how they read."""

from typing import Any

import torch

from ...models.golden.layer import AttentionLayer, PoolLayer, PsumLayer
from ...models.golden.source import Source
from ...rtl.config import AcceleratorConfig, AttentionConfig
from .errors import CompileError
from .fibers import FiberSource, lay_source

__all__ = ["check_attention", "check_pool", "token_source"]

_FIELD_LIMIT = 255  # of the fields of 8 bits


def check_attention(layer: AttentionLayer, timesteps: int, config: AcceleratorConfig) -> None:
    """Raise `CompileError` unless the attention unit can compute the layer."""
    part = _part(layer, config)
    channels = layer.channels // layer.heads
    padded = layer.heads * -(-channels // part.adders) * part.adders
    if channels % config.beat_values:
        raise CompileError(layer.name, "channels of a head", "a multiple of beat_values "
                           f"({config.beat_values})", channels, "use fewer heads")
    limits = [
        ("heads", layer.heads, _FIELD_LIMIT, "", "use fewer heads"),
        ("channels of a head", channels, part.head_channels, "head_channels", ""),
        ("channels, those of each head in groups of attention.adders", padded, part.channels,
         "channels", ""),
        ("tokens", layer.height * layer.width, part.tokens, "tokens", ""),
        ("chunk_steps", layer.chunk_steps, part.chunk_steps, "chunk_steps", ""),
        ("chunks of timesteps", timesteps // layer.chunk_steps, part.chunks, "chunks", ""),
        ("channels", layer.channels, config.max_columns, "", f"set max_columns={layer.channels}"),
    ]
    for field, value, limit, name, hint in limits:
        if value > limit:
            raise CompileError(layer.name, field, f"at most {limit}"
                               + (f" (attention.{name})" if name else ""), value,
                               hint or f"set attention.{name}={value} or higher")


def check_pool(layer: PoolLayer, config: AcceleratorConfig) -> None:
    """Raise `CompileError` unless the unit that pools residuals can compute the layer."""
    _part(layer, config)
    for field, value in (("height of the window", layer.window[0]),
                         ("width of the window", layer.window[1]), ("stride", layer.stride)):
        if value > _FIELD_LIMIT:
            raise CompileError(layer.name, field, f"at most {_FIELD_LIMIT}", value,
                               "divide the layer in two")


def token_source(layer: AttentionLayer, config: AcceleratorConfig) -> FiberSource:
    """Return how a layer walks over its tokens; the weights of the source do not count."""
    tokens = torch.zeros((1, 3 * layer.channels, 1, 1), dtype=torch.int64)
    return lay_source(layer.name, Source(input=layer.input, weight=tokens, height=layer.height,
                                         width=layer.width), config)


def _part(layer: PsumLayer, config: AcceleratorConfig) -> AttentionConfig:
    """Return the parameters of the unit; raise `CompileError` without it or with pooling."""
    kind: Any = "attention" if isinstance(layer, AttentionLayer) else "pooling of residuals"
    if config.attention is None:
        raise CompileError(layer.name, kind, "absent where the configuration has no [attention]",
                           "present", "choose a configuration with [attention], such as statten")
    if layer.pool > 1:
        raise CompileError(layer.name, "pool", f"1 behind {kind}", layer.pool,
                           "pool in a layer of its own")
    return config.attention
