# SPDX-License-Identifier: Apache-2.0
"""Integer network of spike times: what the time-to-first-spike core computes, bit for bit."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from .checks import check_int, check_range, check_rank
from .errors import GoldenError, NetworkError
from .ttfs_layers import (
    IMAGE,
    TTFSAdd,
    TTFSConcat,
    TTFSDelay,
    TTFSFirst,
    TTFSLayer,
    TTFSMinPool,
    TTFSNeurons,
    TTFSSplit,
)
from .ttfs_neuron import ttfs_conv
from .ttfs_ops import add_times, channel_shuffle, decide, delay, first_layer, min_pool

__all__ = ["TTFSNetwork", "TTFSTrace"]


@dataclass(frozen=True, kw_only=True, eq=False)
class TTFSTrace:
    """What a network computed for some images.

    Parameters
    ----------
    times : dict of str to Tensor[B, C, H, W]
        int64; spike times of each layer, ``silent`` for never.
    classes : Tensor[B]
        int64; the lowest of the classes whose neurons fire first, 0 if none does.
    decisions : Tensor[B]
        int64; the time of that first spike, ``silent`` if the image is undecided.
    """

    times: dict[str, Tensor]
    classes: Tensor
    decisions: Tensor


@dataclass(frozen=True, kw_only=True, eq=False)
class TTFSNetwork:
    """Network whose neurons fire once at most; each layer is a function of spike times.

    The first layer is a `TTFSFirst`, the last a `TTFSNeurons` with a 1x1 map: one neuron a class.

    Parameters
    ----------
    name : str
    time_bits : int
        Bits of a time word, 2..16; the largest word means never.
    tau_shift : int
        The time constant is ``2**tau_shift`` steps.
    guard_bits : int
        Fraction bits of charge and potential where the kernel is exponential.
    input_shape : tuple of int
        Channels, height and width of an image.
    layers : tuple of TTFSLayer
        In an order in which each reads only earlier ones.

    Attributes
    ----------
    shapes : dict of str to tuple of int
        Channels, height and width of each layer's output, and of the image.

    Raises
    ------
    GoldenError
        If the layers do not fit together.
    """

    name: str
    time_bits: int = 8
    tau_shift: int
    guard_bits: int = 8
    input_shape: tuple[int, int, int]
    layers: tuple[TTFSLayer, ...]
    shapes: dict[str, tuple[int, int, int]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        check_int("time_bits", self.time_bits, 2, 16)
        check_int("tau_shift", self.tau_shift, 0, 15)
        check_int("guard_bits", self.guard_bits, 0, 16)
        for index in range(3):
            check_int(f"input_shape[{index}]", self.input_shape[index], 1, 4096)
        firsts = [index for index, layer in enumerate(self.layers) if isinstance(layer, TTFSFirst)]
        if firsts != [0]:
            raise NetworkError(f"{self.name}: the first layer, and no other, must be a TTFSFirst")
        self.shapes[IMAGE] = self.input_shape
        for layer in self.layers:
            self._add(layer)
        last = self.layers[-1]
        if not isinstance(last, TTFSNeurons) or self.shapes[last.name][1:] != (1, 1):
            raise NetworkError(f"{self.name}: the last layer must be TTFSNeurons with a 1x1 map, "
                               f"not {type(last).__name__} of shape {self.shapes[last.name]}")

    def _add(self, layer: TTFSLayer) -> None:
        if layer.name in self.shapes:
            raise NetworkError(f"{self.name}: there must be one {layer.name}, not several")
        for source in layer.sources:
            known = source in self.shapes
            if not known or (source == IMAGE) != isinstance(layer, TTFSFirst):
                raise NetworkError(f"{layer.name}: source must be an earlier layer, or the image "
                                   f"for the first, not {source!r}")
        window = getattr(layer, "window", 0)
        check_int(f"{layer.name}: window", window, 0, self.silent - 1)
        if isinstance(layer, TTFSDelay):
            check_range(f"{layer.name}: delays", layer.delays, 0, self.silent)
        self.shapes[layer.name] = layer.output_shape(
            [self.shapes[source] for source in layer.sources])

    @property
    def silent(self) -> int:
        """Time word that means never."""
        return (1 << self.time_bits) - 1

    @property
    def classes(self) -> int:
        """Number of classes."""
        return self.shapes[self.layers[-1].name][0]

    def __getitem__(self, name: str) -> TTFSLayer:
        """Return the layer of that name."""
        for layer in self.layers:
            if layer.name == name:
                return layer
        raise NetworkError(f"layer must be one of {', '.join(x.name for x in self.layers)}, "
                           f"not {name!r}")

    def run(self, images: Tensor) -> TTFSTrace:
        """Compute the spike times of every layer over the whole window.

        Parameters
        ----------
        images : Tensor[B, C, H, W]
            Integers, 0..255.

        Raises
        ------
        GoldenError
            If the images do not fit.
        """
        check_rank("images", images, 4)
        if images.shape[1:] != self.input_shape:
            raise GoldenError(f"images must be of shape {self.input_shape}, "
                              f"not {tuple(images.shape[1:])}")
        times = {IMAGE: images}
        for layer in self.layers:
            times[layer.name] = self._apply(layer, [times[source] for source in layer.sources])
        del times[IMAGE]
        classes, decisions = decide(times[self.layers[-1].name].flatten(1), self.silent)
        return TTFSTrace(times=times, classes=classes, decisions=decisions)

    def predict(self, images: Tensor, batch: int = 100) -> Tensor:
        """Return the class of each image, int64[B], in batches to save memory."""
        return torch.cat([self.run(part).classes for part in images.split(batch)])

    def _apply(self, layer: TTFSLayer, inputs: list[Tensor]) -> Tensor:
        match layer:
            case TTFSFirst():
                return first_layer(inputs[0], layer.weight, layer.bias, shift=layer.shift,
                                   padding=layer.padding, window=layer.window)
            case TTFSNeurons():
                return ttfs_conv(
                    inputs[0], layer.weight, stride=layer.stride, padding=layer.padding,
                    kernel=layer.kernel, tau_shift=self.tau_shift,
                    threshold_shift=layer.threshold_shift, guard_bits=self.guard_bits,
                    window=layer.window, silent=self.silent)
            case TTFSMinPool():
                return min_pool(inputs[0], layer.size, layer.stride, layer.padding, self.silent)
            case TTFSDelay():
                return delay(inputs[0], layer.delays, self.silent)
            case TTFSAdd():
                return add_times(inputs[0], inputs[1], self.silent)
            case TTFSConcat():
                return channel_shuffle(torch.cat(inputs, 1), layer.groups)
            case TTFSSplit():
                return inputs[0][:, layer.first:layer.first + layer.channels]
        raise NetworkError(f"{layer.name}: no layer of kind {type(layer).__name__}")
