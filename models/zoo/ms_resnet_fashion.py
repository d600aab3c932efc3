# SPDX-License-Identifier: Apache-2.0
"""MS-ResNet-style dual-sparse spiking network for Fashion-MNIST: shortcuts of membranes.

A block adds its convolutions to the current that drove the neurons before it,
``x' = x + conv(LIF(conv(LIF(x))))`` (Y. Hu et al., 2021); these currents are kept as 16-bit
residuals. The block that changes the size has a 1x1 convolution of the spikes in place of ``x``.
Four timesteps, direct encoding; 96 % of the weights are pruned to zero, the others have 8 bits.

``python -m spikeloom.models.zoo.ms_resnet_fashion train`` reproduces the weight file on the same
kind of CPU.
"""

from ..data import fashion
from ..nn.layer_config import LayerConfig
from ..nn.recipe import Recipe
from .command import training_app
from .fashion_layers import DISTORTED, conv, plan, projection, readout, stem

__all__ = ["RECIPE", "app"]


def _transition(number: int, source: str, inputs: int, outputs: int, side: int,
                stride: int = 2) -> tuple[LayerConfig, LayerConfig]:
    """Return a block with another size behind it; ``side`` is that of its input."""
    first, second = f"block{number}a", f"block{number}b"
    return (conv(first, source, inputs, outputs, side, stride),
            conv(second, first, outputs, outputs, -(-side // stride), keep_residual=True,
                 shortcut=projection(source, inputs, side, stride)))


def _block(number: int, source: str, channels: int, side: int) -> tuple[LayerConfig, LayerConfig]:
    """Return a block with a membrane shortcut."""
    first, second = f"block{number}a", f"block{number}b"
    return (conv(first, source, channels, channels, side),
            conv(second, first, channels, channels, side, residual=source, keep_residual=True))


RECIPE = Recipe(
    name="ms_resnet_fashion",
    layers=(
        stem(24, stride=2),
        *_transition(1, "stem", 24, 24, 14, stride=1),
        *_transition(2, "block1b", 24, 48, 14),
        *_block(3, "block2b", 48, 7),
        *_transition(4, "block3b", 48, 64, 7),
        *_block(5, "block4b", 64, 4),
        readout("block5b", 64, 4, mean_pool=4),
    ),
    timesteps=4,
    plan=plan(8, DISTORTED),
    load_training=fashion.load_training, load_test=fashion.load_test)

app = training_app(RECIPE)

if __name__ == "__main__":
    app()
