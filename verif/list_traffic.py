# SPDX-License-Identifier: Apache-2.0
"""Golden weight lists as beats of the streams that carry them, and random weights for them."""

import random
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from ..models.golden.weight_list import Entry, encode, list_entries, locate
from ..rtl.config import ElementConfig

__all__ = ["canonical_list", "column_beats", "delta_beats", "fiber_list", "list_beats",
           "random_weights"]

Beat = dict[str, Any]


def random_weights(rng: random.Random, positions: int, densities: Sequence[float],
                   bits: int) -> Tensor:
    """Return weights int64[positions, N] of signed integers, a density for each column."""
    limit = 1 << (bits - 1)
    columns = [[rng.choice((rng.randint(-limit, -1), rng.randint(1, limit - 1), -limit))
                if rng.random() < density else 0 for _ in range(positions)]
               for density in densities]
    return torch.tensor(columns, dtype=torch.int64).T


def delta_beats(weights: Tensor, config: ElementConfig, delta_bits: int,
                noise: random.Random | None = None) -> list[Beat]:
    """Return a tile's columns as the beats that the list decoder takes.

    Parameters
    ----------
    weights : Tensor[K, N]
    config : ElementConfig
    delta_bits : int
        Of this layer.
    noise : random.Random, optional
        Fills what does not count with random values; without it that is 0.
    """
    columns = encode(weights, config.probes, config.beat_values, delta_bits)
    return _tile([[[{"delta": delta, "weight": weight} for delta, weight in beat]
                   for beat in column] for column in columns], "slots", noise)


def list_beats(weights: Tensor, config: ElementConfig, delta_bits: int,
               noise: random.Random | None = None) -> list[Beat]:
    """Return a tile's columns as the beats that the list decoder makes of their deltas."""
    columns = encode(weights, config.probes, config.beat_values, delta_bits)
    return _tile([[_entries(entries, config, noise)
                   for entries in list_entries(column, config.probes, delta_bits)]
                  for column in columns], "entries", noise)


def fiber_list(weights: Tensor, config: ElementConfig) -> list[Beat]:
    """Return a tile's columns as the beats that the fiber lister makes of their bitmasks."""
    banks, places = (found.tolist() for found in
                     locate(torch.arange(len(weights)), config.probes, config.beat_values))
    columns = []
    for values in weights.T.tolist():
        beats: list[list[Entry]] = []
        for position, weight in enumerate(values):
            if weight:
                beats.append([(places[position], weight) if bank == banks[position] else None
                              for bank in range(config.probes)])
        last_chunk = (len(values) - 1) // config.chunk * config.chunk
        if not any(values[last_chunk:]):
            beats.append([None] * config.probes)
        columns.append([_entries(beat, config, None) for beat in beats])
    return _tile(columns, "entries", None)


def column_beats(beats: Iterable[Sequence[Entry]], config: ElementConfig, *,
                 final: bool = False) -> list[Beat]:
    """Return one column as list beats; ``beats`` are the places and weights in the banks."""
    found = _tile([[_entries(entries, config, None) for entries in beats]], "entries", None)
    found[-1]["final"] = int(final)
    return found


def canonical_list(beats: Iterable[Beat]) -> list[Beat]:
    """Return list beats with 0 in every field that does not count, for comparison."""
    return [{"entries": [entry if entry["valid"] else {"valid": 0, "place": 0, "weight": 0}
                         for entry in beat["entries"]],
             "column_end": beat["column_end"],
             "final": beat["final"] if beat["column_end"] else 0} for beat in beats]


def _entries(entries: Sequence[Entry], config: ElementConfig,
             noise: random.Random | None) -> list[dict[str, int]]:
    """Return what the entries of a beat are as payload."""
    limit = 1 << (config.weight_bits - 1)
    found = []
    for entry in entries:
        place, weight = entry or (
            (noise.randrange(config.places), noise.randrange(-limit, limit)) if noise else (0, 0))
        found.append({"valid": int(entry is not None), "place": place, "weight": weight})
    return found


def _tile(columns: Sequence[Sequence[Any]], name: str, noise: random.Random | None) -> list[Beat]:
    """Return the beats of a tile's columns with their ends."""
    found = []
    for number, column in enumerate(columns):
        for place, beat in enumerate(column):
            end = place == len(column) - 1
            junk = noise.randint(0, 1) if noise else 0
            found.append({name: beat, "column_end": int(end),
                          "final": int(number == len(columns) - 1) if end else junk})
    return found
