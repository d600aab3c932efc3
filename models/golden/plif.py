# SPDX-License-Identifier: Apache-2.0
"""Parallel leaky integrate-and-fire neuron: all timesteps of a neuron in one pass."""

from dataclasses import dataclass

import torch
from torch import Tensor

from .checks import check_int, check_integers
from .errors import GoldenError

__all__ = ["LIF", "plif"]

_LIMIT = 1 << 62  # the membrane is held in int64


@dataclass(frozen=True, kw_only=True)
class LIF:
    """Parameters of the leaky integrate-and-fire neuron; see `plif` for the equations.

    The default is a time constant of 2 with decayed input and hard reset.

    Raises
    ------
    GoldenError
        If a field is out of range.
    """

    gain: int = 1             # m, multiplies the input, 1..15
    shift: int = 1            # n, arithmetic right shift, 0..15
    reset: str = "hard"       # "hard" to 0, "soft" subtracts the threshold
    decay_input: bool = True  # whether the shift applies to the input as well

    def __post_init__(self) -> None:
        check_int("gain", self.gain, 1, 15)
        check_int("shift", self.shift, 0, 15)
        if self.reset not in ("hard", "soft"):
            raise GoldenError(f"reset must be 'hard' or 'soft', not {self.reset!r}")
        if type(self.decay_input) is not bool:
            raise GoldenError(f"decay_input must be a bool, not {self.decay_input!r}")


def plif(currents: Tensor, bias: Tensor, threshold: Tensor, lif: LIF) -> Tensor:
    """Fire each neuron over all its timesteps.

    With ``v = 0`` at first, for each timestep::

        x = current + bias
        u = (v + gain * x) >> shift      if decay_input
        u = (v >> shift) + gain * x      otherwise
        s = u >= threshold
        v = 0 if s else u                hard reset
        v = u - s * threshold            soft reset

    ``>>`` is the arithmetic shift (floor). With decayed input this fires on exactly the steps
    of infinite precision: ``floor((floor(a) + b) / 2**n) == floor((a + b) / 2**n)`` for
    integer ``b``, and a number reaches an integer threshold iff its floor does.

    Parameters
    ----------
    currents : Tensor[T, ..., N]
        Integers, signed; the partial sums.
    bias : Tensor[N]
        Integers, signed; added at each timestep.
    threshold : Tensor[N]
        Integers, signed.
    lif : LIF
        Parameters of the neuron.

    Returns
    -------
    Tensor[T, ..., N]
        bool, the spikes.

    Raises
    ------
    GoldenError
        If shapes do not fit or the membrane could leave 63 bits.
    """
    currents, bias, threshold = _check(currents, bias, threshold, lif)
    membrane = torch.zeros(currents.shape[1:], dtype=torch.int64)
    spikes = torch.zeros(currents.shape, dtype=torch.bool)
    for t, current in enumerate(currents):
        x = lif.gain * (current + bias)
        if lif.decay_input:
            membrane = (membrane + x) >> lif.shift
        else:
            membrane = (membrane >> lif.shift) + x
        spikes[t] = membrane >= threshold
        if lif.reset == "hard":
            membrane = membrane.masked_fill(spikes[t], 0)
        else:
            membrane = membrane - spikes[t] * threshold
    return spikes


def _check(currents: Tensor, bias: Tensor, threshold: Tensor,
           lif: LIF) -> tuple[Tensor, Tensor, Tensor]:
    if currents.ndim < 2:
        raise GoldenError(f"currents must be of shape [T, ..., N], "
                          f"not {tuple(currents.shape)}")
    for name, table in (("bias", bias), ("threshold", threshold)):
        if table.shape != currents.shape[-1:]:
            raise GoldenError(f"{name} must be of shape ({currents.shape[-1]},), one for each "
                              f"neuron, not {tuple(table.shape)}")
    currents = check_integers("currents", currents)
    bias = check_integers("bias", bias)
    threshold = check_integers("threshold", threshold)
    reach = lif.gain * (_magnitude(currents) + _magnitude(bias)) + _magnitude(threshold)
    if reach * len(currents) >= _LIMIT:
        raise GoldenError(f"bound of the membrane must be below 2**62, "
                          f"not {reach * len(currents)}")
    return currents, bias, threshold


def _magnitude(tensor: Tensor) -> int:
    return max(abs(int(tensor.min())), abs(int(tensor.max()))) if tensor.numel() else 0
