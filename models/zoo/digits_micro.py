# SPDX-License-Identifier: Apache-2.0
"""Small spiking network for handwritten digits, for the smallest accelerator.

Four timesteps of spikes, which the host makes of an image; two convolutions with a stride of 2
and a readout. Neurons have a time constant of 2 and a hard reset. Half of the weights are pruned
to zero, the others have 4 bits with a power-of-two scale for each channel.

``python -m spikeloom.models.zoo.digits_micro train`` reproduces the weight file, byte for byte on
the same kind of CPU, in a minute or two.
"""

from ..data import flashes
from ..golden.layer import IMAGE
from ..nn.layer_config import LayerConfig, SourceConfig
from ..nn.recipe import Recipe, TrainingPlan
from ..nn.training import STILL, TrainingConfig
from .command import training_app

__all__ = ["RECIPE", "app"]


def _conv(name: str, source: str, inputs: int, side: int) -> LayerConfig:
    return LayerConfig(name=name, outputs=16, sources=(SourceConfig(
        input=source, inputs=inputs, height=side, width=side, stride=2,
        frames=source == IMAGE),))


RECIPE = Recipe(
    name="digits_micro",
    layers=(
        _conv("conv1", IMAGE, flashes.CHANNELS, flashes.SIDE),
        _conv("conv2", "conv1", 16, 7),
        LayerConfig(name="fc", outputs=10, lif=None, sources=(SourceConfig(
            input="conv2", inputs=16, height=4, width=4, kernel=(4, 4), padding=(0, 0)),)),
    ),
    timesteps=flashes.STEPS,
    weight_bits=4,
    plan=TrainingPlan(
        floating=TrainingConfig(epochs=20, rate=1e-2, augmentation=STILL, smoothing=0.05),
        quantized=TrainingConfig(epochs=10, rate=2e-3, augmentation=STILL, smoothing=0.05),
        sparsity=0.5),
    load_training=flashes.load_training, load_test=flashes.load_test)

app = training_app(RECIPE)

if __name__ == "__main__":
    app()
