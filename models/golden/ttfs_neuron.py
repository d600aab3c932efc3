# SPDX-License-Identifier: Apache-2.0
"""Time-to-first-spike neuron: integer, time-stepped, one spike at most."""

from typing import Literal

import torch
from torch import Tensor

from .checks import check_int, check_integers, check_range, check_rank
from .conv import lift, lower, output_size, weight_matrix
from .errors import GoldenError

__all__ = ["KERNELS", "Kernel", "TTFSState", "ttfs_conv"]

Kernel = Literal["linear", "exponential"]
KERNELS = ("linear", "exponential")
_EXACT = 1 << 24  # float32 holds each integer below it


class TTFSState:
    """What neurons hold between two steps: charge, potential, and when each fired.

    With ``charge = potential = 0`` at first, a step adds all weights ``w`` whose inputs spike
    in it, then updates, then compares::

        linear        charge += w;                potential += charge
        exponential   charge += w << guard_bits;  d = charge >> tau_shift
                      charge -= d;                potential += d

        fires if potential >= 1 << (threshold_shift + unit)

    ``>>`` is the arithmetic shift (floor); ``unit`` is ``tau_shift`` if linear, else
    ``guard_bits``. A crossing at the end of step ``t`` makes a spike of time ``t + 1``; a neuron
    that has fired never fires again. The charge of an exponential kernel is never lost:
    ``potential + charge`` is the sum of all that arrived.

    Parameters
    ----------
    shape : torch.Size
        Of the neurons.
    kernel : "linear" or "exponential"
    tau_shift : int
        The time constant is ``2**tau_shift`` steps.
    threshold_shift : int
        The threshold is ``2**threshold_shift`` in units of a weight.
    guard_bits : int
        Fraction bits of charge and potential, exponential kernel only.
    silent : int
        The time word that means never.

    Attributes
    ----------
    charge, potential : Tensor
        int64.
    times : Tensor
        int64, ``silent`` where the neuron has not fired.
    """

    def __init__(self, shape: torch.Size, kernel: Kernel, tau_shift: int, threshold_shift: int,
                 guard_bits: int, silent: int):
        if kernel not in KERNELS:
            raise GoldenError(f"kernel must be one of {', '.join(KERNELS)}, not {kernel!r}")
        check_int("tau_shift", tau_shift, 0, 15)
        check_int("threshold_shift", threshold_shift, 0, 24)
        check_int("guard_bits", guard_bits, 0, 16)
        self.kernel, self.tau_shift, self.silent = kernel, tau_shift, silent
        self.gain = guard_bits if kernel == "exponential" else 0
        unit = tau_shift if kernel == "linear" else guard_bits
        self.threshold = 1 << (threshold_shift + unit)
        self.charge = torch.zeros(shape, dtype=torch.int64)
        self.potential = torch.zeros(shape, dtype=torch.int64)
        self.times = torch.full(shape, silent, dtype=torch.int64)

    def step(self, t: int, weights: Tensor | None) -> Tensor:
        """Do step ``t``; return which neurons fire at its end.

        Parameters
        ----------
        t : int
        weights : Tensor or None
            Sum of the weights that arrive at each neuron; None if there are none.

        Returns
        -------
        Tensor
            bool.
        """
        if weights is not None:
            self.charge += weights << self.gain
        if self.kernel == "linear":
            self.potential += self.charge
        else:
            moved = self.charge >> self.tau_shift
            self.charge -= moved
            self.potential += moved
        fired = (self.potential >= self.threshold) & (self.times == self.silent)
        self.times[fired] = t + 1
        return fired


def ttfs_conv(times: Tensor, weight: Tensor, *, stride: int, padding: int, kernel: Kernel,
              tau_shift: int, threshold_shift: int, guard_bits: int, window: int,
              silent: int) -> Tensor:
    """Return the spike times of a convolutional layer of neurons.

    An input of time ``s`` is seen at step ``s``; see `TTFSState` for a step. Padding is silent.
    No neuron fires later than ``window``. A fully connected layer is a convolution whose kernel
    is as large as the map, without padding.

    Parameters
    ----------
    times : Tensor[B, C, H, W]
        Integers, 0..silent.
    weight : Tensor[N, C, kh, kw]
        Integers.
    stride, padding : int
        The same along both sides.
    kernel, tau_shift, threshold_shift, guard_bits
        As in `TTFSState`.
    window : int
        Latest time of a spike, below ``silent``.
    silent : int
        The time word that means never.

    Returns
    -------
    Tensor[B, N, H', W']
        int64, 1..window or ``silent``.

    Raises
    ------
    GoldenError
        If an operand is out of range or the kernel does not fit.
    """
    check_rank("times", times, 4)
    check_rank("weight", weight, 4)
    times, weight = check_integers("times", times), check_integers("weight", weight)
    check_range("times", times, 0, silent)
    check_int("window", window, 1, silent - 1)
    if weight.shape[1] != times.shape[1]:
        raise GoldenError(f"weight must have {times.shape[1]} input channels, "
                          f"not {weight.shape[1]}")
    reach = int(weight.abs().sum((1, 2, 3)).max()) if weight.numel() else 0
    if reach >= _EXACT:
        raise GoldenError(f"sum of |weight| of a neuron must be below 2**24, not {reach}")
    size = (weight.shape[2], weight.shape[3])
    batch = times.shape[0]
    sides = [output_size(times.shape[2 + axis], size[axis], stride, padding) for axis in (0, 1)]
    matrix = weight_matrix(weight).to(torch.float32)
    state = TTFSState(torch.Size([batch, weight.shape[0], *sides]), kernel, tau_shift,
                      threshold_shift, guard_bits, silent)
    present = set(times.unique().tolist())
    for t in range(window):
        weights = None
        if t in present:
            rows = lower((times == t)[None].to(torch.float32), size, stride, padding)
            weights = lift(rows @ matrix, batch, *sides)[0].to(torch.int64)
        state.step(t, weights)
    return state.times
