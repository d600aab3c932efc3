# SPDX-License-Identifier: Apache-2.0
"""Small configurations of integer training: a convolution of cores that learns digits.

Images of handwritten digits, 8x8 pixels, as spikes (`data.thermometer`); everything that
training computes is an integer, see `golden.tt_training` and `golden.tt_readout`.
``python -m spikeloom.models.zoo.tt_training`` trains one and prints its accuracy beside that of
the same network with cores that stay as they were drawn.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import cyclopts
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from ..data import digits, thermometer
from ..data.labelled import DataError, LabelledImages
from ..golden.tt_ops import mix, next_shift, rescale, square, taps
from ..golden.tt_readout import Step, Trainer, read_out, train_step
from ..golden.tt_training import copies, forward
from ..golden.tt_training_layer import ERRORS, TrainingLayer, TrainingState
from ..nn.training import repeatable

__all__ = ["CONFIGURATIONS", "TIMESTEPS", "Course", "accuracy", "app", "encode", "fit",
           "untrained"]

TIMESTEPS = 4
SIDE = 8
_CLASSES = 10
_POOL = 2
_LARGEST = 64       # magnitude of a drawn weight's copy
_CURRENT_BITS = 11  # of the largest current before training; thresholds have 8
_SHIFT_LOGITS = 5
_SHIFT = 4          # of all errors and gradients in the first step
_HALF = 0b0011      # full timesteps of the mode htt


@dataclass(frozen=True, kw_only=True)
class Course:
    """Course of an integer training; the rate falls from its first value to 0, linearly."""

    epochs: int
    rate: int = 64
    batch: int = 16

    def rate_at(self, step: int, steps: int) -> int:
        """Learning rate at a step, at least 1."""
        return max(1, self.rate * (steps - step) // steps)


CONFIGURATIONS = {  # inputs, outputs, rank
    "tt_unit": (8, 16, 4),
    "tt_layer": (16, 24, 6),
}


def encode(images: Tensor, name: str) -> Tensor:
    """Return images, uint8[B, 28, 28], as the spikes that a configuration reads."""
    return thermometer.encode(thermometer.shrink(images, SIDE), CONFIGURATIONS[name][0], TIMESTEPS)


def untrained(name: str, mode: str, x: Tensor, seed: int = 1) -> Trainer:
    """Draw weights, and choose the forward shifts from some spikes Tensor[T, B, I, H, W]."""
    inputs, outputs, rank = CONFIGURATIONS[name]
    layer = TrainingLayer(inputs=inputs, outputs=outputs, rank=rank, timesteps=TIMESTEPS,
                          mode=mode, full_steps=_HALF if mode == "htt" else 0)  # type: ignore
    generator = torch.Generator().manual_seed(seed)
    masters = {core: torch.randint(-_LARGEST, _LARGEST + 1, shape, generator=generator) << 8
               for core, shape in layer.shapes.items()}
    layer, weights = _shifted(layer, copies(masters), x), outputs * (SIDE // _POOL) ** 2
    return Trainer(
        layer=layer, state=TrainingState(masters=masters, shifts=dict.fromkeys(ERRORS, _SHIFT)),
        readout=torch.zeros(_CLASSES, weights, dtype=torch.int64), shift_logits=_SHIFT_LOGITS,
        shift_error=_SHIFT, shift_readout=_SHIFT, pool=_POOL)


def _shifted(layer: TrainingLayer, weights: dict[str, Tensor], x: Tensor) -> TrainingLayer:
    if layer.mode == "dense":
        return replace(layer, shift_y=_current_shift(square(weights["w"], x.long())))
    h = mix(weights["g1"], x.long())
    layer = replace(layer, shift_h=next_shift(h))
    b = h = rescale(h, layer.shift_h)
    if layer.mode == "stt":
        b = taps(weights["g2"], h, 3)
        layer = replace(layer, shift_b=next_shift(b))
        b = rescale(b, layer.shift_b)
        m = taps(weights["g3"], b, 4)
    else:
        m = taps(weights["g2"], h, 3) + taps(weights["g3"], h, 4)
    layer = replace(layer, shift_m=next_shift(m))
    y = mix(weights["g4"], rescale(m, layer.shift_m))
    return replace(layer, shift_y=_current_shift(y))


def _current_shift(y: Tensor) -> int:
    return max(0, int(y.abs().max()).bit_length() - _CURRENT_BITS)


def fit(trainer: Trainer, x: Tensor, labels: Tensor, course: Course, seed: int = 1,
        frozen: bool = False) -> Iterator[Step]:
    """Train, step by step.

    Parameters
    ----------
    trainer : Trainer
    x : Tensor[T, B, I, H, W]
        bool.
    labels : Tensor[B]
        int64.
    course : Course
    seed : int
        Of the order of the images.
    frozen : bool
        Whether the cores stay as they are, and the readout alone learns.
    """
    generator = torch.Generator().manual_seed(seed)
    batches, step = len(labels) // course.batch, 0
    for _ in range(course.epochs):
        order = torch.randperm(len(labels), generator=generator)
        for chosen in order.split(course.batch)[:batches]:
            rate = course.rate_at(step, batches * course.epochs)
            done = train_step(trainer, x[:, chosen], labels[chosen], rate)
            if frozen:
                state = replace(done.trainer.state, masters=trainer.state.masters)
                done = replace(done, trainer=replace(done.trainer, state=state))
            trainer, step = done.trainer, step + 1
            yield done


def accuracy(trainer: Trainer, x: Tensor, labels: Tensor) -> float:
    """Return the share of images that a network gets right."""
    spikes = forward(trainer.layer, trainer.state, x).spikes
    return float((read_out(trainer, spikes, labels).predictions == labels).double().mean())


app = cyclopts.App(name="python -m spikeloom.models.zoo.tt_training",
                   help="Integer training of a convolution of tensor-train cores.")


@app.default
def train_command(name: str = "tt_unit", *, modes: tuple[str, ...] = ("ptt", "stt", "htt"),
                  epochs: int = 6, images: int = 3000, seed: int = 1) -> None:
    """Train and print accuracies on test images.

    Parameters
    ----------
    name
        Configuration, tt_unit or tt_layer.
    modes
        Of the cores; dense is a whole kernel in place of them.
    epochs
        Of each training.
    images
        Of the training split, the first ones.
    seed
        Of weights and order.
    """
    try:
        data, test = digits.load_training()[0], digits.load_test()
    except DataError as error:
        raise SystemExit(str(error)) from error
    if name not in CONFIGURATIONS:
        raise SystemExit(f"configuration must be one of {', '.join(CONFIGURATIONS)}, not {name!r}")
    table = Table("mode", "cores", "accuracy, %", title=f"{name}, {epochs} epochs")
    for mode in modes:
        for frozen in (False, True):
            found = _trained(name, mode, data.first(images), epochs, seed, frozen)
            share = accuracy(found, encode(test.images, name), test.labels)
            table.add_row(mode, "frozen" if frozen else "trained", f"{100 * share:.1f}")
    Console().print(table)


def _trained(name: str, mode: str, data: LabelledImages, epochs: int, seed: int,
             frozen: bool) -> Trainer:
    x = encode(data.images, name)
    trainer = untrained(name, mode, x[:, :64], seed)
    with repeatable(seed):  # one thread is faster for so little
        for step in fit(trainer, x, data.labels, Course(epochs=epochs), seed, frozen):
            trainer = step.trainer
    return trainer


if __name__ == "__main__":
    app()
