# SPDX-License-Identifier: Apache-2.0
"""Random layers for the weight loader: their words in memory, and what must come of them."""

import random
from dataclasses import dataclass
from typing import Any

import torch

from ..models.golden.chunk_slot import chunk_words
from ..models.golden.compressor import compress
from ..models.golden.fiber import Fiber
from ..models.golden.weight_loader import loaded_columns
from ..rtl.config import AcceleratorConfig
from .fibers import Beat, weight_beats

__all__ = ["Layer", "blank", "random_layer"]


def blank(shape: Any) -> Any:
    """Return the value of ``shape`` with zero in every field."""
    if hasattr(shape, "elem_shape"):
        return [blank(shape.elem_shape) for _ in range(shape.length)]
    if hasattr(shape, "members"):
        return {name: blank(field.shape) for name, field in shape}
    return 0


@dataclass(frozen=True)
class Layer:
    """A layer as the weight loader sees it.

    Attributes
    ----------
    fields : dict
        Those of the descriptor.
    fibers : list[Fiber]
        One for each column.
    """

    fields: dict[str, Any]
    fibers: list[Fiber]

    def words(self, config: AcceleratorConfig) -> list[int]:
        """Return the words of the weights."""
        return [word for fiber in self.fibers for mask, _, values in fiber.chunks()
                for word in chunk_words(mask.int().tolist(), values.tolist(),
                                        config.weight_bits, config)]

    def memory(self, config: AcceleratorConfig) -> dict[int, int]:
        """Return the words of the weights by their address."""
        return dict(enumerate(self.words(config), self.fields["weight_address"]))

    def beats(self, config: AcceleratorConfig) -> list[Beat]:
        """Return what the loader gives out."""
        names = ("columns", "block_columns", "chunks", "tiles")
        columns = loaded_columns(self.words(config), **{name: self.fields[name] for name in names},
                                 config=config)
        return [beat for fiber, final in columns
                for beat in weight_beats(fiber, config, final=final)]

    def block_beats(self, config: AcceleratorConfig) -> int:
        """Return the beats of the longest block."""
        counts = [sum(max(1, -(-count // config.beat_values)) for count in fiber.counts.tolist())
                  for fiber in self.fibers]
        step = self.fields["block_columns"]
        return max(sum(counts[first:first + step]) for first in range(0, len(counts), step))

    def pace(self, config: AcceleratorConfig) -> int:
        """Return the cycles that the words take, a beat or a word each, whichever are more."""
        cycles = 0
        for fiber in self.fibers:
            for count in fiber.counts.tolist():
                cycles += config.mask_words + -(-count // config.beat_values)
        return cycles


def random_layer(rng: random.Random, config: AcceleratorConfig, *, columns: int,
                 block_columns: int, chunks: int, tiles: int, stream: bool = False) -> Layer:
    """Return a layer of random weights; chunks are empty, full and anything between."""
    limit = 1 << (config.weight_bits - 1)
    fibers = []
    for _ in range(columns):
        weights = []
        for _ in range(chunks):
            share = rng.choice([0.0, 0.1, 0.5, 1.0])
            weights += [rng.choice([-limit, -1, limit - 1, rng.randrange(1, limit)])
                        if rng.random() < share else 0 for _ in range(config.chunk)]
        fibers.append(compress(torch.tensor(weights), config.chunk))
    layer = Layer({
        "columns": columns, "block_columns": block_columns, "chunks": chunks, "tiles": tiles,
        "blocks": -(-columns // block_columns), "weight_address": rng.getrandbits(31),
        "stream_weights": int(stream),
    }, fibers)
    layer.fields["weight_words"] = len(layer.words(config))
    return layer
