# SPDX-License-Identifier: Apache-2.0
"""Layers of attention for its bench: tokens, and what they attend to."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..models.golden.attention import attention
from ..models.golden.compressor import compress
from ..models.golden.lane_word import pack
from ..rtl.config import AcceleratorConfig
from .fibers import Beat, spike_beats

__all__ = ["ATTENTION_CORNERS", "AttentionTraffic", "Spikes", "all_ones", "attention_traffic",
           "silent", "tile_heights"]

Spikes = Callable[[Tensor], None]  # changes what a layer reads, bool[T, N, 3, heads, d]


@dataclass
class AttentionTraffic:
    """A layer: what the descriptor says, what goes in, and what must come out."""

    fields: dict[str, int]
    tiles: list[dict[str, int]]
    rows: list[Beat]
    results: list[dict[str, Any]]


def attention_traffic(rng: random.Random, config: AcceleratorConfig, heads: int, channels: int,
                      steps: int, heights: list[int], change: Spikes, density: float
                      ) -> AttentionTraffic:
    """Return a layer of heads with so many channels, and tiles of so many tokens."""
    tokens = sum(heights)
    generator = torch.Generator().manual_seed(rng.getrandbits(32))
    spikes = torch.rand((config.timesteps, tokens, 3, heads, channels),
                        generator=generator) < density
    change(spikes)
    flat = spikes.flatten(2)
    psums, words = attention(flat, heads, steps), pack(flat)
    found = AttentionTraffic({"heads": heads, "head_channels": channels, "chunk_steps": steps,
                    "columns": heads * channels, "tiles": len(heights)},
                   [{"rows": height} for height in heights] * 2, [], [])
    for _ in range(2):
        for part in words.split(heights):
            for number, row in enumerate(part):
                found.rows += spike_beats(compress(row, config.chunk), config, row=number,
                                          noise=rng)
    for part in psums.split(heights, 1):
        found.results += _results(part)
    return found


def _results(psums: Tensor) -> list[dict[str, Any]]:
    """Return psums (T, M, N) in order of column, then row."""
    _, rows, columns = psums.shape
    return [{"psums": psums[:, row, column].tolist(), "row": row,
             "column_end": int(row == rows - 1), "last": int(column == columns - 1),
             "tile": {"rows": rows}}
            for column in range(columns) for row in range(rows)]


def tile_heights(config: Any, tokens: int) -> list[int]:
    """Return the heights of tiles, as large as may be."""
    rows = config.attention.rows
    return [min(rows, tokens - first) for first in range(0, tokens, rows)]


def silent(part: int) -> Spikes:
    """Return what makes all queries, keys or values silent."""
    def change(spikes: Tensor) -> None:
        spikes[:, :, part] = False
    return change


def all_ones(spikes: Tensor) -> None:
    """Everything fires: sums and results are the largest."""
    spikes[:] = True


def _silent_tokens(spikes: Tensor) -> None:
    """Each other token is silent, and so are the first head's values."""
    spikes[:, ::2] = False
    spikes[:, :, 2, 0] = False


def _single_spikes(spikes: Tensor) -> None:
    """One step only, in the last chunk."""
    spikes[:-1] = False


ATTENTION_CORNERS = [all_ones, _silent_tokens, _single_spikes, *map(silent, range(3))]
