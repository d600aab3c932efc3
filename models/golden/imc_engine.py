# SPDX-License-Identifier: Apache-2.0
"""In-memory-computing engine: a row vector of lane words times the weights of its crossbars."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ...rtl.config import CrossbarConfig
from .checks import check_int, check_integers, check_rank
from .combine_lanes import combine_lanes
from .conductance import Image
from .crossbar import crossbar
from .errors import GoldenError
from .lane_word import unpack
from .read_noise import ReadNoise
from .shift_add import shift_add

__all__ = ["IMCEngine", "Reading"]


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How an engine reads lane words; the default is one result for each timestep.

    Parameters
    ----------
    lanes : int
        Bits of a lane word that are used, from the lowest; 0 for all T.
    planes : bool
        They are the bits of one integer: one result.
    signed : bool
        The topmost of these is negative.
    """

    lanes: int = 0
    planes: bool = False
    signed: bool = False


class IMCEngine:
    """Crossbars side by side, one for each ``R`` positions of the row vector.

    Parameters
    ----------
    config : CrossbarConfig
    images : sequence of Image
        One for each tile.

    Raises
    ------
    GoldenError
        There are more or fewer images than tiles.
    """

    def __init__(self, config: CrossbarConfig, images: Sequence[Image]):
        self.config = config
        self.load(images)
        self._noise = [ReadNoise(config, tile) for tile in range(config.tiles)]

    def load(self, images: Sequence[Image]) -> None:
        """Replace what the macros hold; the noise goes on.

        Raises
        ------
        GoldenError
            There are more or fewer images than tiles.
        """
        if len(images) != self.config.tiles:
            raise GoldenError(f"images must be {self.config.tiles}, one for each tile, "
                              f"not {len(images)}")
        self.images = images

    def run(self, words: Tensor, reading: Reading | None = None) -> Tensor:
        """Multiply row vectors, one after the other.

        The lanes of a vector are read lowest first; bit planes highest first.

        Parameters
        ----------
        words : Tensor[M, K]
            Integers, unsigned T-bit lane words; K at most that of all tiles, the others are
            silent.
        reading : Reading

        Returns
        -------
        Tensor[lanes, M, N]
            int64, of each lane; with bit planes Tensor[1, M, N].

        Raises
        ------
        GoldenError
            An operand does not fit the engine.
        """
        reading, config = reading or Reading(), self.config
        check_rank("words", words, 2)
        check_int("lanes", reading.lanes, 0, config.timesteps)
        words = check_integers("words", words)
        if words.shape[1] > config.inputs:
            raise GoldenError(f"words must have at most {config.inputs} columns, "
                              f"not {words.shape[1]}")
        padded = torch.zeros(len(words), config.inputs, dtype=torch.int64)
        padded[:, :words.shape[1]] = words
        spikes = unpack(padded, config.timesteps)[:reading.lanes or config.timesteps]
        lanes = len(spikes)
        if reading.planes:
            spikes = spikes.flip(0)
        pulses = spikes.transpose(0, 1).reshape(-1, config.inputs)  # in the order of the reads
        psums = torch.zeros(len(pulses), config.outputs, dtype=torch.int64)
        for tile, image in enumerate(self.images):
            lines = pulses[:, tile * config.rows:(tile + 1) * config.rows]
            codes = crossbar(lines, image, config, self._noise[tile])
            psums += shift_add(codes, lines, image.negative, config)
        psums = psums.reshape(len(words), lanes, config.outputs).transpose(0, 1)
        if reading.planes:
            return combine_lanes(psums.flip(0)[:, None], reading.signed)[None]
        return psums
