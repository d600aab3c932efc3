# SPDX-License-Identifier: Apache-2.0
"""VGG-style dual-sparse spiking network for Fashion-MNIST.

Four timesteps, direct encoding. Convolutions of 3x3 and OR pooling, one after the other; 96 % of
the weights are pruned to zero, the others have 8 bits.

``python -m spikeloom.models.zoo.vgg_fashion train`` reproduces the weight file on the same kind
of CPU.
"""

from ..data import fashion
from ..nn.recipe import Recipe
from .command import training_app
from .fashion_layers import DISTORTED, conv, plan, readout, stem

__all__ = ["RECIPE", "app"]

RECIPE = Recipe(
    name="vgg_fashion",
    layers=(
        stem(32, pool=2),
        conv("conv2", "stem", 32, 32, 14, pool=2),
        conv("conv3", "conv2", 32, 64, 7),
        conv("conv4", "conv3", 64, 64, 7, pool=2),
        conv("conv5", "conv4", 64, 128, 3),
        conv("conv6", "conv5", 128, 128, 3),
        readout("conv6", 128, 3),
    ),
    timesteps=4,
    plan=plan(10, DISTORTED),
    load_training=fashion.load_training, load_test=fashion.load_test)

app = training_app(RECIPE)

if __name__ == "__main__":
    app()
