# SPDX-License-Identifier: Apache-2.0
"""A block of a spiking transformer of a published size: random weights, a real image.

The whole network runs in the golden model, from the image on; the block runs on the accelerator.
It takes in what the stem gives, membranes and spikes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional

from ..models.data import fashion
from ..models.golden.conv import lift
from ..models.golden.layer import IMAGE, AttentionLayer, IntegerLayer, PoolLayer, PsumLayer
from ..models.golden.network import IntegerNetwork
from ..models.golden.plif import plif
from ..models.golden.source import Source
from ..models.nn.quantization import fold_network, integer_network
from ..models.nn.statten_shape import StattenShape
from ..models.nn.training import operand
from ..models.zoo.statten import build

__all__ = ["RATE", "Block", "attention_alone", "calibrate", "colour_image", "membrane_bits",
           "membrane_layers", "random_block"]

RATE = 0.17          # share of spikes that the thresholds are made for
_SILENT = (1 << 15) - 1
# The bits of a membrane lie in 4x4 pixels of an image of spikes, each at its (y, x), so that one
# kernel of 2x4 pixels reads the low ones and one of 4x2 the high ones.
_SIDE = 4
_LOW = ((0, 1), (0, 2), (0, 3), (1, 0), (1, 1), (1, 2), (1, 3))
_HIGH = ((0, 0), (2, 0), (2, 1), (3, 0), (3, 1))
_LIMIT = 1 << (len(_LOW) + len(_HIGH) - 1)


@dataclass(frozen=True, kw_only=True, eq=False)
class Block:
    """One block, what goes into it, and how much fires.

    Attributes
    ----------
    network : IntegerNetwork
        Membranes in, then the block, then the head.
    inputs : Tensor[1, T, C, 4 * H, 4 * W]
        uint8, the bits of these membranes.
    rates : dict of str to float
        Share of 1 among the spikes of each layer of the whole network, of those that fire.
    """

    network: IntegerNetwork
    inputs: Tensor
    rates: dict[str, float]


def colour_image(number: int = 0, side: int = 32) -> Tensor:
    """Return an image of Fashion-MNIST's test set in colour, uint8[1, 3, side, side].

    The 28x28 pixels, with zeros around them, are red; green is three quarters, blue is half.
    """
    image = fashion.load_test().images[number].to(torch.int64)
    before, after = (side - 28) // 2, side - 28 - (side - 28) // 2
    red = functional.pad(image, (before, after, before, after))
    return torch.stack([red, 3 * red // 4, red // 2])[None].to(torch.uint8)


def random_block(shape: StattenShape, image: Tensor, seed: int = 3) -> Block:
    """Return the first block of a network of this shape.

    Weights are random as before a training. Norms are those of the image: half a threshold, give
    or take half of one, or less that where a shortcut adds to it. Thresholds are then scaled,
    layer by layer, so that about `RATE` of the spikes are 1.

    Parameters
    ----------
    shape : StattenShape
        That reads pixels; of its blocks there is one.
    image : Tensor[1, C, H, W]
        uint8.
    seed : int
        Of the weights.
    """
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        network = build(replace(shape, depth=1))
        for layer in network.trained.values():
            if layer.norm is not None:
                layer.norm.momentum = None  # means over all it sees
                layer.norm.weight.fill_(0.5)
                layer.norm.bias.fill_(-0.5 if layer.config.residual else 0.5)
        network.train()(operand(image))
        golden = integer_network("block", fold_network(network.eval()))
    golden, currents, rates = calibrate(golden, image)
    names = [layer.name for layer in golden.layers]
    first = names.index("position")
    position = golden.layers[first]
    membranes, (height, width) = currents[position.name], position.maps
    cut = IntegerNetwork(
        name="block", timesteps=golden.timesteps, input_bits=0,
        layers=(*membrane_layers(position), *golden.layers[first + 1:]),
        input_shape=(position.channels, _SIDE * height, _SIDE * width))
    return Block(network=cut, inputs=membrane_bits(membranes, position), rates=rates)


def attention_alone(block: Block) -> tuple[IntegerNetwork, Tensor]:
    """Return a network of the block's attention and a readout of one token, and what it reads."""
    layer = next(layer for layer in block.network.layers if isinstance(layer, AttentionLayer))
    alone = replace(layer, input=IMAGE)
    source = Source(input=layer.name, height=layer.height, width=layer.width,
                    weight=torch.ones(1, layer.channels, 1, 1, dtype=torch.int64),
                    stride=max(layer.height, layer.width))
    readout = IntegerLayer(name="readout", sources=(source,), output="readout",
                           bias=torch.zeros(1, dtype=torch.int64))
    network = IntegerNetwork(
        name="attention", timesteps=block.network.timesteps, input_bits=0,
        layers=(alone, readout), input_shape=(3 * layer.channels, layer.height, layer.width))
    maps = block.network.run(block.inputs)[layer.input].maps
    assert maps is not None
    return network, maps.transpose(0, 1).to(torch.uint8)


