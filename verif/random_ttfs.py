# SPDX-License-Identifier: Apache-2.0
"""Random networks of spike times, small and of the published shapes, whose neurons do fire."""

import torch

from ..models.golden.ttfs_layers import (
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
from ..models.golden.ttfs_network import TTFSNetwork
from ..models.golden.ttfs_neuron import Kernel

__all__ = ["SHAPES", "random_images", "random_network"]

SHAPES = ("base", "res", "shuffle", "delay")  # the skip connections of a network


class _Builder:
    """Layers with random weights, one after the other."""

    def __init__(self, seed: int, kernel: Kernel | None, window: int, weight_bits: int):
        self.peak = (1 << (weight_bits - 1)) - 1
        self.layers: list[TTFSLayer] = []
        self.kernel: Kernel | None = kernel
        self.window = window
        self._generator = torch.Generator().manual_seed(seed)

    def ints(self, low: int, high: int, *shape: int) -> torch.Tensor:
        return torch.randint(low, high + 1, shape, generator=self._generator)

    def first(self, channels: int, inputs: int) -> str:
        peak = self.peak
        weight = self.ints(-peak * 4 // 5, peak * 7 // 8, channels, inputs, 5, 5)
        self.layers.append(TTFSFirst(
            name="first", sources=(IMAGE,), weight=weight, bias=self.ints(-70 * peak, 0, channels),
            shift=(800 * peak // self.window).bit_length(), padding=2, window=self.window))
        return "first"

    def neurons(self, name: str, source: str, channels: int, inputs: int, *, size: int = 3,
                stride: int = 1, padding: int = 1, window: int = 0) -> str:
        peak = min(self.peak, 40)
        weight = self.ints(-peak * 5 // 8, peak, channels, inputs, size, size)
        threshold = (inputs * size * size * peak // 40).bit_length()
        kernels: tuple[Kernel, Kernel] = ("linear", "exponential")
        kernel = self.kernel or kernels[len(self.layers) % 2]
        self.layers.append(TTFSNeurons(
            name=name, sources=(source,), weight=weight, stride=stride, padding=padding,
            kernel=kernel, threshold_shift=threshold, window=window or self.window))
        return name

    def min_pool(self, name: str, source: str) -> str:
        self.layers.append(TTFSMinPool(name=name, sources=(source,)))
        return name

    def delay(self, name: str, source: str, channels: int, most: int) -> str:
        self.layers.append(TTFSDelay(name=name, sources=(source,),
                                     delays=self.ints(0, most, channels)))
        return name

    def concat(self, name: str, *sources: str, groups: int = 1) -> str:
        self.layers.append(TTFSConcat(name=name, sources=sources, groups=groups))
        return name

    def split(self, name: str, source: str, first: int, channels: int) -> str:
        self.layers.append(TTFSSplit(name=name, sources=(source,), first=first,
                                     channels=channels))
        return name

    def add(self, name: str, one: str, other: str) -> str:
        self.layers.append(TTFSAdd(name=name, sources=(one, other)))
        return name


def random_network(shape: str, *, seed: int = 1, channels: int = 32, side: int = 28,
                   classes: int = 10, inputs: int = 1, time_bits: int = 8, tau_shift: int = 4,
                   guard_bits: int = 8, weight_bits: int = 8, kernel: Kernel | None = None,
                   most_delay: int = 15) -> TTFSNetwork:
    """Return a network of the published form with random weights.

    Parameters
    ----------
    shape : str
        One of `SHAPES`: no skip, addition, concatenation, concatenation with delays.
    channels : int
        Of the first stage; the second has twice as many.
    side : int
        Of the image.
    kernel : "linear" or "exponential" or None
        None: layers take turns.
    most_delay : int
        Largest random delay.
    """
    window = min(6 << tau_shift, ((1 << time_bits) - 2) // (4 if shape == "res" else 1))
    build = _Builder(seed, kernel, window, weight_bits)
    quarter = (side // 2 + 3) // 4  # side of the last map
    wide = 2 * channels
    if shape in ("shuffle", "delay"):
        source, features = _concatenations(build, shape, channels, inputs, most_delay)
    else:
        source, features = build.first(channels, inputs), wide
        for stage, (into, out) in enumerate(((channels, channels), (channels, wide)), 1):
            conv = build.neurons(f"conv{stage}a", source, out, into, stride=2,
                                 window=window * stage)
            conv = build.neurons(f"conv{stage}b", conv, out, out, window=window * stage)
            if shape == "res":
                skip = build.min_pool(f"skip{stage}", source)
                if into != out:
                    skip = build.concat(f"twice{stage}", skip, skip)
                conv = build.add(f"sum{stage}", conv, skip)
            source = conv
    build.neurons("output", source, classes, features, size=quarter, padding=0,
                  window=window * (4 if shape == "res" else 1))
    return TTFSNetwork(name=f"random_{shape}", time_bits=time_bits, tau_shift=tau_shift,
                       guard_bits=guard_bits, input_shape=(inputs, side, side),
                       layers=tuple(build.layers))


def _concatenations(build: _Builder, shape: str, channels: int, inputs: int,
                    most_delay: int) -> tuple[str, int]:
    """Add first layer and both stages; return the last layer and its channels."""
    wide = 2 * channels
    source, features = build.first(wide, inputs), wide
    for stage, out in ((1, channels), (2, wide)):
        through = build.split(f"through{stage}", source, 0, features // 2)
        around = build.split(f"around{stage}", source, features // 2, features // 2)
        conv = build.neurons(f"conv{stage}a", through, out, features // 2, stride=2)
        conv = build.neurons(f"conv{stage}b", conv, out, out)
        skip = build.min_pool(f"skip{stage}", around)
        if shape == "delay":
            skip = build.delay(f"delayed{stage}", skip, features // 2, most_delay)
        joined = features // 2 + out
        source = build.concat(f"joined{stage}", skip, conv, groups=2)
        features = joined
    return source, features


def random_images(network: TTFSNetwork, count: int, seed: int = 1) -> torch.Tensor:
    """Return images, uint8 values as int64[B, C, H, W], with dark borders as digits have."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 256, (count, *network.input_shape), generator=generator)
    border = network.input_shape[1] // 6
    images[:, :, :border] = 0
    images[:, :, -border or None:] = 0
    return images
