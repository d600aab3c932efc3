# SPDX-License-Identifier: Apache-2.0
"""Trainable leaky integrate-and-fire neuron with a surrogate gradient."""

from typing import Any

import torch
from torch import Tensor, nn

from ..golden.plif import LIF

__all__ = ["LIFNeuron", "triangle"]


def triangle(distance: Tensor) -> Tensor:
    """Surrogate of the spike's derivative: a triangle of width 2 and area 1.

    Parameters
    ----------
    distance : Tensor
        Membrane minus threshold, in units of the threshold.
    """
    return distance.abs().neg_().add_(1).clamp_(min=0)


class _Fire(torch.autograd.Function):
    """All timesteps of the neuron; the reset is held constant in the gradient."""

    @staticmethod
    def forward(ctx: Any, currents: Tensor, lif: LIF, threshold: float) -> Tensor:
        keep, gain = _factors(lif)
        membrane = torch.zeros_like(currents[0])  # dense, also where all timesteps are one
        strides = (membrane.numel(), *membrane.stride())
        charged = currents.new_empty(0).new_empty_strided(currents.shape, strides)
        spikes = torch.empty_like(charged)
        for t, current in enumerate(currents):
            torch.add(membrane.mul_(keep), current, alpha=gain, out=charged[t])
            torch.ge(charged[t], threshold, out=spikes[t])
            if lif.reset == "hard":
                torch.addcmul(charged[t], charged[t], spikes[t], value=-1, out=membrane)
            else:
                torch.sub(charged[t], spikes[t], alpha=threshold, out=membrane)
        ctx.save_for_backward(charged)
        ctx.lif, ctx.threshold = lif, threshold
        return spikes

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        (charged,) = ctx.saved_tensors
        keep, gain = _factors(ctx.lif)
        threshold = ctx.threshold
        out = torch.empty_like(charged)
        later = torch.zeros_like(charged[0])
        for t in reversed(range(len(charged))):
            if ctx.lif.reset == "hard":
                later.mul_(charged[t] < threshold)
            slope = triangle((charged[t] - threshold).div_(threshold))
            later.addcmul_(slope, grads[0][t], value=1 / threshold)
            torch.mul(later, gain, out=out[t])
            later.mul_(keep)
        return out, None, None


def _factors(lif: LIF) -> tuple[float, float]:
    keep = 0.5 ** lif.shift
    return keep, lif.gain * (keep if lif.decay_input else 1.0)


class LIFNeuron(nn.Module):
    """Leaky integrate-and-fire neurons; see `golden.plif` for the equations.

    Parameters
    ----------
    lif : LIF
        Decay, gain and reset.
    threshold : float
        At which they fire.
    """

    def __init__(self, lif: LIF, threshold: float = 1.0):
        super().__init__()
        self.lif = lif
        self.threshold = threshold

    def forward(self, currents: Tensor) -> Tensor:
        """Fire over all timesteps.

        Parameters
        ----------
        currents : Tensor[T, ...]
            Floating point.

        Returns
        -------
        Tensor[T, ...]
            0 or 1, of the input's type.
        """
        return _Fire.apply(currents, self.lif, self.threshold)  # type: ignore[no-any-return]
