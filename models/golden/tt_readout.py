# SPDX-License-Identifier: Apache-2.0
"""Readout of the integer training step: spike counts, classes, and the error of the spikes.

``counts`` are the spikes of windows of ``pool x pool`` pixels over all timesteps. With the terms
of `golden.tt_training`, for each image::

    l = round(W counts, shift_logits)
    z = EXP[min(max(l) - l, 127)],  p = (127 z + sum(z) // 2) // sum(z)
    r = p - (127 for the label)
    e = sat8(round(W' r, S))            for each pixel of a window and each timestep
    dW = sum r counts',  W's masters as the cores'
"""

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from .checks import check_int, check_range, check_signed
from .errors import GoldenError
from .tt_ops import next_shift, rescale
from .tt_training import backward, copies, forward, move, update
from .tt_training_layer import ACCUMULATOR_BITS, Forward, Gradients, TrainingLayer, TrainingState

__all__ = ["EXP", "ReadoutError", "Step", "Trainer", "read_out", "train_step"]

EXP = torch.tensor([round(255 * math.exp(-step / 16)) for step in range(128)])


@dataclass(frozen=True, kw_only=True, eq=False)
class Trainer:
    """A layer with its readout, and all that training changes.

    Parameters
    ----------
    layer : TrainingLayer
    state : TrainingState
        Of the layer.
    readout : Tensor[classes, O * (H / pool) * (W / pool)]
        int64, masters of 16 bits; inputs in the order (channel, y, x).
    shift_error, shift_readout : int
        Delayed shifts of ``e`` and of the readout's gradient, 0..31.
    shift_logits : int
        0..31.
    pool : int
        Side of a window; divides height and width.
    """

    layer: TrainingLayer
    state: TrainingState
    readout: Tensor
    shift_logits: int
    shift_error: int = 0
    shift_readout: int = 0
    pool: int = 2

    def __post_init__(self) -> None:
        for field in ("shift_logits", "shift_error", "shift_readout"):
            check_int(field, getattr(self, field), 0, 31)
        check_int("pool", self.pool, 1, 255)


@dataclass(frozen=True, kw_only=True, eq=False)
class ReadoutError:
    """What the readout makes of some images.

    Parameters
    ----------
    counts : Tensor[B, F]
        int64, spikes of each window.
    logits : Tensor[B, classes]
        int64.
    classes : Tensor[B, classes]
        int64, ``r``, -127..127.
    spikes : Tensor[T, B, O, H, W]
        int64, ``e``, the same at each timestep.
    total : Tensor[classes, F]
        int64, the gradient of the readout before it is rescaled.
    shift_error : int
        Of the next step.
    """

    counts: Tensor
    logits: Tensor
    classes: Tensor
    spikes: Tensor
    total: Tensor
    shift_error: int

    @property
    def predictions(self) -> Tensor:
        """Class of the largest logit, the first of equals; int64[B]."""
        return (self.logits == self.logits.amax(1, keepdim=True)).long().argmax(1)


@dataclass(frozen=True, kw_only=True, eq=False)
class Step:
    """A training step: everything on its way, and the trainer behind it."""

    labels: Tensor
    seen: Forward
    error: ReadoutError
    gradients: Gradients
    trainer: Trainer


def read_out(trainer: Trainer, spikes: Tensor, labels: Tensor) -> ReadoutError:
    """Classify, and return the errors.

    Parameters
    ----------
    trainer : Trainer
    spikes : Tensor[T, B, O, H, W]
        bool.
    labels : Tensor[B]
        int64.

    Raises
    ------
    GoldenError
        If an operand does not fit.
    """
    side, weight = trainer.pool, copies({"readout": trainer.readout})["readout"]
    steps, batch, channels, height, width = spikes.shape
    if height % side or width % side:
        raise GoldenError(f"pool must divide height and width ({height}, {width}), not be {side}")
    counts = spikes.long().reshape(steps, batch, channels, height // side, side, width // side,
                                   side).sum((0, 4, 6))
    windows = counts.shape
    counts = counts.flatten(1)
    if weight.shape[1] != counts.shape[1] or labels.shape != (batch,):
        raise GoldenError(f"readout must have {counts.shape[1]} inputs and {batch} labels, not "
                          f"{weight.shape[1]} and {len(labels)}")
    check_range("labels", labels, 0, len(weight) - 1)
    total = counts @ weight.T
    check_signed("logits", total, ACCUMULATOR_BITS)
    logits = (total + (1 << trainer.shift_logits >> 1)) >> trainer.shift_logits
    powers = EXP[(logits.amax(1, keepdim=True) - logits).clamp(max=127)]
    sums = powers.sum(1, keepdim=True)
    classes = (127 * powers + sums // 2) // sums
    classes[torch.arange(batch), labels] -= 127
    back = classes @ weight
    error = rescale(back, trainer.shift_error).reshape(windows)
    error = error.repeat_interleave(side, 2).repeat_interleave(side, 3)
    return ReadoutError(counts=counts, logits=logits, classes=classes,
                        spikes=error.expand(steps, *error.shape), total=classes.T @ counts,
                        shift_error=next_shift(back))


def train_step(trainer: Trainer, x: Tensor, labels: Tensor, rate: int) -> Step:
    """Run one training step: forward, errors, gradients, update of all masters and shifts.

    Parameters
    ----------
    trainer : Trainer
    x : Tensor[T, B, I, H, W]
        0 or 1.
    labels : Tensor[B]
        int64.
    rate : int
        See `golden.tt_training.update`.

    Raises
    ------
    GoldenError
        If an operand does not fit.
    """
    seen = forward(trainer.layer, trainer.state, x)
    error = read_out(trainer, seen.spikes, labels)
    gradients = backward(trainer.layer, trainer.state, seen, error.spikes)
    after = replace(
        trainer, state=update(trainer.state, gradients, rate),
        readout=move(trainer.readout, error.total, trainer.shift_readout, rate),
        shift_error=error.shift_error, shift_readout=next_shift(error.total))
    return Step(labels=labels, seen=seen, error=error, gradients=gradients, trainer=after)
