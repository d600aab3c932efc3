# SPDX-License-Identifier: Apache-2.0
"""Trainable layer of neurons that spike once: spike times in closed form, with exact gradients.

Y. Kim et al., "Rethinking skip connections in spiking neural networks with time-to-first-spike
coding" (2023). Threshold and time constant are 1. An input spike at
``t_i`` makes a current that decays (``exponential``) or stays (``linear``)::

    linear       V(t) = sum w_i (t - t_i)             t_out = (1 + sum w_i t_i) / sum w_i
    exponential  V(t) = sum w_i (1 - exp(t_i - t))    z_out = sum w_i z_i / (sum w_i - 1)

with ``z = exp(t)`` and the sums over the causal set: the inputs before the output. Unlike in the
published code, the causal set may hold all inputs. A neuron without spike has infinite time.

That is the form of the paper. With a ``resolution`` a layer computes what the integer neurons do
instead: weights are rounded to their 8 bits, and a spike waits for the next step. Inputs on the
grid of steps make the potential monotonic within a step, so that with the linear kernel the times
are those of the integer neurons, always. With the exponential kernel they nearly are: the shift
of the integer current drops fractions, of which a neuron here only knows the mean.
"""

import math
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from . import ttfs_kernels
from .ttfs_grid import eight_bits, power_of_two, steps_per_tau

__all__ = ["FirstSpikeLayer", "Kernel", "min_pool"]

_LEAST = 0.2  # the charge in the gradient of an output that was made to fire
_GUARD = 8    # fraction bits of the integer charge

Kernel = Literal["linear", "exponential"]


class _Fire(torch.autograd.Function):
    """All spike times of a layer; the gradient holds causal sets constant, which is exact."""

    @staticmethod
    def forward(ctx: Any, times: Tensor, weight: Tensor, exponential: bool, stride: int,
                padding: int, window: float, patient: bool, steps: float | None,
                lag: float) -> Tensor:
        images, _, height, width = times.shape
        u = (times.exp() if exponential else times).flatten(1).contiguous().numpy()
        order = ttfs_kernels.column_order(weight.shape[3], stride)
        lanes = weight.permute(1, 2, 3, 0)[:, :, order].contiguous().numpy()
        sides = [(side + 2 * padding - kernel) // stride + 1
                 for side, kernel in zip((height, width), weight.shape[2:], strict=True)]
        a = np.full((images, *sides, len(weight)), -1.0 - lag if exponential else 0.0, np.float32)
        b = np.zeros_like(a)
        c = np.full(1, not exponential, np.float32)
        ttfs_kernels.forward(u, ttfs_kernels.sort(u), lanes, a, b, c[0], width, stride, padding)
        charge = torch.from_numpy(a)
        out = (torch.from_numpy(b) + torch.from_numpy(c)) / charge
        limit, never = window, window + (0.5 / steps if steps else 0)  # never: a step behind
        if exponential:
            limit, never = math.exp(limit), math.exp(never)
        silent = (charge <= 0) | ~(out <= limit)
        ctx.arrays, ctx.shape, ctx.order = (u, lanes), times.shape, order
        ctx.exponential, ctx.stride, ctx.padding = exponential, stride, padding
        if patient:
            out, silent = out.masked_fill(silent, never), torch.zeros_like(silent)
            charge = charge.clamp(min=_LEAST)
        ctx.save_for_backward(out, charge, silent)
        spikes = out.log() if exponential else out
        if steps:
            spikes = (spikes * steps).ceil() / steps
        return spikes.masked_fill(silent, math.inf).permute(0, 3, 1, 2).contiguous()

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        u, lanes = ctx.arrays
        out, charge, silent = ctx.saved_tensors
        slope = grads[0].permute(0, 2, 3, 1) / charge
        if ctx.exponential:
            slope = slope / out
        grad_u, grad_lanes = np.zeros_like(u), np.zeros_like(lanes)
        grad_weight = torch.empty(lanes.shape)
        ttfs_kernels.backward(
            u, lanes, out.masked_fill(silent, 0).numpy(),
            slope.masked_fill(silent, 0).contiguous().numpy(), grad_u, grad_lanes,
            ctx.shape[3], ctx.stride, ctx.padding)
        if ctx.exponential:
            grad_u *= np.where(np.isinf(u), np.float32(0), u)
        grad_weight[:, :, ctx.order] = torch.from_numpy(grad_lanes)
        return (torch.from_numpy(grad_u).view(ctx.shape),
                grad_weight.permute(3, 0, 1, 2), *[None] * 7)


class FirstSpikeLayer(nn.Module):
    """Convolution of neurons that spike once; linear if the kernel is as large as the map.

    Parameters
    ----------
    inputs, outputs : int
        Channels.
    size : int
        Side of the kernel.
    window : float
        A spike after this time is none.
    kernel : str
        Of the synaptic current.
    stride, padding : int
    gain : float
        Mean sum of a neuron's weights at the start.
    patient : bool
        Neurons that do not fire do so at the end of the window instead, with a gradient as if
        they had; for an output, which is to fire.
    jitter : float
        In training each spike is later by a random time up to this; it stands for the step of
        the integer neurons that a spike waits for.
    spread : float
        Standard deviation of the weights at the start, times the root of their number.

    Attributes
    ----------
    resolution : int or None
        ``tau_shift`` of the integer neurons that the layer computes like; None for continuous
        times and exact weights, the form of the paper.
    """

    def __init__(self, inputs: int, outputs: int, size: int, *, window: float,
                 kernel: Kernel = "linear", stride: int = 1, padding: int = 0,
                 gain: float = 3.0, patient: bool = False, jitter: float = 0.0,
                 spread: float = 2.0):
        super().__init__()
        fan_in = inputs * size * size
        self.weight = nn.Parameter(gain / fan_in + spread / math.sqrt(fan_in)
                                   * torch.randn(outputs, inputs, size, size))
        self.window, self.patient, self.jitter = window, patient, jitter
        self.kernel: Kernel = kernel
        self.stride, self.padding = stride, padding
        self.resolution: int | None = None

    def forward(self, times: Tensor) -> Tensor:
        """Return the spike times of the neurons.

        Parameters
        ----------
        times : Tensor[B, C, H, W]
            float32, infinite for never.

        Returns
        -------
        Tensor[B, N, H', W']
        """
        weight, window, steps, lag = self.weight, self.window, None, 0.0
        if self.resolution is not None:
            steps = steps_per_tau(self.kernel, self.resolution)
            window = round(window * steps) / steps
            lag = self._lag(self.resolution)
            weight = eight_bits(weight)
        spikes = _Fire.apply(times, weight, self.kernel == "exponential", self.stride,
                             self.padding, window, self.patient, steps, lag)
        if self.training and self.jitter and steps is None:
            spikes = spikes + torch.rand(spikes.shape) * self.jitter
        return spikes  # type: ignore[no-any-return]

    def _lag(self, resolution: int) -> float:
        """Mean charge that floors keep from the potential: half of what a shift drops."""
        return ((1 << resolution) - 1) / 2 * 0.5 ** (_GUARD + power_of_two(self.weight))

    def reluctance(self, margin: float) -> Tensor:
        """Mean over the neurons of what the weights' sum lacks to the threshold plus a margin."""
        return (1 + margin - self.weight.sum((1, 2, 3))).relu().mean()


def min_pool(times: Tensor) -> Tensor:
    """Return the earliest spike in windows of 3x3 at stride 2, Tensor[B, C, H, W]."""
    return -nn.functional.max_pool2d(-times, 3, stride=2, padding=1)
