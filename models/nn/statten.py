# SPDX-License-Identifier: Apache-2.0
"""Spiking transformer with spatial-temporal attention, as a graph of spiking layers.

After D. Lee et al., "Spiking transformer with spatial-temporal attention" (2024): a convolutional
stem, blocks of attention and perceptron with membrane shortcuts, and a linear head over the mean
of all tokens.
"""

from dataclasses import replace

from ..golden.layer import IMAGE
from .fixed_layers import (
    AttentionConfig,
    FixedConfig,
    GateConfig,
    MapSumConfig,
    OrPoolConfig,
    Part,
    ResidualPoolConfig,
)
from .layers import AnyConfig, LayerConfig, SourceConfig
from .statten_shape import StattenShape

__all__ = ["FIXED_POINT", "statten_layers"]

FIXED_POINT = 8  # residuals are multiples of 2**-8, up to 128


def statten_layers(shape: StattenShape) -> tuple[AnyConfig, ...]:
    """Return the layers of a network, in order.

    The stem's are called ``stem0`` to ``stem3`` and ``position``, those of block ``n``
    ``block{n}.qkv``, ``.attention``, ``.projection``, ``.hidden`` and ``.output``; then follow
    ``head`` and ``readout``. Poolings are called after the layer that they pool, ``.pool``.
    """
    layers = _stem(shape)
    for number in range(shape.depth):
        layers += _block(shape, f"block{number}", layers[-1].name)
    last = layers[-1]
    return (*layers[:-1], _silenced(last),
            ResidualPoolConfig(name="head", pooled=last.name, channels=shape.channels,
                               height=shape.grid, width=shape.grid, kind="sum",
                               fixed_point=FIXED_POINT),
            LayerConfig(name="readout", outputs=shape.classes, lif=None, sources=(
                _source("head", shape.channels, 1),), fixed_point=FIXED_POINT))


def _stem(shape: StattenShape) -> list[AnyConfig]:
    layers: list[AnyConfig] = []
    given, inputs = IMAGE, shape.inputs
    for index, (outputs, side, pools) in enumerate(shape.stages):
        name, last = f"stem{index}", index == len(shape.stages) - 1
        source = SourceConfig(input=given, inputs=inputs, height=side, width=side,
                              frames=shape.frames)
        conv = LayerConfig(name=name, sources=(source,), outputs=outputs, keep_residual=last,
                           fixed_point=FIXED_POINT)
        layers.append(_silenced(conv) if last and pools else conv)
        if pools:
            layers.append(ResidualPoolConfig(
                name=f"{name}.pool", pooled=name, channels=outputs, height=side, width=side,
                kind="max", keep_residual=True, fixed_point=FIXED_POINT) if last
                else _or_pool(name, outputs, side, 2))
        given, inputs = layers[-1].name, outputs
    position = SourceConfig(input=given, inputs=inputs, height=shape.grid, width=shape.grid)
    layers.append(LayerConfig(name="position", sources=(position,), outputs=inputs,
                              residual=given, keep_residual=True, fixed_point=FIXED_POINT))
    return layers


def _block(shape: StattenShape, name: str, given: str) -> list[AnyConfig]:
    """Return a block; ``given`` has the residual, and spikes at its threshold."""
    channels, grid = shape.channels, shape.grid
    qkv = f"{name}.qkv"
    layers: list[AnyConfig] = [_linear(qkv, given, channels, 3 * channels, grid)]
    if shape.events:
        layers += [_or_pool(qkv, 3 * channels, grid), _or_pool(given, channels, grid)]
        qkv = f"{qkv}.pool"
    layers += _attention(shape, name, qkv)
    attended, sources = f"{name}.attention", ()
    if shape.events:  # adds the input to what attention lets through of it
        pooled, gate = f"{given}.pool", f"{name}.gate"
        layers.append(GateConfig(name=gate, channels=channels, height=grid, width=grid, parts=(
            Part(pooled, channels, grid, grid), Part(attended, channels, grid, grid))))
        attended = pooled
        sources = (_source(gate, channels, grid, shared=True),)
    return [
        *layers,
        LayerConfig(name=f"{name}.projection", outputs=channels, residual=given,
                    keep_residual=True, fixed_point=FIXED_POINT,
                    sources=(_source(attended, channels, grid), *sources)),
        _linear(f"{name}.hidden", f"{name}.projection", channels, shape.hidden, grid),
        _linear(f"{name}.output", f"{name}.hidden", shape.hidden, channels, grid,
                residual=f"{name}.projection", keep_residual=True)]


def _attention(shape: StattenShape, name: str, qkv: str) -> list[FixedConfig]:
    channels, grid = shape.channels, shape.grid
    if shape.attention != "sdt":
        return [AttentionConfig(
            name=f"{name}.attention", input=qkv, channels=channels, height=grid, width=grid,
            heads=shape.heads, chunk_steps=shape.attended_steps,
            double_threshold=shape.double_threshold)]
    queries, keys, values = (Part(qkv, 3 * channels, grid, grid, index * channels)
                             for index in range(3))
    both, mask = f"{name}.keys_values", f"{name}.mask"
    return [
        GateConfig(name=both, channels=channels, height=grid, width=grid, parts=(keys, values)),
        MapSumConfig(name=mask, input=both, channels=channels, height=grid, width=grid),
        GateConfig(name=f"{name}.attention", channels=channels, height=grid, width=grid,
                   parts=(queries, Part(mask, channels, 1, 1)))]


def _source(given: str, inputs: int, side: int, shared: bool = False) -> SourceConfig:
    return SourceConfig(input=given, inputs=inputs, height=side, width=side, kernel=(1, 1),
                        padding=(0, 0), shared=shared)


def _linear(name: str, given: str, inputs: int, outputs: int, side: int, **fields) -> LayerConfig:
    return LayerConfig(name=name, sources=(_source(given, inputs, side),), outputs=outputs,
                       fixed_point=FIXED_POINT, **fields)


def _or_pool(pooled: str, channels: int, side: int, stride: int = 1) -> OrPoolConfig:
    return OrPoolConfig(name=f"{pooled}.pool", input=pooled, channels=channels, height=side,
                        width=side, stride=stride)


def _silenced(layer: AnyConfig) -> AnyConfig:
    """Return a layer of whose neurons nothing is read."""
    return replace(layer, silent=True) if isinstance(layer, LayerConfig) else layer
