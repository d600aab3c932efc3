# SPDX-License-Identifier: Apache-2.0
"""Layers of a spiking network that have nothing to train: attention, pooling, gates of spikes.

Each has the same spikes as its integer layer; the gradient is that of the products, sums and
maxima that it is made of.
"""

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..golden.attention import join_chunks, split_chunks
from ..golden.layer import AttentionLayer, IntegerLayer, PoolLayer, PsumLayer, Source
from ..golden.plif import LIF
from .neuron import LIFNeuron

__all__ = ["AttentionConfig", "FixedConfig", "FixedLayer", "GateConfig", "MapSumConfig",
           "OrPoolConfig", "Part", "ResidualPoolConfig"]

_WINDOW = 3  # side of an overlapping pooling, with a border of 1


@dataclass(frozen=True, kw_only=True)
class FixedConfig:
    """Shape of a layer without weights."""

    name: str
    channels: int                # of the output
    height: int                  # of the input's maps
    width: int
    keep_residual: bool = False  # whether the current is kept
    lif: ClassVar[LIF] = LIF()

    @abstractmethod
    def layer(self) -> "FixedLayer":
        """Return the layer."""

    def table(self, value: int) -> Tensor:
        """Return the same integer for each channel."""
        return torch.full((self.channels,), value)


class FixedLayer(nn.Module):
    """A layer without weights.

    Parameters
    ----------
    config : FixedConfig
    """

    def __init__(self, config: FixedConfig):
        super().__init__()
        self.config = config

    @abstractmethod
    def currents(self, maps: dict[str, Tensor], kept: dict[str, Tensor]) -> Tensor:
        """Return what drives the neurons, Tensor[T, B, N, H, W].

        Parameters
        ----------
        maps : dict
            Stored spikes of earlier layers, Tensor[T, B, C, H, W] by name.
        kept : dict
            Their kept residuals.
        """

    def spikes(self, currents: Tensor) -> Tensor:
        """Fire the neurons; here the currents are spikes already."""
        return currents

    def stored(self, spikes: Tensor) -> Tensor:
        """Return what later layers read: the spikes."""
        return spikes

    @abstractmethod
    def integer_layer(self) -> PsumLayer:
        """Return the layer in integers."""


@dataclass(frozen=True, kw_only=True)
class OrPoolConfig(FixedConfig):
    """Max pooling of spikes, 3x3 with a border of 1: the OR over windows that overlap."""

    input: str
    stride: int

    def layer(self) -> FixedLayer:
        """Return the layer."""
        return _OrPool(self)


class _OrPool(FixedLayer):
    config: OrPoolConfig

    def currents(self, maps: dict[str, Tensor], kept: dict[str, Tensor]) -> Tensor:
        return _max_pool(maps[self.config.input], self.config.stride)

    def integer_layer(self) -> IntegerLayer:
        """Return a convolution of ones whose neurons fire at the first spike."""
        config = self.config
        ones = torch.ones(config.channels, 1, _WINDOW, _WINDOW, dtype=torch.int64)
        source = Source(input=config.input, weight=ones, height=config.height,
                        width=config.width, stride=config.stride, padding=(1, 1),
                        groups=config.channels)
        return IntegerLayer(name=config.name, sources=(source,), bias=config.table(0),
                            threshold=config.table(1), lif=LIF(shift=0))


@dataclass(frozen=True)
class Part:
    """Channels of a map; one that is a single pixel stands for all pixels."""

    input: str
    channels: int  # of the whole map
    height: int
    width: int
    first: int = 0


@dataclass(frozen=True, kw_only=True)
class GateConfig(FixedConfig):
    """AND of two parts of maps, channel by channel."""

    parts: tuple[Part, Part]

    def layer(self) -> FixedLayer:
        """Return the layer."""
        return _Gate(self)


class _Gate(FixedLayer):
    config: GateConfig

    def currents(self, maps: dict[str, Tensor], kept: dict[str, Tensor]) -> Tensor:
        one, other = (maps[part.input].narrow(2, part.first, self.config.channels)
                      for part in self.config.parts)
        return one * other

    def integer_layer(self) -> IntegerLayer:
        """Return neurons that no single spike can make fire, however often it comes."""
        config, sources = self.config, []
        if config.parts[0].input == config.parts[1].input:
            sources.append(self._source(*config.parts))
        else:
            sources += map(self._source, config.parts)
        return IntegerLayer(name=config.name, sources=tuple(sources), bias=config.table(0),
                            threshold=config.table(2), lif=config.lif)

    def _source(self, *parts: Part) -> Source:
        config, part = self.config, parts[0]
        maps, size = (config.height, config.width), (part.height, part.width)
        spread = maps if size == (1, 1) else (1, 1)  # a single pixel meets each output once
        if part.channels == config.channels:
            weight = torch.full((config.channels, 1, *spread), 2)
        else:
            weight = torch.zeros(config.channels, part.channels, *spread, dtype=torch.int64)
            channel = torch.arange(config.channels)
            for each in parts:
                weight[channel, channel + each.first] = 2
        return Source(input=part.input, weight=weight, height=part.height, width=part.width,
                      padding=(spread[0] - 1, spread[1] - 1),
                      groups=config.channels if weight.shape[1] == 1 else 1)


