# SPDX-License-Identifier: Apache-2.0
"""Dual-sparse convolutional spiking network for handwritten digits.

Four timesteps, direct encoding: the first convolution reads pixels, all other layers read
spikes. Neurons have a time constant of 2 and a hard reset; pooling is the OR of spikes. 96 % of
the weights are pruned to zero (gradual magnitude pruning over all layers), the others have
8 bits with a power-of-two scale for each channel.

``python -m spikeloom.models.zoo.dual_sparse_cnn train`` reproduces the weight file, byte for
byte on the same kind of CPU, in some 20 minutes; on another one floating point may round
differently on the way.
"""

from ..data import digits
from ..golden.layer import IMAGE
from ..nn.layer_config import LayerConfig, SourceConfig
from ..nn.recipe import Recipe, TrainingPlan
from ..nn.training import TrainingConfig
from .command import training_app

__all__ = ["RECIPE", "app"]


def _conv(name: str, source: str, inputs: int, outputs: int, side: int) -> LayerConfig:
    return LayerConfig(name=name, outputs=outputs, pool=2, sources=(
        SourceConfig(input=source, inputs=inputs, height=side, width=side),))


def _linear(name: str, source: str, inputs: int, outputs: int, side: int,
            **fields) -> LayerConfig:
    return LayerConfig(name=name, outputs=outputs, sources=(
        SourceConfig(input=source, inputs=inputs, height=side, width=side, kernel=(side, side),
                     padding=(0, 0)),), **fields)


RECIPE = Recipe(
    name="dual_sparse_cnn",
    layers=(
        _conv("conv1", IMAGE, 1, 32, 28),
        _conv("conv2", "conv1", 32, 64, 14),
        _conv("conv3", "conv2", 64, 64, 7),
        _linear("fc1", "conv3", 64, 128, 3),
        _linear("fc2", "fc1", 128, 10, 1, lif=None),
    ),
    timesteps=4,
    plan=TrainingPlan(
        floating=TrainingConfig(epochs=30, rate=3e-3, batch=32, smoothing=0.05),
        quantized=TrainingConfig(epochs=5, rate=3e-4, batch=32, smoothing=0.05)),
    load_training=digits.load_training, load_test=digits.load_test)

app = training_app(RECIPE)

if __name__ == "__main__":
    app()