def calibrate(network: IntegerNetwork, image: Tensor
              ) -> tuple[IntegerNetwork, dict[str, Tensor], dict[str, float]]:
    """Scale all thresholds so that about `RATE` of the spikes are 1.

    Poolings of spikes and layers that never fire stay as they are.

    Returns
    -------
    IntegerNetwork
    dict of str to Tensor[T, M, N]
        The currents of each layer.
    dict of str to float
        Share of 1 among its spikes.
    """
    layers: list[PsumLayer] = []
    maps, known, rates = {IMAGE: network.image_maps(image)}, {}, {}
    for layer in network.layers:
        if isinstance(layer, PoolLayer):
            inputs = [lift(known[layer.pooled], len(image), layer.height, layer.width)]
        else:
            inputs = [maps[reader.input] for reader in layer.readers]
        residual = known[layer.residual] if layer.residual else None
        currents = layer.currents(layer.psums(layer.rows(inputs)), residual)
        if layer.output == "spikes":
            if _is_scaled(layer):
                layer = replace(layer, threshold=_threshold(layer, currents))
            spikes = layer.spikes(currents)
            maps[layer.name] = layer.stored(spikes, len(image))
            if spikes.any():
                rates[layer.name] = float(spikes.double().mean())
        known[layer.name] = currents
        layers.append(layer)
    return replace(network, layers=tuple(layers)), known, rates


def _is_scaled(layer: PsumLayer) -> bool:
    assert layer.threshold is not None
    pools = isinstance(layer, IntegerLayer) and layer.name.endswith(".pool")
    return not pools and int(layer.threshold.max()) < _SILENT


def _threshold(layer: PsumLayer, currents: Tensor) -> Tensor:
    """Return the thresholds times the factor with which about `RATE` of the spikes are 1."""
    assert layer.threshold is not None and layer.lif is not None
    low, high = 0.0, 64.0
    table = layer.threshold
    for _ in range(16):
        factor = (low + high) / 2
        table = (layer.threshold * factor).round().clamp(min=1).to(torch.int64)
        spikes = plif(currents, torch.zeros_like(layer.bias), table, layer.lif)
        low, high = (factor, high) if spikes.double().mean() > RATE else (low, factor)
    return table


def membrane_layers(position: PsumLayer) -> tuple[IntegerLayer, IntegerLayer]:
    """Return two layers that put membranes together from their bits: the high ones, then all.

    The second one has the name, the neurons and so the spikes of ``position``.
    """
    channels, (height, width) = position.channels, position.maps
    zero = torch.zeros(channels, dtype=torch.int64)

    def source(places: Sequence[tuple[int, int]], size: tuple[int, int],
               signed: bool) -> tuple[Source]:
        weight = torch.zeros(size, dtype=torch.int64)
        for bit, (y, x) in enumerate(places):
            weight[y, x] = -1 << bit if signed and bit == len(places) - 1 else 1 << bit
        return (Source(input=IMAGE, weight=weight.repeat(channels, 1, 1, 1), groups=channels,
                       height=_SIDE * height, width=_SIDE * width, stride=_SIDE),)

    high = IntegerLayer(
        name="membrane.high", sources=source(_HIGH, (4, 2), True), bias=zero, lif=position.lif,
        threshold=zero + _SILENT, requantize=(zero + (1 << len(_LOW)), zero), keep_residual=True)
    return high, IntegerLayer(
        name=position.name, sources=source(_LOW, (2, 4), False), bias=zero, lif=position.lif,
        threshold=position.threshold, residual=high.name, keep_residual=True)


def membrane_bits(membranes: Tensor, position: PsumLayer) -> Tensor:
    """Return the spikes that `membrane_layers` reads, as `Block.inputs`.

    Parameters
    ----------
    membranes : Tensor[T, M, N]
        int64, of 12 bits.
    position : PsumLayer
        Whose they are.

    Raises
    ------
    ValueError
        One does not fit.
    """
    low, high = int(membranes.min()), int(membranes.max())
    if not -_LIMIT <= low <= high < _LIMIT:
        raise ValueError(f"membranes must be in {-_LIMIT}..{_LIMIT - 1}, not {low}..{high}")
    height, width = position.maps
    values = lift(membranes, 1, height, width)[:, 0]  # [T, C, H, W]
    pixels = values.new_zeros(*values.shape[:3], _SIDE, width, _SIDE, dtype=torch.uint8)
    for bit, (y, x) in enumerate((*_LOW, *_HIGH)):
        pixels[:, :, :, y, :, x] = values >> bit & 1
    return pixels.flatten(4, 5).flatten(2, 3)[None]
