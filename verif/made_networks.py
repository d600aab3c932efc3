# SPDX-License-Identifier: Apache-2.0
"""Small made-up networks, alive in each layer, that together use all that a golden layer can do."""

from dataclasses import replace
from typing import cast

import numpy as np
import torch
from torch import Tensor

from ..models.golden.layer import IntegerLayer, Source
from ..models.golden.network import IntegerNetwork
from ..models.golden.plif import LIF

__all__ = ["Made", "alive", "chain", "integers", "shortcuts", "small_images", "swap"]


class Made:
    """Makes layers with random weights and tables."""

    def __init__(self, seed: int = 7):
        self.rng = np.random.default_rng(seed)

    def table(self, low: int, high: int, count: int) -> Tensor:
        """Return integers, ``high`` not among them."""
        return torch.from_numpy(self.rng.integers(low, high, count))

    def source(self, given: str, shape: tuple[int, ...], size: tuple[int, int],
               density: float = 0.3, **fields) -> Source:
        """Return a source; ``size`` is that of its input."""
        weight = self.rng.integers(-128, 128, shape) * (self.rng.random(shape) < density)
        return Source(input=given, weight=torch.from_numpy(weight), height=size[0], width=size[1],
                      **fields)

    def layer(self, name: str, *sources: Source, threshold: int = 40,
              scale: tuple[int, int] | None = None, **fields) -> IntegerLayer:
        """Return a layer; ``scale`` are the limits of a requantization's shifts."""
        count = sources[0].weight.shape[0]
        if fields.get("output", "spikes") == "spikes":
            fields |= {"lif": LIF(), "threshold": torch.full((count,), threshold)}
        if scale is not None:
            fields["requantize"] = self.table(1 << 14, 1 << 15, count), self.table(*scale, count)
        return IntegerLayer(name=name, sources=sources, bias=self.table(-9, 9, count), **fields)


def chain() -> IntegerNetwork:
    """Return an encoder, a convolution, two linear layers."""
    made = Made()
    return IntegerNetwork(name="small", timesteps=3, input_shape=(1, 8, 8), layers=(
        made.layer("conv1", made.source("image", (4, 1, 3, 3), (8, 8), padding=(1, 1)),
                   threshold=4000, pool=2, input_bits=8),
        made.layer("conv2", made.source("conv1", (5, 4, 3, 3), (4, 4), padding=(1, 1)), pool=2),
        made.layer("fc1", made.source("conv2", (6, 5, 2, 2), (2, 2))),
        made.layer("fc2", made.source("fc1", (3, 6, 1, 1), (1, 1)), output="readout")))


def shortcuts() -> IntegerNetwork:
    """Return one with all else: two sources, residuals, pooled sums, dropped words."""
    made = Made(3)
    eye = torch.full((6, 1, 1, 1), 64)
    return IntegerNetwork(name="shortcuts", timesteps=4, input_shape=(2, 9, 8), layers=(
        made.layer("stem", made.source("image", (6, 2, 3, 2), (9, 8), padding=(1, 1)), pool=3,
                   threshold=3000, input_bits=8, drop_single=True),
        made.layer("a", made.source("stem", (6, 6, 3, 3), (3, 3), padding=(1, 1)),
                   Source(input="stem", weight=eye, height=3, width=3, groups=6), threshold=60,
                   scale=(9, 11), keep_residual=True),
        made.layer("b", made.source("a", (6, 6, 1, 3), (3, 3), padding=(0, 1)), threshold=70,
                   scale=(9, 11), residual="a", keep_residual=True),
        made.layer("c", made.source("b", (6, 3, 3, 3), (3, 3), padding=(1, 1), groups=2),
                   residual="b", drop_single=True),
        made.layer("d", made.source("c", (4, 6, 2, 2), (3, 3), stride=2, padding=(1, 1)),
                   made.source("b", (4, 6, 1, 1), (3, 3), stride=2), threshold=30),
        made.layer("out", made.source("d", (3, 4, 1, 1), (2, 2), density=0.9, sum_pool=2),
                   output="readout")))


def integers() -> IntegerNetwork:
    """Return one whose layers hand on integers, signed and unsigned."""
    made = Made(5)
    return IntegerNetwork(name="integers", timesteps=2, input_shape=(1, 6, 6), layers=(
        made.layer("a", made.source("image", (4, 1, 3, 3), (6, 6), stride=2), input_bits=8,
                   scale=(23, 25), output="integers", out_bits=6, out_signed=True),
        made.layer("b", made.source("a", (5, 4, 2, 2), (2, 2), density=0.8), input_bits=6,
                   input_signed=True, scale=(20, 22), output="integers", out_bits=4),
        made.layer("out", made.source("b", (3, 5, 1, 1), (1, 1), density=0.9), input_bits=4,
                   output="readout")))


def alive(network: IntegerNetwork) -> IntegerNetwork:
    """Return the network with thresholds that let a part of the neurons of each channel fire."""
    images = small_images(network, 12)
    for index, layer in enumerate(network.layers):
        if layer.threshold is not None:
            currents = network.run(images)[layer.name].currents.flatten(0, 1).double()
            threshold = (torch.quantile(currents, 0.6, dim=0) / 2).long() + 1
            network = swap(network, index, threshold=threshold)
    return network


def small_images(network: IntegerNetwork, count: int = 2) -> Tensor:
    """Return images, uint8[count, C, H, W]."""
    pixels = np.random.default_rng(8).integers(0, 256, (count, *network.input_shape), np.uint8)
    return torch.from_numpy(pixels)


def swap(network: IntegerNetwork, index: int, source: dict | None = None,
         **fields) -> IntegerNetwork:
    """Return the network with other fields in one layer, or in its first source."""
    layers = list(network.layers)
    if source:
        first, *others = cast(IntegerLayer, layers[index]).sources
        fields["sources"] = (replace(first, **source), *others)
    layers[index] = replace(layers[index], **fields)
    return replace(network, layers=tuple(layers))
