# SPDX-License-Identifier: Apache-2.0
"""A block of a spiking transformer at the size that was published, with random weights."""

import torch
from torch import Tensor

from ..models.golden.layer import AttentionLayer, PoolLayer
from ..models.golden.network import IntegerNetwork
from ..models.golden.plif import LIF
from .random_networks import RandomWeights

__all__ = ["block_inputs", "block_network"]

_INPUTS = 32  # channels of the spikes that come in


def block_network(weights: RandomWeights, channels: int = 512, heads: int = 8, side: int = 8,
                  timesteps: int = 4, chunk_steps: int = 2) -> IntegerNetwork:
    """Return one block behind an embedding, and a head; the sizes are those of CIFAR 2-512."""
    image, near = (_INPUTS, side, side), (channels, side, side)
    embed = weights.layer("embed", weights.source("image", image, channels, (1, 1)),
                          shifts=(14, 15), keep_residual=True, reach=40)
    fused = weights.layer("qkv", weights.source("embed", near, 3 * channels, (1, 1)), reach=220)
    attend = AttentionLayer(
        name="attention", input="qkv", height=side, width=side, heads=heads,
        chunk_steps=chunk_steps, bias=weights.integers(0, 0, channels),
        threshold=weights.integers(channels // heads * chunk_steps // 8,
                                   channels // heads * chunk_steps, channels), lif=LIF())
    project = weights.layer("projection", weights.source("attention", near, channels, (1, 1)),
                            shifts=(16, 17), residual="embed", keep_residual=True, reach=40)
    hidden = weights.layer("hidden", weights.source("projection", near, 4 * channels, (1, 1)),
                           reach=300)
    output = weights.layer("output", weights.source("hidden", (4 * channels, side, side),
                                                    channels, (1, 1)), shifts=(16, 17),
                           residual="projection", keep_residual=True, reach=60)
    head = PoolLayer(
        name="head", pooled="output", height=side, width=side, kind="sum", window=(side, side),
        bias=weights.integers(0, 0, channels), threshold=weights.integers(1, 900, channels),
        lif=LIF())
    readout = weights.layer("readout", weights.source("head", head.outputs, 10, (1, 1)),
                            output="readout")
    return IntegerNetwork(name="block", timesteps=timesteps, input_shape=image, input_bits=0,
                          layers=(embed, fused, attend, project, hidden, output, head,
                                  readout))


def block_inputs(network: IntegerNetwork, count: int, seed: int) -> Tensor:
    """Return random spikes, uint8[count, T, C, H, W]."""
    generator = torch.Generator().manual_seed(seed)
    shape = (count, network.timesteps, *network.input_shape)
    return (torch.rand(shape, generator=generator) < 0.3).to(torch.uint8)