@dataclass(frozen=True, kw_only=True)
class MapSumConfig(FixedConfig):
    """Neurons driven by the number of spikes in a whole map; one is enough to fire."""

    input: str
    lif: ClassVar[LIF] = LIF(gain=2)

    def layer(self) -> FixedLayer:
        """Return the layer."""
        return _MapSum(self)


class _MapSum(FixedLayer):
    config: MapSumConfig

    def __init__(self, config: MapSumConfig):
        super().__init__(config)
        self.neuron = LIFNeuron(config.lif)

    def currents(self, maps: dict[str, Tensor], kept: dict[str, Tensor]) -> Tensor:
        return maps[self.config.input].sum((3, 4), keepdim=True)

    def spikes(self, currents: Tensor) -> Tensor:
        return self.neuron(currents)

    def integer_layer(self) -> IntegerLayer:
        config = self.config
        ones = torch.ones(config.channels, 1, config.height, config.width, dtype=torch.int64)
        source = Source(input=config.input, weight=ones, height=config.height,
                        width=config.width, groups=config.channels)
        return IntegerLayer(name=config.name, sources=(source,), bias=config.table(0),
                            threshold=config.table(1), lif=config.lif)


@dataclass(frozen=True, kw_only=True)
class ResidualPoolConfig(FixedConfig):
    """Pooling of kept residuals: 3x3 with stride 2 and a border of 1, or all of a map.

    The neurons fire at 1, those of a sum at the number of its pixels: that is the mean.
    """

    pooled: str                  # layer whose residual it is
    kind: Literal["max", "sum"]
    fixed_point: int             # residuals are multiples of 2**-this

    def layer(self) -> FixedLayer:
        """Return the layer."""
        return _ResidualPool(self)


class _ResidualPool(FixedLayer):
    config: ResidualPoolConfig

    def __init__(self, config: ResidualPoolConfig):
        super().__init__(config)
        pixels = config.height * config.width if config.kind == "sum" else 1
        self.neuron = LIFNeuron(config.lif, pixels)

    def currents(self, maps: dict[str, Tensor], kept: dict[str, Tensor]) -> Tensor:
        values = kept[self.config.pooled]
        if self.config.kind == "sum":
            return values.sum((3, 4), keepdim=True)
        return _max_pool(values, 2)

    def spikes(self, currents: Tensor) -> Tensor:
        return self.neuron(currents)

    def integer_layer(self) -> PoolLayer:
        config = self.config
        threshold = int(self.neuron.threshold) << config.fixed_point
        whole = config.kind == "sum"
        window = (config.height, config.width) if whole else (_WINDOW, _WINDOW)
        return PoolLayer(
            name=config.name, pooled=config.pooled, height=config.height, width=config.width,
            kind=config.kind, window=window, stride=1 if whole else 2,
            padding=(0, 0) if whole else (1, 1), bias=config.table(0),
            threshold=config.table(threshold), lif=config.lif,
            requantize=(config.table(1), config.table(0)) if config.keep_residual else None,
            keep_residual=config.keep_residual)


@dataclass(frozen=True, kw_only=True)
class AttentionConfig(FixedConfig):
    """Attention of queries, keys and values over tokens and steps, keys with values first."""

    input: str
    heads: int
    chunk_steps: int
    double_threshold: int  # of the neurons, times 2

    @property
    def neurons(self) -> tuple[LIF, int]:
        """The neurons and their threshold; odd ones count in halves."""
        gain = 2 if self.double_threshold % 2 else 1
        return LIF(gain=gain), self.double_threshold * gain // 2

    def layer(self) -> FixedLayer:
        """Return the layer."""
        return _Attention(self)


class _Attention(FixedLayer):
    config: AttentionConfig

    def __init__(self, config: AttentionConfig):
        super().__init__(config)
        self.neuron = LIFNeuron(*config.neurons)

    def currents(self, maps: dict[str, Tensor], kept: dict[str, Tensor]) -> Tensor:
        spikes, steps = maps[self.config.input], self.config.chunk_steps
        tokens = spikes.flatten(3).transpose(2, 3)
        queries, keys, values = split_chunks(tokens, self.config.heads, steps)
        out = join_chunks(queries @ (keys.transpose(-1, -2) @ values), steps)
        return out.transpose(2, 3).unflatten(3, spikes.shape[3:])

    def spikes(self, currents: Tensor) -> Tensor:
        return self.neuron(currents)

    def integer_layer(self) -> AttentionLayer:
        config = self.config
        lif, threshold = config.neurons
        return AttentionLayer(
            name=config.name, input=config.input, height=config.height, width=config.width,
            heads=config.heads, chunk_steps=config.chunk_steps, bias=config.table(0), lif=lif,
            threshold=config.table(threshold))


def _max_pool(maps: Tensor, stride: int) -> Tensor:
    return functional.max_pool2d(maps.flatten(0, 1), _WINDOW, stride, 1).unflatten(
        0, maps.shape[:2])
