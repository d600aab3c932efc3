# SPDX-License-Identifier: Apache-2.0
"""Integer training step in Python's integers, number by number, to hold the golden one against."""

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from ..models.golden.tt_training_layer import TrainingLayer, TrainingState

__all__ = ["StepByNumber"]


def _round(value: int, shift: int, limit: int = 127) -> int:
    return max(-limit, min(limit, (value + (1 << shift) // 2) >> shift))


@dataclass
class StepByNumber:
    """Forward and backward pass of one layer.

    Parameters
    ----------
    layer : TrainingLayer
    state : TrainingState
    x, error : Tensor[T, B, channels, H, W]

    Attributes
    ----------
    found : dict
        By tensor (``h``, ``b``, ``m``, ``y``, ``s``, ``w``, ``dy``, ...) its numbers by
        (t, image, channel, (y, x)).
    sums : dict of Tensor
        ``dg1`` to ``dg4``.
    """

    layer: TrainingLayer
    state: TrainingState
    x: Tensor
    error: Tensor
    found: dict[str, dict[Any, int]] = field(default_factory=dict)
    sums: dict[str, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.weight = {name: ((master + 128) // 256).tolist()
                       for name, master in self.state.masters.items()}
        self.sums = {f"d{name}": torch.zeros_like(master)
                     for name, master in self.state.masters.items()}
        self.found = {name: {} for name in ("h", "b", "m", "y", "s", "w", "dy", "dm", "db", "dh",
                                            "dx")}
        self.places = [(row, column) for row in range(self.x.shape[3])
                       for column in range(self.x.shape[4])]
        self.inside = set(self.places)
        for image in range(self.x.shape[1]):
            membrane: dict[Any, int] = {}
            for t in range(self.layer.timesteps):
                self._cores(t, image)
                self._neurons(t, image, membrane)
            later: dict[Any, int] = {}
            for t in reversed(range(self.layer.timesteps)):
                self._errors(t, image, later)
                self._gradients(t, image)

    def _full(self, t: int) -> bool:
        return self.layer.mode != "htt" or bool(self.layer.full_steps >> t & 1)

    def _conv(self, core: str, values: dict[Any, int], key: tuple, back: bool = False) -> int:
        """Return a sum over the taps of G2 (down) or G3 (across), or of the transposed core."""
        t, image, channel, (row, column) = key
        total = 0
        for k in range(3):
            by = 1 - k if back else k - 1
            place = (row + by, column) if core == "g2" else (row, column + by)
            for other in range(self.layer.rank if place in self.inside else 0):
                out, into = (other, channel) if back else (channel, other)
                total += self.weight[core][out][into][k] * values[t, image, other, place]
        return total

    def _cores(self, t: int, image: int) -> None:
        layer, found = self.layer, self.found
        keys = [(t, image, channel, place) for place in self.places
                for channel in range(layer.rank)]
        for key in keys:
            total = sum(self.weight["g1"][key[2]][i] * int(self.x[t, image, i, *key[3]])
                        for i in range(layer.inputs))
            found["h"][key] = _round(total, layer.shift_h)
        for key in keys:
            found["b"][key] = found["h"][key]
            if layer.mode == "stt":
                found["b"][key] = _round(self._conv("g2", found["h"], key), layer.shift_b)
        for key in keys:
            if not self._full(t):
                found["m"][key] = found["h"][key]
                continue
            total = self._conv("g3", found["b"], key)
            if layer.mode != "stt":
                total += self._conv("g2", found["h"], key)
            found["m"][key] = _round(total, layer.shift_m)

    def _neurons(self, t: int, image: int, membrane: dict[Any, int]) -> None:
        layer, found = self.layer, self.found
        for place in self.places:
            for out in range(layer.outputs):
                key = (t, image, out, place)
                y = _round(sum(self.weight["g4"][out][a] * found["m"][t, image, a, place]
                               for a in range(layer.rank)), layer.shift_y, 32767)
                u = max(-32767, min(32767, (membrane.get((out, place), 0) >> 2) + y))
                found["y"][key], found["s"][key] = y, int(u > layer.threshold)
                found["w"][key] = int(abs(u - layer.threshold) < layer.threshold)
                membrane[out, place] = 0 if u > layer.threshold else u

    def _errors(self, t: int, image: int, later: dict[Any, int]) -> None:
        layer, found, shifts = self.layer, self.found, self.state.shifts
        for place in self.places:
            for out in range(layer.outputs):
                key = (t, image, out, place)
                d = int(self.error[t, image, out, *place]) * found["w"][key] + (
                    0 if found["s"][key] else later.get((out, place), 0) >> 2)
                later[out, place] = d
                found["dy"][key] = _round(d, shifts["dy"])
        keys = [(t, image, channel, place) for place in self.places
                for channel in range(layer.rank)]
        for key in keys:
            total = sum(self.weight["g4"][out][key[2]] * found["dy"][t, image, out, key[3]]
                        for out in range(layer.outputs))
            found["dm"][key] = _round(total, shifts["dm"])
        if layer.mode == "stt":
            for key in keys:
                found["db"][key] = _round(self._conv("g3", found["dm"], key, True), shifts["db"])
        for key in keys:
            if layer.mode == "stt":
                total = self._conv("g2", found["db"], key, True)
            elif self._full(t):
                total = (self._conv("g2", found["dm"], key, True)
                         + self._conv("g3", found["dm"], key, True))
            else:
                total = found["dm"][key] << layer.shift_m
            found["dh"][key] = _round(total, shifts["dh"])
        for place in self.places:
            for i in range(layer.inputs):
                total = sum(self.weight["g1"][a][i] * found["dh"][t, image, a, place]
                            for a in range(layer.rank))
                found["dx"][t, image, i, place] = _round(total, shifts["dx"])

    def _gradients(self, t: int, image: int) -> None:
        layer, found = self.layer, self.found
        above = found["db" if layer.mode == "stt" else "dm"]
        for row, column in self.places:
            for a in range(layer.rank):
                key = (t, image, a, (row, column))
                for out in range(layer.outputs):
                    self.sums["dg4"][out, a] += (found["dy"][t, image, out, (row, column)]
                                                 * found["m"][key])
                for i in range(layer.inputs):
                    self.sums["dg1"][a, i] += found["dh"][key] * int(
                        self.x[t, image, i, row, column])
                for k in range(3 if self._full(t) else 0):
                    for i in range(layer.rank):
                        down = found["h"].get((t, image, i, (row + k - 1, column)), 0)
                        across = found["b"].get((t, image, i, (row, column + k - 1)), 0)
                        self.sums["dg2"][a, i, k] += above[key] * down
                        self.sums["dg3"][a, i, k] += found["dm"][key] * across
