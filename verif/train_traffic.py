# SPDX-License-Identifier: Apache-2.0
"""Random trainings for the benches of the training core."""

import random
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from ..models.golden.tt_readout import Trainer
from ..models.golden.tt_training_layer import ERRORS, TrainingLayer, TrainingState
from ..rtl.config import TrainConfig

__all__ = ["CONFIG", "CORNERS", "MODES", "Sizes", "random_error", "random_images", "random_trainer"]

CONFIG = TrainConfig(lanes=4, max_inputs=8, max_outputs=8, max_rank=4, max_timesteps=4,
                     max_pixels=24, max_windows=6, max_classes=4)
MODES = {0: ("ptt", "stt", "htt"), 1: ("stt", "dense")}  # by single_array
# Of the 8-bit copies of the weights, and forward shifts at which little saturates.
_WEIGHT, _SHIFTS = 60, {"shift_h": 1, "shift_b": 6, "shift_m": 6, "shift_y": 4}


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Sizes of a training, None for the most that there may be."""

    rank: int | None = None
    inputs: int | None = None
    outputs: int | None = None
    timesteps: int | None = None
    height: int = 4
    width: int = 4
    pool: int = 2
    classes: int | None = None
    batch: int = 2
    weight: int = _WEIGHT
    shifts: int | None = None   # delayed ones and those forward; None: such as fit
    full_steps: int | None = None


CORNERS = {
    "largest": Sizes(batch=1),
    "one_of_each": Sizes(rank=1, inputs=1, outputs=1, timesteps=1, height=1, width=1, pool=1,
                         classes=1),
    "row": Sizes(height=1, width=5, pool=1, rank=2, outputs=3, timesteps=2, inputs=3),
    "column": Sizes(height=5, width=1, pool=1, rank=1, outputs=2, timesteps=3, inputs=2),
    "saturated": Sizes(weight=127, shifts=0, height=2, width=4),
    "vanishing": Sizes(weight=2, shifts=12, height=2, width=2),
    "late_step_full": Sizes(full_steps=0b10, timesteps=2, rank=3, height=2, width=6),
}


def random_trainer(rng: random.Random, config: TrainConfig, mode: str,
                   sizes: Sizes) -> tuple[Trainer, tuple[int, int]]:
    """Return a trainer with random weights, and the size of its images."""
    generator = torch.Generator().manual_seed(rng.getrandbits(32))

    def integers(high: int, *shape: int) -> Tensor:
        return torch.randint(-high, high + 1, shape, generator=generator)

    timesteps = sizes.timesteps or config.max_timesteps
    full, mode = 0, "ptt" if mode == "htt" and timesteps == 1 else mode
    if mode == "htt":
        full = sizes.full_steps or rng.randint(1, (1 << timesteps) - 2)
    forward = _SHIFTS if sizes.shifts is None else dict.fromkeys(_SHIFTS, sizes.shifts)
    layer = TrainingLayer(
        inputs=sizes.inputs or config.max_inputs, outputs=sizes.outputs or config.max_outputs,
        rank=sizes.rank or config.max_rank, timesteps=timesteps, mode=mode,  # type: ignore
        full_steps=full, threshold=rng.choice((1, 20, 60)), **forward)
    if mode == "dense":
        layer = replace(layer, shift_y=min(layer.shift_y, 2))
    masters = {name: integers(sizes.weight << 8, *shape) for name, shape in layer.shapes.items()}
    fit = {"dy": 1, "dm": 5, "db": 5, "dh": 5, "dx": 5, "dg1": 6, "dg2": 7, "dg3": 7, "dg4": 8,
           "dw": 6}
    shifts = {name: fit[name] if sizes.shifts is None else sizes.shifts for name in ERRORS}
    classes = sizes.classes or config.max_classes
    features = layer.outputs * (sizes.height // sizes.pool) * (sizes.width // sizes.pool)
    trainer = Trainer(
        layer=layer, state=TrainingState(masters=masters, shifts=shifts),
        readout=integers(sizes.weight << 8, classes, features), pool=sizes.pool,
        shift_logits=5 if sizes.shifts is None else sizes.shifts, shift_error=6, shift_readout=2)
    return trainer, (sizes.height, sizes.width)


def random_images(rng: random.Random, trainer: Trainer, size: tuple[int, int],
                  batch: int) -> tuple[Tensor, Tensor]:
    """Return the spikes of some images, Tensor[T, B, I, H, W], and labels."""
    generator = torch.Generator().manual_seed(rng.getrandbits(32))
    layer = trainer.layer
    shape = (layer.timesteps, batch, layer.inputs, *size)
    x = torch.rand(shape, generator=generator) < rng.choice((0.2, 0.5, 0.9))
    return x, torch.randint(0, len(trainer.readout), (batch,), generator=generator)


def random_error(rng: random.Random, like: Any) -> Tensor:
    """Return an error of some spikes, with zeros and both limits."""
    generator = torch.Generator().manual_seed(rng.getrandbits(32))
    values = torch.randint(-160, 161, like.shape, generator=generator).clamp(-127, 127)
    return values.masked_fill(torch.rand(like.shape, generator=generator) < 0.3, 0)
