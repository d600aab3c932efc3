# SPDX-License-Identifier: Apache-2.0
"""Golden fibers as beats of the fiber streams and back; see ``rtl.ftp.layouts.beat_layout``."""

import random
from collections.abc import Iterable
from typing import Any

import torch

from ..models.golden.fiber import Fiber
from ..rtl.config import FTPConfig

__all__ = ["Beat", "canonical", "fiber_from_beats", "spike_beats", "weight_beats"]

Beat = dict[str, Any]


def spike_beats(fiber: Fiber, config: FTPConfig, *, row: int | None = None,
                offsets: bool = False, noise: random.Random | None = None) -> list[Beat]:
    """Return the beats of a spike fiber, ``max(1, ceil(values / V))`` for each chunk.

    Parameters
    ----------
    fiber : Fiber
        Of lane words, in chunks of ``config.chunk`` positions.
    config : FTPConfig
        Gives the values of a beat, ``V``.
    row : int, optional
        The field ``row`` of all beats; without it the beats have no such field.
    offsets : bool
        Whether the beats have the field ``offset``, as those of compressor and decompressor.
    noise : random.Random, optional
        Fills what does not count with random values; without it that is 0.
    """
    found = _beats(fiber, config, (0, (1 << config.timesteps) - 1), noise)
    for beat, offset in found:
        if offsets:
            places = config.max_chunks * config.chunk
            beat["offset"] = offset if beat["end"] else _junk(noise, 0, places)
        if row is not None:  # with an offset it counts in the last beat of a chunk only
            counts = beat["end"] or not offsets or noise is None
            beat["row"] = row if counts else _junk(noise, 0, config.tppes - 1)
    return [beat for beat, _ in found]


def weight_beats(fiber: Fiber, config: FTPConfig, *, final: bool = False,
                 noise: random.Random | None = None) -> list[Beat]:
    """Return the beats of a weight fiber, ``max(1, ceil(values / V))`` for each chunk.

    Parameters
    ----------
    fiber : Fiber
        Of weights, in chunks of ``config.chunk`` positions.
    config : FTPConfig
        Gives the values of a beat, ``V``.
    final : bool
        Whether this is the last fiber of its tile.
    noise : random.Random, optional
        Fills what does not count with random values; without it that is 0.
    """
    limit = 1 << (config.weight_bits - 1)
    beats = [beat for beat, _ in _beats(fiber, config, (-limit, limit - 1), noise)]
    for beat in beats:
        beat["final"] = int(final) if beat["end"] and beat["last"] else _junk(noise, 0, 1)
    return beats


def canonical(beats: Iterable[Beat]) -> list[Beat]:
    """Return the beats with 0 in every field that does not count, for comparison.

    That is in all but ``values`` and ``end`` of a beat that is not its chunk's last, and in
    ``final`` without ``last``. Unused places of ``values`` stay as they are.
    """
    clean = []
    for beat in beats:
        fields = ("values", "end") if not beat["end"] else tuple(
            name for name in beat if name != "final" or beat["last"])
        clean.append({name: beat[name] if name in fields else 0 for name in beat})
    return clean


def fiber_from_beats(beats: Iterable[Beat], config: FTPConfig,
                     length: int | None = None) -> Fiber:
    """Return the fiber that ``beats`` carry, the inverse of `spike_beats` and `weight_beats`.

    Parameters
    ----------
    beats : Iterable[dict]
        All beats of one fiber and of no other.
    config : FTPConfig
        Gives the positions of a chunk and the values of a beat.
    length : int, optional
        Positions of the fiber; without it all those of its chunks.

    Raises
    ------
    ValueError
        The beats of a chunk are not as many as its mask wants, or ``last`` is not at the end.
    """
    masks, offsets, kept, packed, lasts = [], [], [], [], []
    start = 0
    for beat in beats:
        packed += beat["values"]
        if not beat["end"]:
            continue
        mask = [beat["mask"] >> place & 1 for place in range(config.chunk)]
        count = sum(mask)
        if len(packed) != config.beat_values * _beat_count(count, config):
            raise ValueError(f"beats of chunk {len(masks)} must be {_beat_count(count, config)}, "
                             f"not {len(packed) // config.beat_values}")
        masks.append(mask)
        offsets.append(beat.get("offset", start))
        lasts.append(beat["last"])
        kept += packed[:count]
        packed = []
        start += count
    if packed or [index for index, last in enumerate(lasts) if last] != [len(lasts) - 1]:
        raise ValueError(f"last must be set in the last chunk only and end the beats, not {lasts}")
    return Fiber(torch.tensor(masks, dtype=torch.bool), torch.tensor(offsets, dtype=torch.int64),
                 torch.tensor(kept, dtype=torch.int64),
                 len(masks) * config.chunk if length is None else length)


def _beat_count(values: int, config: FTPConfig) -> int:
    """Return the beats of a chunk with so many values."""
    return max(1, -(-values // config.beat_values))


def _junk(noise: random.Random | None, low: int, high: int) -> int:
    """Return a value for a field that does not count."""
    return noise.randint(low, high) if noise else 0


def _beats(fiber: Fiber, config: FTPConfig, limits: tuple[int, int],
           noise: random.Random | None) -> list[tuple[Beat, int]]:
    """Return each beat with the fields that all have, and the offset of its chunk."""
    if fiber.chunk != config.chunk:
        raise ValueError(f"chunks of the fiber must be of {config.chunk} positions, "
                         f"not {fiber.chunk}")
    found = []
    chunks = list(fiber.chunks())
    for index, (mask, offset, values) in enumerate(chunks):
        bits = sum(bit << place for place, bit in enumerate(mask.tolist()))
        size = config.beat_values * _beat_count(len(values), config)
        packed = values.tolist()
        packed += [_junk(noise, *limits) for _ in range(size - len(packed))]
        for place in range(0, size, config.beat_values):
            end = place + config.beat_values == size
            found.append(({
                "values": packed[place:place + config.beat_values],
                "end": int(end),
                "mask": bits if end else _junk(noise, 0, (1 << config.chunk) - 1),
                "last": int(index == len(chunks) - 1) if end else _junk(noise, 0, 1),
            }, offset))
    return found
