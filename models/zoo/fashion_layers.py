# SPDX-License-Identifier: Apache-2.0
"""What the Fashion-MNIST networks share: shorthand for layers, the course of the training."""

from dataclasses import replace

from ..golden.layer import IMAGE
from ..nn.layers import LayerConfig, SourceConfig
from ..nn.recipe import Recipe, TrainingPlan
from ..nn.training import Augmentation, TrainingConfig

__all__ = ["CLASSES", "DISTORTED", "conv", "fine_tuning", "identity", "plan",
           "projection", "readout", "stem"]

CLASSES = 10
DISTORTED = Augmentation(degrees=0, scale=0.08, shear=0, shift=1.5, flip=True)


def plan(epochs: int, augmentation: Augmentation, rate: float = 4e-3) -> TrainingPlan:
    """Return a training of that many epochs, and a short one of the quantized network."""
    floating = TrainingConfig(epochs=epochs, rate=rate, smoothing=0.05,
                              augmentation=augmentation)
    quantized = TrainingConfig(epochs=1, rate=4e-4, images=20_000, smoothing=0.05,
                               augmentation=augmentation)
    return TrainingPlan(floating=floating, quantized=quantized, sparsity=0.955)


def fine_tuning(base: Recipe) -> Recipe:
    """Return a network tuned to do without neurons that fire once only, named ``BASE_ft``.

    Their spikes are silenced in all layers but the encoder (LoAS, section 5.2), and a short
    training makes up for them.
    """
    layers = tuple(replace(layer, drop_single=layer.lif is not None and not layer.encoder)
                   for layer in base.layers if isinstance(layer, LayerConfig))
    return replace(base, name=f"{base.name}_ft", layers=layers, base=base,
                   plan=plan(2, base.plan.floating.augmentation, rate=1e-3))


def conv(name: str, source: str, inputs: int, outputs: int, side: int, stride: int = 1,
         shortcut: SourceConfig | None = None, **fields) -> LayerConfig:
    """Return a 3x3 convolution, with a shortcut as its second source if there is one."""
    main = SourceConfig(input=source, inputs=inputs, height=side, width=side, stride=stride)
    return LayerConfig(name=name, sources=(main, shortcut) if shortcut else (main,),
                       outputs=outputs, **fields)


def stem(outputs: int, stride: int = 1, pool: int = 1) -> LayerConfig:
    """Return the encoder: a convolution that reads the image."""
    return conv("stem", IMAGE, 1, outputs, 28, stride, pool=pool)


def identity(source: str, channels: int, side: int) -> SourceConfig:
    """Return a shortcut: the spikes enter the current with a weight of 1."""
    return SourceConfig(input=source, inputs=channels, height=side, width=side, identity=True)


def projection(source: str, inputs: int, side: int, stride: int = 1) -> SourceConfig:
    """Return a shortcut through a 1x1 convolution."""
    return SourceConfig(input=source, inputs=inputs, height=side, width=side, kernel=(1, 1),
                        padding=(0, 0), stride=stride)


def readout(source: str, inputs: int, side: int, mean_pool: int = 1) -> LayerConfig:
    """Return the last layer: linear over the map, or over its means."""
    kernel = side // mean_pool
    return LayerConfig(name="readout", outputs=CLASSES, lif=None, sources=(
        SourceConfig(input=source, inputs=inputs, height=side, width=side,
                     kernel=(kernel, kernel), padding=(0, 0), mean_pool=mean_pool),))
