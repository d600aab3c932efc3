# SPDX-License-Identifier: Apache-2.0
"""Small untrained spiking transformers whose layers are all alive, and inputs for them."""

from typing import Any

import torch
from torch import Tensor

from ..models.nn.layers import SpikingNetwork
from ..models.nn.statten_shape import StattenShape
from ..models.nn.training import operand
from ..models.zoo.statten import build

__all__ = ["SHAPES", "alive", "inputs"]

_SMALL: dict[str, Any] = {"inputs": 1, "classes": 4, "channels": 16, "heads": 2, "hidden_ratio": 2}
SHAPES = {
    "still": StattenShape(side=12, timesteps=4, chunk_steps=2, **_SMALL),
    "odd grid": StattenShape(side=14, timesteps=4, chunk_steps=4, depth=1, pools="1010", **_SMALL),
    "no pool": StattenShape(side=5, timesteps=3, chunk_steps=3, depth=1, pools="0000", **_SMALL),
    "sdt": StattenShape(side=12, timesteps=4, chunk_steps=2, attention="sdt", **_SMALL),
    "ssa": StattenShape(side=8, timesteps=4, chunk_steps=2, attention="ssa", pools="0010",
                        depth=1, **_SMALL),
    "frames": StattenShape(side=8, timesteps=6, chunk_steps=3, frames=True, depth=1, **_SMALL),
    "events": StattenShape(side=12, timesteps=4, chunk_steps=2, frames=True, events=True,
                           pools="1001", **{**_SMALL, "inputs": 2}),
    "odd events": StattenShape(side=9, timesteps=5, chunk_steps=5, frames=True, events=True,
                               pools="0011", depth=1, **{**_SMALL, "inputs": 2}),
}


def inputs(shape: StattenShape, count: int, seed: int = 1) -> Tensor:
    """Return random images, or spikes for each timestep, uint8."""
    generator = torch.Generator().manual_seed(seed)
    size = (shape.inputs, shape.side, shape.side)
    if not shape.frames:
        return torch.randint(256, (count, *size), generator=generator, dtype=torch.uint8)
    chance = torch.rand(count, shape.timesteps, *size, generator=generator)
    return (chance < 0.3).to(torch.uint8)


@torch.no_grad()
def alive(shape: StattenShape, seed: int = 1) -> SpikingNetwork:
    """Return a network with random norms, in evaluation mode, in which every layer fires."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = build(shape)
        for layer in network.trained.values():
            if layer.norm is None:
                if layer.bias is not None:
                    layer.bias.normal_()
                continue
            layer.norm.momentum = None  # means over all it sees
            layer.norm.weight.uniform_(0.7, 2)
            layer.norm.bias.uniform_(0.2, 0.9)
        network.train()(operand(inputs(shape, 16, seed)))
    return network.eval()
