# SPDX-License-Identifier: Apache-2.0
"""The grid of the integer neurons that spike once: steps of time, 8-bit weights, with gradients.

A network that learns on the grid computes what the integer one does, and passes gradients
straight through each rounding.
"""

import math

import torch
from torch import Tensor

__all__ = ["eight_bits", "power_of_two", "rounded", "steps_per_tau"]

_LARGEST = 127  # weight


def steps_per_tau(kernel: str, tau_shift: int) -> float:
    """Time constant of the integer neurons, in steps.

    With the linear kernel ``2**tau_shift``. With the exponential kernel a step leaves
    ``1 - 2**-tau_shift`` of the current: a little fewer.
    """
    if kernel == "linear":
        return float(1 << tau_shift)
    return -1 / math.log(1 - 0.5 ** tau_shift)


def power_of_two(weight: Tensor) -> int:
    """Return the largest exponent with which all weights fit into 8 bits."""
    return math.floor(math.log2(_LARGEST / float(weight.detach().abs().max())))


def rounded(x: Tensor, unit: float = 1.0, floor: bool = False) -> Tensor:
    """Round to a multiple of a unit, to the nearest or down; the gradient passes.

    Parameters
    ----------
    x : Tensor
    unit : float
    floor : bool
    """
    with torch.no_grad():
        scaled = x / unit
        whole = (scaled.floor() if floor else scaled.round()) * unit
    return whole + (x - x.detach())


def eight_bits(weight: Tensor) -> Tensor:
    """Round a layer's weights to 8 bits with a power of two as their unit; the gradient passes."""
    return rounded(weight, 0.5 ** power_of_two(weight))
