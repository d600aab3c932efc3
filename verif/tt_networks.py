# SPDX-License-Identifier: Apache-2.0
"""Small networks of tensor-train cores, and images for them."""

import torch

from ..models.data.labelled import LabelledImages
from ..models.nn.layers import SpikingNetwork
from ..models.nn.tensor_train_layer import floating_network
from ..models.nn.training import operand
from ..models.zoo.tt_layers import MsResNet

__all__ = ["MODES", "RANKS", "SHAPE", "frames", "network_of", "pictures"]

SHAPE = MsResNet(inputs=1, side=8, stem=5, blocks=((6, 2), (6, 1), (8, 2)), classes=4,
                 timesteps=4)
RANKS = (2, 3, 3, 4, 3, 4)
MODES = ("dense", "stt", "ptt", "htt")


def pictures(count: int = 96) -> LabelledImages:
    """Images of 8x8 pixels with one bright corner, which is the class."""
    generator = torch.Generator().manual_seed(1)
    labels = torch.randint(0, 4, (count,), generator=generator)
    images = torch.randint(0, 40, (count, 8, 8), generator=generator, dtype=torch.uint8)
    for image, label in zip(images, labels.tolist(), strict=True):
        image[label // 2 * 4:label // 2 * 4 + 4, label % 2 * 4:label % 2 * 4 + 4] += 200
    return LabelledImages(images=images, labels=labels)


def frames(count: int = 96) -> LabelledImages:
    """The same as spikes of four timesteps: bits of the pixels."""
    data = pictures(count)
    spikes = data.images[:, None, None] >> torch.arange(4, 8).view(4, 1, 1, 1) & 1
    return LabelledImages(images=spikes.to(torch.uint8), labels=data.labels)


def network_of(mode: str, shape: MsResNet) -> SpikingNetwork:
    """Return an untrained network whose norms have seen some images."""
    torch.manual_seed(2)
    layers = shape.layers(mode, RANKS[:2 * len(shape.blocks)])
    network = floating_network(layers, shape.timesteps).train()
    images = operand((frames() if shape.frames else pictures()).images)
    with torch.no_grad():
        for _ in range(20):
            network(images)
    return network.eval()
