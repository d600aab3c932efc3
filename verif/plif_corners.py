# SPDX-License-Identifier: Apache-2.0
"""Corner cases of the parallel LIF, each a list of neurons; none has a place yet.

Each case has neurons that fire and neurons that do not, at any number of timesteps.
"""

import itertools
from collections.abc import Callable
from typing import Any

from ..rtl.config import FTPConfig

__all__ = ["CORNERS", "neuron"]

Neurons = list[dict[str, Any]]


def neuron(psums: list[int], *, bias: int = 0, threshold: int, gain: int = 1, shift: int = 0,
           decay_input: int = 1, soft_reset: int = 0) -> dict[str, Any]:
    """Return the payload of one neuron, without its place."""
    return {
        "psums": psums,
        "channel": {"bias": bias, "threshold": threshold},
        "lif": {"gain": gain, "shift": shift, "decay_input": decay_input,
                "soft_reset": soft_reset},
    }


def _limits(config: FTPConfig) -> tuple[int, int]:
    """Return the most negative and the most positive psum."""
    return -(1 << (config.psum_bits - 1)), (1 << (config.psum_bits - 1)) - 1


def _threshold_not_positive(config: FTPConfig) -> Neurons:
    """At 0 or below silent input fires, and a soft reset raises the membrane."""
    low, _ = _limits(config)
    return [neuron([psum] * config.timesteps, threshold=threshold, shift=shift, soft_reset=soft)
            for psum, threshold, shift, soft in itertools.product(
                (0, -1, -2, low), (0, -1, -2, low), (0, 1), (0, 1))]


def _negative_bias(config: FTPConfig) -> Neurons:
    """The bias of every timestep holds the neuron back, or does not quite."""
    low, high = _limits(config)
    return [neuron([psum] * config.timesteps, bias=bias, threshold=threshold, soft_reset=soft)
            for psum, bias, threshold, soft in itertools.product(
                (0, 3, high), (-1, -3, -4, low), (1, 2, high), (0, 1))
            ] + [neuron([4] * config.timesteps, bias=-3, threshold=1)]


def _bias_only(config: FTPConfig) -> Neurons:
    """Zero psums, an output without a match: the bias alone makes it fire."""
    return [neuron([0] * config.timesteps, bias=bias, threshold=threshold, shift=shift,
                   decay_input=decay)
            for bias, threshold, shift, decay in itertools.product(
                (-2, 0, 1, 3), (-1, 0, 1, 2, 4), (0, 1), (0, 1))]


def _exactly_threshold(config: FTPConfig) -> Neurons:
    """The potential reaches the threshold exactly, or stays just below it."""
    found = []
    for psum, shift, decay, soft in itertools.product((1, 5, 7), (0, 1), (0, 1), (0, 1)):
        first = psum >> shift if decay else psum  # u[0], from which the later ones grow or leak
        found += [neuron([psum] + [0] * (config.timesteps - 1), threshold=threshold, shift=shift,
                         decay_input=decay, soft_reset=soft) for threshold in (first, first + 1)]
    ramp = [1] * config.timesteps  # without leak u[t] = t + 1: equal in the last timestep, or never
    found += [neuron(ramp, threshold=config.timesteps + more, decay_input=decay, soft_reset=soft)
              for more, decay, soft in itertools.product((0, 1), (0, 1), (0, 1))]
    return found


def _hard_and_soft_reset(config: FTPConfig) -> Neurons:
    """Three thresholds at once: a hard reset forgets them, a soft one fires three times."""
    rest = config.timesteps - 1
    return [neuron([psum] + [0] * rest, threshold=threshold, shift=shift, decay_input=0,
                   soft_reset=soft)
            for psum, threshold, shift, soft in itertools.product(
                (6, 7, -6), (2, -2), (0, 1), (0, 1))]


def _decay_input(config: FTPConfig) -> Neurons:
    """The leak applies to the input or only to the membrane."""
    return [neuron([psum] * config.timesteps, threshold=threshold, shift=shift, gain=gain,
                   decay_input=decay)
            for psum, threshold, shift, gain, decay in itertools.product(
                (-5, 4, 5), (2, 4, 5, 7, 9), (1, 2), (1, 3), (0, 1))]


def _shift_0_and_15(config: FTPConfig) -> Neurons:
    """No leak, and a leak that leaves only the sign."""
    low, high = _limits(config)
    return [neuron([psum] * config.timesteps, bias=bias, threshold=threshold, gain=15,
                   shift=shift, decay_input=decay, soft_reset=1)
            for psum, bias, threshold, shift, decay in itertools.product(
                (low, -1, 0, high), (0, high, low), (-1, 0, 1, 15, high), (0, 15), (0, 1))]


def _gain_1_to_15(config: FTPConfig) -> Neurons:
    """Every gain reaches a threshold of as much, and none above it."""
    rest = config.timesteps - 1
    return [neuron([sign] + [0] * rest, threshold=sign * gain + more, gain=gain, decay_input=decay)
            for gain, sign, more, decay in itertools.product(
                range(1, 16), (1, -1), (0, 1), (0, 1))]


def _extreme_psums(config: FTPConfig) -> Neurons:
    """All operands at their limits for all timesteps: nothing may wrap around."""
    limits = _limits(config)
    return [neuron([psum] * config.timesteps, bias=bias, threshold=threshold, gain=15, shift=shift,
                   decay_input=decay, soft_reset=soft)
            for psum, bias, threshold, shift, decay, soft in itertools.product(
                limits, limits, limits, (0, 1, 15), (0, 1), (0, 1))
            ] + [neuron([limits[t % 2] for t in range(config.timesteps)], threshold=1, gain=15,
                        decay_input=decay) for decay in (0, 1)]


def _floor_of_negative(config: FTPConfig) -> Neurons:
    """A negative potential rounds down: -1 >> n is -1, below a threshold of 0."""
    return [neuron([psum] + [rest] * (config.timesteps - 1), threshold=threshold, shift=shift,
                   decay_input=decay)
            for psum, rest, threshold, shift, decay in itertools.product(
                (-1, -3, -7, -8), (0, 1), (0, -1, -2), (1, 2, 3), (0, 1))]


CORNERS: dict[str, Callable[[FTPConfig], Neurons]] = {
    "threshold_not_positive": _threshold_not_positive,
    "negative_bias": _negative_bias,
    "bias_only": _bias_only,
    "exactly_threshold": _exactly_threshold,
    "hard_and_soft_reset": _hard_and_soft_reset,
    "decay_input": _decay_input,
    "shift_0_and_15": _shift_0_and_15,
    "gain_1_to_15": _gain_1_to_15,
    "extreme_psums": _extreme_psums,
    "floor_of_negative": _floor_of_negative,
}
