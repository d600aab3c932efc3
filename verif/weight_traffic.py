# SPDX-License-Identifier: Apache-2.0
"""Random layers for the weight loader: their words in memory, and what must come of them."""

import random
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..models.golden.chunk_slot import chunk_words
from ..models.golden.compressor import compress
from ..models.golden.decompressor import decompress
from ..models.golden.list_words import list_words
from ..models.golden.weight_list import encode, list_entries
from ..models.golden.weight_loader import loaded_columns, loaded_lists
from ..rtl.config import AcceleratorConfig
from .fibers import Beat, canonical, weight_beats
from .list_traffic import canonical_list, column_beats, fiber_list

__all__ = ["Layer", "blank", "canonical_weights", "random_layer"]


def blank(shape: Any) -> Any:
    """Return the value of ``shape`` with zero in every field."""
    if hasattr(shape, "elem_shape"):
        return [blank(shape.elem_shape) for _ in range(shape.length)]
    if hasattr(shape, "members"):
        return {name: blank(field.shape) for name, field in shape}
    return 0


def canonical_weights(beats: list[Beat], config: AcceleratorConfig) -> list[Beat]:
    """Return beats of weights with 0 in every field that does not count, for comparison."""
    return (canonical_list if config.looks_up else canonical)(beats)


@dataclass(frozen=True)
class Layer:
    """A layer as the weight loader sees it.

    Attributes
    ----------
    fields : dict
        Those of the descriptor.
    weights : Tensor[K, columns]
    """

    fields: dict[str, Any]
    weights: Tensor

    @property
    def counts(self) -> list[list[int]]:
        """Non-zero weights of each chunk of each column."""
        chunks = self.weights.T.reshape(self.weights.shape[1], self.fields["chunks"], -1)
        return (chunks != 0).sum(2).tolist()

    def words(self, config: AcceleratorConfig) -> list[int]:
        """Return the words of the weights."""
        if not self.fields["weight_list"]:
            return [word for column in self.weights.T
                    for mask, _, values in compress(column, config.chunk).chunks()
                    for word in chunk_words(mask.int().tolist(), values.tolist(),
                                            config.weight_bits, config)]
        delta_bits, step = self.fields["delta_bits"], self.fields["block_columns"]
        columns = encode(self.weights, config.probes, config.beat_values, delta_bits)
        return [word for first in range(0, len(columns), step)
                for word in list_words(columns[first:first + step], delta_bits, config)]

    def memory(self, config: AcceleratorConfig) -> dict[int, int]:
        """Return the words of the weights by their address."""
        return dict(enumerate(self.words(config), self.fields["weight_address"]))

    def beats(self, config: AcceleratorConfig) -> list[Beat]:
        """Return what the loader gives out."""
        if self.fields["weight_list"]:
            names = ("columns", "block_columns", "delta_bits", "tiles")
            columns = loaded_lists(self.words(config), config=config,
                                   **{name: self.fields[name] for name in names})
            return [beat for column, final in columns for beat in column_beats(
                list_entries(column, config.probes, self.fields["delta_bits"]), config,
                final=final)]
        names = ("columns", "block_columns", "chunks", "tiles")
        fibers = loaded_columns(self.words(config), config=config,
                                **{name: self.fields[name] for name in names})
        if not config.looks_up:
            return [beat for fiber, final in fibers
                    for beat in weight_beats(fiber, config, final=final)]
        found = []
        for fiber, final in fibers:
            found += fiber_list(decompress(fiber)[:, None], config)
            found[-1]["final"] = int(final)
        return found

    def block_beats(self, config: AcceleratorConfig) -> int:
        """Return the beats of the longest block."""
        fields = self.fields | {"tiles": 1}
        ends = [place for place, beat in enumerate(Layer(fields, self.weights).beats(config), 1)
                if beat["final"] and beat.get("column_end", beat.get("last"))]
        return max(end - start for start, end in zip([0, *ends], ends, strict=False))

    def pace(self, config: AcceleratorConfig) -> int:
        """Return the cycles that the words take, a beat or a word each, whichever are more.

        Fibers that are listed are not paced by their words.
        """
        if self.fields["weight_list"]:
            return len(Layer(self.fields | {"tiles": 1}, self.weights).beats(config))
        return sum(config.mask_words + -(-count // config.beat_values)
                   for counts in self.counts for count in counts)


def random_layer(rng: random.Random, config: AcceleratorConfig, *, columns: int,
                 block_columns: int, chunks: int, tiles: int, stream: bool = False,
                 delta_bits: int | None = None) -> Layer:
    """Return a layer of random weights; chunks are empty, full and anything between.

    With ``delta_bits`` the weights are lists.
    """
    limit = 1 << (config.weight_bits - 1)
    weights = []
    for _ in range(columns):
        weights.append([])
        for _ in range(chunks):
            share = rng.choice([0.0, 0.1, 0.5, 1.0])
            weights[-1] += [rng.choice([-limit, -1, limit - 1, rng.randrange(1, limit)])
                            if rng.random() < share else 0 for _ in range(config.chunk)]
    layer = Layer({
        "columns": columns, "block_columns": block_columns, "chunks": chunks, "tiles": tiles,
        "blocks": -(-columns // block_columns), "weight_address": rng.getrandbits(31),
        "stream_weights": int(stream), "weight_list": int(delta_bits is not None),
        "delta_bits": delta_bits or 0,
    }, torch.tensor(weights, dtype=torch.int64).T)
    layer.fields["weight_words"] = len(layer.words(config))
    return layer
