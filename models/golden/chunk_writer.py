# SPDX-License-Identifier: Apache-2.0
"""Chunk writer: where the compressed fibers of a tile lie in memory."""

from collections.abc import Sequence
from dataclasses import dataclass

from ...rtl.config import AcceleratorConfig
from .chunk_slot import chunk_words
from .fiber import Fiber

__all__ = ["OutputMap", "written_chunks"]


@dataclass(frozen=True)
class OutputMap:
    """Layout of an output map, in memory words.

    Attributes
    ----------
    passes : int
        Lane passes of an output position.
    pass_pitch : int
        From the map of one lane pass to that of the next.
    pixel_pitch : int
        From one pixel to the next.
    chunk_pitch : int
        From one chunk of a pixel to the next.
    """

    passes: int
    pass_pitch: int
    pixel_pitch: int
    chunk_pitch: int


def written_chunks(fibers: Sequence[Fiber], address: int, output: OutputMap,
                   config: AcceleratorConfig) -> dict[int, int]:
    """Return the words that a tile leaves in memory, by their address.

    Parameters
    ----------
    fibers : Sequence[Fiber]
        Lane words of each row.
    address : int
        Slot of the first pixel's first chunk.
    output : OutputMap
    config : AcceleratorConfig
    """
    memory = {}
    for row, fiber in enumerate(fibers):
        pixel, lane_pass = divmod(row, output.passes)
        for index, (mask, _, values) in enumerate(fiber.chunks()):
            slot = (address + pixel * output.pixel_pitch + lane_pass * output.pass_pitch
                    + index * output.chunk_pitch)
            words = chunk_words(mask.int().tolist(), values.tolist(), config.timesteps, config)
            memory |= {slot + place: word for place, word in enumerate(words)}
    return memory
