# SPDX-License-Identifier: Apache-2.0
"""Networks of cores that are not merged: each core is a layer, with integers in between."""

from copy import deepcopy
from dataclasses import replace
from typing import cast

import torch
from torch import Tensor, nn

from .fixed_layers import FixedLayer
from .layer_config import Integers, LayerConfig, SourceConfig
from .layers import SpikingNetwork
from .quantization import FakeQuantizedLayer, fold, norm_factors
from .tensor_train import plus_kernel
from .tensor_train_layer import TensorTrainLayer
from .training import operand

__all__ = ["choose_exponents", "unmerge"]

_COARSE = Integers(bits=16, exponent=6)  # wide enough to find the range of the integers


def choose_exponents(network: SpikingNetwork, images: Tensor, bits: int = 8) -> dict[str, int]:
    """Choose the unit of the integers that each core hands on.

    Parameters
    ----------
    network : SpikingNetwork
        Trained, in evaluation mode.
    images : Tensor[B, ...]
        uint8, see `training.operand`; the largest number that they give fits.
    bits : int
        Of the integers, 2..16.

    Returns
    -------
    dict
        Exponent by layer of the network that `unmerge` returns; the unit is ``2**-exponent``.
    """
    coarse = _build(network, {}, 8, _COARSE)
    with torch.no_grad():
        maps, _ = coarse.trace(operand(images, torch.float64))
    exponents = {}
    for layer in network:
        if isinstance(layer, TensorTrainLayer):
            *cores, last = _parts(layer, {}, _COARSE)
            for config in cores:
                exponents[config.name] = _exponent(float(maps[config.name].abs().max()), bits)
            shared = [source.input for source in last.sources]  # they have one unit
            exponents |= dict.fromkeys(shared, min(exponents[name] for name in shared))
    return exponents


def unmerge(network: SpikingNetwork, exponents: dict[str, int], weight_bits: int = 8,
            bits: int = 8) -> SpikingNetwork:
    """Return the fake-quantized network whose cores are layers of their own.

    Each core's layer hands on signed integers of each timestep. The parallel cores are one
    plus-shaped kernel. The mode ``htt`` has the first core twice, for the timesteps of either
    kind.

    Parameters
    ----------
    network : SpikingNetwork
        Trained, in evaluation mode; `integer_network` takes what is returned.
    exponents : dict
        See `choose_exponents`.
    weight_bits : int
        2..8.
    bits : int
        Of the integers between cores, 2..16.
    """
    return _build(network, exponents, weight_bits, replace(_COARSE, bits=bits))


def _exponent(largest: float, bits: int) -> int:
    limit = (1 << (bits - 1)) - 1
    return int(torch.tensor(limit / max(largest, 2.0 ** -8)).log2().floor().clamp(-8, 14))


def _build(network: SpikingNetwork, exponents: dict[str, int], weight_bits: int,
           integers: Integers) -> SpikingNetwork:
    layers = []
    for layer in deepcopy(network).double():
        if isinstance(layer, FixedLayer):
            layers.append(layer)
            continue
        if not isinstance(layer, TensorTrainLayer):
            made = FakeQuantizedLayer(layer.config, weight_bits)
            made.initialize(*fold(layer))
            layers.append(made)
            continue
        gain, bias = norm_factors(cast(nn.BatchNorm2d, layer.norm))
        configs, kernels = _parts(layer, exponents, integers), _kernels(layer)
        kernels[-1] = [kernel * gain.view(-1, 1, 1, 1) for kernel in kernels[-1]]
        for config, kernel in zip(configs, kernels, strict=True):
            made = FakeQuantizedLayer(config, weight_bits)
            last = config is configs[-1]
            made.initialize(kernel, bias if last else torch.zeros(config.outputs))
            layers.append(made)
    return SpikingNetwork(layers, network.timesteps).double().eval()


def _kernels(layer: TensorTrainLayer) -> list[list[Tensor]]:
    """Return the weights of the layers of `_parts`."""
    first, second, third, last = (core.detach() for core in layer.weights)
    if layer.train_config.mode == "stt":
        return [[first], [second], [third], [last]]
    plus = plus_kernel(second, third)
    if layer.train_config.mode == "ptt":
        return [[first], [plus], [last]]
    return [[first], [first], [plus], [last, last]]


def _parts(layer: TensorTrainLayer, exponents: dict[str, int],
           integers: Integers) -> list[LayerConfig]:
    """Return the layers that stand for a layer of cores; the last has its name."""
    config, source = layer.config, layer.config.sources[0]
    name, rank, stride = config.name, layer.train_config.rank, source.stride
    down, across = ((side - 1) // stride + 1 for side in (source.height, source.width))

    def given(part: str) -> Integers:
        exponent = exponents.get(f"{name}_{part}", integers.exponent)
        return replace(integers, exponent=exponent)

    def reads(part: str, kernel: tuple[int, int], size: tuple[int, int],
              step: int = 1) -> SourceConfig:
        return SourceConfig(input=f"{name}_{part}", inputs=rank, height=size[0], width=size[1],
                            kernel=kernel, padding=(kernel[0] // 2, kernel[1] // 2),
                            stride=step, integers=given(part))

    def core(part: str, source: SourceConfig) -> LayerConfig:
        return LayerConfig(name=f"{name}_{part}", sources=(source,), outputs=rank, lif=None,
                           integers=given(part))

    def last(*parts: str) -> LayerConfig:
        sources = tuple(reads(part, (1, 1), (down, across)) for part in parts)
        return replace(config, sources=sources, tensor_train=None)

    whole = (source.height, source.width)
    first = replace(source, kernel=(1, 1), padding=(0, 0), stride=1)
    if layer.train_config.mode == "stt":
        return [core("g1", first), core("g2", reads("g1", (3, 1), whole)),
                core("g3", reads("g2", (1, 3), whole, stride)), last("g3")]
    middle = core("plus", reads("g1", (3, 3), whole, stride))
    if layer.train_config.mode == "ptt":
        return [core("g1", first), middle, last("plus")]
    return [core("g1", first), core("late", config.sources[1]), middle, last("plus", "late")]
