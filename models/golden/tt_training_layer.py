# SPDX-License-Identifier: Apache-2.0
"""Layer of an integer training: its shape, what a step changes, what its passes give."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from .checks import check_int
from .errors import GoldenError
from .lane_word import MAX_TIMESTEPS

__all__ = ["ACCUMULATOR_BITS", "ERRORS", "MASTER_LIMIT", "Forward", "Gradients", "TrainingLayer",
           "TrainingState"]

ACCUMULATOR_BITS = 32         # signed, of each sum
MASTER_LIMIT = 127 << 8       # of a magnitude, so that the copy has 8 bits
ERRORS = ("dy", "dm", "db", "dh", "dx", "dg1", "dg2", "dg3", "dg4", "dw")  # with delayed shifts
_MODES = ("stt", "ptt", "htt", "dense")


@dataclass(frozen=True, kw_only=True)
class TrainingLayer:
    """Shape of the layer, mode and forward shifts; ``dense`` has no rank.

    Raises
    ------
    GoldenError
        If a field does not fit.
    """

    inputs: int
    outputs: int
    rank: int
    timesteps: int
    mode: Literal["stt", "ptt", "htt", "dense"]
    full_steps: int = 0      # bit t: all cores run at timestep t; of the mode htt
    shift_h: int = 0
    shift_b: int = 0
    shift_m: int = 0
    shift_y: int = 0
    threshold: int = 128

    def __post_init__(self) -> None:
        for field, low, high in (("inputs", 1, 512), ("outputs", 1, 512), ("rank", 1, 256),
                                 ("timesteps", 1, MAX_TIMESTEPS), ("threshold", 1, 16383),
                                 ("shift_h", 0, 15), ("shift_b", 0, 15), ("shift_m", 0, 15),
                                 ("shift_y", 0, 15)):
            check_int(field, getattr(self, field), low, high)
        if self.mode not in _MODES:
            raise GoldenError(f"mode must be one of {', '.join(_MODES)}, not {self.mode!r}")
        every = (1 << self.timesteps) - 1
        low, high = (1, every - 1) if self.mode == "htt" else (0, 0)
        check_int(f"full_steps in the mode {self.mode}", self.full_steps, low, high)

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of the cores by name, outputs before inputs."""
        rank = self.rank
        if self.mode == "dense":
            return {"w": (self.outputs, self.inputs, 9)}
        return {"g1": (rank, self.inputs), "g2": (rank, rank, 3), "g3": (rank, rank, 3),
                "g4": (self.outputs, rank)}

    @property
    def full(self) -> Tensor:
        """Whether all cores run, bool[T]."""
        mask = self.full_steps if self.mode == "htt" else (1 << self.timesteps) - 1
        return torch.tensor([bool(mask >> t & 1) for t in range(self.timesteps)])


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainingState:
    """What a step changes.

    Parameters
    ----------
    masters : dict of Tensor
        int64, 16 bits, of the shapes of the layer: ``g1`` [r, I], ``g2`` [r, r, 3] down,
        ``g3`` [r, r, 3] across, ``g4`` [O, r]; outputs before inputs. If dense ``w`` [O, I, 9].
    shifts : dict of int
        Delayed shifts of `ERRORS`, 0..31.
    """

    masters: dict[str, Tensor]
    shifts: dict[str, int]


@dataclass(frozen=True, kw_only=True, eq=False)
class Forward:
    """What the forward pass keeps, Tensor[T, B, channels, H, W].

    Parameters
    ----------
    x, spikes, window : Tensor
        bool; spikes of the input and the output, and where the surrogate gradient is 1.
    h, b, m : Tensor
        int64, 8 bits; ``b`` is ``h`` unless the mode is ``stt``; all are ``x`` if dense.
    y : Tensor
        int64, 16 bits.
    """

    x: Tensor
    h: Tensor
    b: Tensor
    m: Tensor
    y: Tensor
    spikes: Tensor
    window: Tensor


@dataclass(frozen=True, kw_only=True, eq=False)
class Gradients:
    """What the backward pass gives.

    Parameters
    ----------
    errors : dict of Tensor
        ``dy``, ``dm``, ``db`` (stt only), ``dh``, ``dx``: int64, 8 bits, [T, B, channels, H, W];
        if dense ``dy`` and ``dx``.
    sums : dict of Tensor
        ``dg1`` to ``dg4``, if dense ``dw``: int64, of the shapes of the cores, before they are
        rescaled.
    shifts : dict of int
        Delayed shifts of the next step.
    """

    errors: dict[str, Tensor]
    sums: dict[str, Tensor]
    shifts: dict[str, int]
