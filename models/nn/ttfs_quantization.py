# SPDX-License-Identifier: Apache-2.0
"""From a trained network of neurons that spike once to the integer one, without retraining.

Weights get 8 bits and one power of two a layer as their scale, which makes the threshold a power
of two. Times become steps. A network trained with the same ``resolution`` has learned with both,
and spikes at the times of the integer one; see `ttfs_grid`.
"""

from collections.abc import Iterator
from typing import cast

import torch
from torch import Tensor

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
from .ttfs_grid import power_of_two, steps_per_tau
from .ttfs_network import FirstSpikeNetwork
from .ttfs_neuron import FirstSpikeLayer

__all__ = ["integer_first_spike"]


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
    weight, bias = network.folded(steps)
    shift = power_of_two(weight)
    return TTFSFirst(name="stem", sources=(IMAGE,), weight=_integers(weight, shift),
                     bias=_integers(bias, shift), shift=shift, padding=2,
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
