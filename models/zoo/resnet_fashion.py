# SPDX-License-Identifier: Apache-2.0
"""ResNet-style dual-sparse spiking network for Fashion-MNIST: shortcuts of spikes.

The input spikes of a block enter the current of its last neurons with a weight of 1, or through
a strided 1x1 convolution where the size changes. Average pooling at the end. Four timesteps,
direct encoding; 96 % of the weights are pruned to zero, the others have 8 bits.

``python -m spikeloom.models.zoo.resnet_fashion train`` reproduces the weight file on the same
kind of CPU.
"""

from ..data import fashion
from ..nn.layer_config import LayerConfig
from ..nn.recipe import Recipe
from .command import training_app
from .fashion_layers import DISTORTED, conv, identity, plan, projection, readout, stem

__all__ = ["RECIPE", "app"]


def _block(number: int, source: str, inputs: int, outputs: int,
           side: int) -> tuple[LayerConfig, LayerConfig]:
    """Return a block; one with more outputs than inputs halves the size."""
    first, second = f"block{number}a", f"block{number}b"
    if inputs == outputs:
        return (conv(first, source, inputs, outputs, side),
                conv(second, first, outputs, outputs, side,
                     shortcut=identity(source, inputs, side)))
    return (conv(first, source, inputs, outputs, side, stride=2),
            conv(second, first, outputs, outputs, -(-side // 2),
                 shortcut=projection(source, inputs, side, stride=2)))


RECIPE = Recipe(
    name="resnet_fashion",
    layers=(
        stem(24, stride=2),
        *_block(1, "stem", 24, 24, 14),
        *_block(2, "block1b", 24, 48, 14),
        *_block(3, "block2b", 48, 48, 7),
        *_block(4, "block3b", 48, 64, 7),
        *_block(5, "block4b", 64, 64, 4),
        readout("block5b", 64, 4, mean_pool=4),
    ),
    timesteps=4,
    plan=plan(8, DISTORTED),
    load_training=fashion.load_training, load_test=fashion.load_test)

app = training_app(RECIPE)

if __name__ == "__main__":
    app()
