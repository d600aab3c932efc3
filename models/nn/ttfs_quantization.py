# SPDX-License-Identifier: Apache-2.0
"""From a trained network of neurons that spike once to the integer one, without retraining.

Weights get 8 bits and one power of two a layer as their scale, which makes the threshold a power
of two. Times become steps: ``2**tau_shift`` of them are a time constant with the linear kernel.
With the exponential kernel a step leaves ``1 - 2**-tau_shift`` of the current, so that a time
constant has ``-1 / log(1 - 2**-tau_shift)`` steps, a little fewer.
"""

import math
from collections.abc import Iterator
from typing import cast

import torch
from torch import Tensor

from ..golden.layer import PIXEL_BITS
from ..golden.ttfs_layers import (
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
from ..golden.ttfs_network import TTFSNetwork
from .ttfs_network import FirstSpikeNetwork
from .ttfs_neuron import FirstSpikeLayer, Kernel

__all__ = ["integer_first_spike", "power_of_two", "steps_per_tau"]

_LARGEST = 127  # weight


def steps_per_tau(kernel: Kernel, tau_shift: int) -> float:
    """Time constant of the integer neurons, in steps."""
    if kernel == "linear":
        return float(1 << tau_shift)
    return -1 / math.log(1 - 0.5 ** tau_shift)


def power_of_two(weight: Tensor) -> int:
    """Return the largest exponent with which all weights fit into 8 bits."""
    return math.floor(math.log2(_LARGEST / float(weight.abs().max())))


def integer_first_spike(name: str, network: FirstSpikeNetwork, tau_shift: int = 4,
                        time_bits: int = 8) -> TTFSNetwork:
    """Return the integer network.

    Parameters
    ----------
    name : str
    network : FirstSpikeNetwork
        Trained.
    tau_shift : int
        Resolution of time.
    time_bits : int
        Of the time words; the windows are cut so that they fit.
    """
    steps = steps_per_tau(network.shape.kernel, tau_shift)
    latest = (1 << time_bits) - 2
    with torch.no_grad():
        layers = tuple(_layers(network, steps, latest))
    return TTFSNetwork(name=name, time_bits=time_bits, tau_shift=tau_shift,
                       input_shape=(1, network.shape.side, network.shape.side), layers=layers)


def _layers(network: FirstSpikeNetwork, steps: float, latest: int) -> Iterator[TTFSLayer]:
    yield _stem(network, steps, latest)
    source = "stem"
    for stage in (1, 2):
        first, second = f"conv{2 * stage}", f"conv{2 * stage + 1}"
        layers = [cast(FirstSpikeLayer, network.convolutions[2 * stage - 2 + index])
                  for index in (0, 1)]
        straight, branch = source, source
        if network.shape.skip == "concatenation":
            straight, branch, width = f"straight{stage}", f"branch{stage}", network.shape.width
            yield TTFSSplit(name=straight, sources=(source,), first=0, channels=width)
            yield TTFSSplit(name=branch, sources=(source,), first=width, channels=width)
        if network.shape.skip != "none":
            yield TTFSMinPool(name=f"skip{stage}", sources=(straight,))
            straight = f"skip{stage}"
        if network.shape.delay:
            yield TTFSDelay(name=f"delay{stage}", sources=(straight,),
                            delays=(network.delay(stage) * steps).round().to(torch.int64))
            straight = f"delay{stage}"
        yield _neurons(first, branch, layers[0], steps, latest)
        yield _neurons(second, first, layers[1], steps, latest)
        source = second
        if network.shape.skip == "addition":
            if layers[1].weight.shape[0] > layers[0].weight.shape[1]:
                yield TTFSConcat(name=f"twice{stage}", sources=(straight, straight))
                straight = f"twice{stage}"
            yield TTFSAdd(name=f"sum{stage}", sources=(second, straight))
            source = f"sum{stage}"
        elif network.shape.skip == "concatenation":
            yield TTFSConcat(name=f"join{stage}", sources=(straight, second), groups=2)
            source = f"join{stage}"
    yield _neurons("linear", source, network.linear, steps, latest)


def _stem(network: FirstSpikeNetwork, steps: float, latest: int) -> TTFSFirst:
    norm = network.norm
    mean, variance = cast(Tensor, norm.running_mean), cast(Tensor, norm.running_var)
    factor = norm.weight.abs() / (variance + norm.eps).sqrt() * steps
    weight = network.stem.weight * (factor / (1 << PIXEL_BITS))[:, None, None, None]
    shift = power_of_two(weight)
    bias = (norm.bias * steps - mean * factor + 0.5) * 2.0 ** shift  # the shift takes the floor
    return TTFSFirst(name="stem", sources=(IMAGE,), weight=_integers(weight, shift),
                     bias=bias.round().to(torch.int64), shift=shift, padding=2,
                     window=min(latest, round(network.shape.windows[0] * steps)))


def _neurons(name: str, source: str, layer: FirstSpikeLayer, steps: float,
             latest: int) -> TTFSNeurons:
    shift = power_of_two(layer.weight)
    return TTFSNeurons(
        name=name, sources=(source,), weight=_integers(layer.weight, shift),
        stride=layer.stride, padding=layer.padding, kernel=layer.kernel, threshold_shift=shift,
        window=min(latest, round(layer.window * steps)))


def _integers(weight: Tensor, shift: int) -> Tensor:
    return (weight * 2.0 ** shift).round().to(torch.int64).contiguous()
