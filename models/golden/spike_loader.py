# SPDX-License-Identifier: Apache-2.0
"""Rows of a layer as fibers of lane words, gathered from spike maps."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from .errors import GoldenError

__all__ = ["load_rows"]


def load_rows(layer: Mapping[str, Any], maps: Sequence[Tensor], chunk: int) -> Tensor:
    """Return the fibers of all rows of a weight block, in their order.

    Parameters
    ----------
    layer : Mapping
        The fields of a layer's descriptor by name; ``sources`` is a sequence of such mappings.
    maps : Sequence[Tensor[T, passes, N, H, W]]
        Spikes that each source reads, bool.
    chunk : int
        ``C``.

    Returns
    -------
    Tensor[rows, chunks, C]
        int64, the lane words at all positions.

    Raises
    ------
    GoldenError
        If a map does not have the shape that its source says.
    """
    fibers = []
    count = layer["source_count"]
    for source, silent, spikes in zip(layer["sources"][:count], layer["silent_steps"][:count],
                                      maps, strict=True):
        steps, passes, channels, height, width = spikes.shape
        if (passes, height, width) != (layer["passes"], source["height"], source["width"]):
            raise GoldenError(f"maps must have passes, height and width {layer['passes']}, "
                              f"{source['height']}, {source['width']}, not {passes}, {height}, "
                              f"{width}")
        words = (spikes.long() << torch.arange(steps).view(-1, 1, 1, 1, 1)).sum(0) & ~silent
        taps = _taps(layer, source, words)  # [rows, taps, N]
        positions = source["tap_positions"]
        if source["taps_per_chunk"] == 1:
            positions = source["chunks"] * chunk
        if channels > positions:
            raise GoldenError(f"maps must have at most {positions} channels, not {channels}")
        taps = pad(taps, (0, positions - channels))
        groups = []
        for group in taps.split(source["taps_per_chunk"], 1):
            flat = group.flatten(1)
            groups.append(pad(flat, (0, -flat.shape[1] % chunk)).unflatten(1, (-1, chunk)))
        fibers += groups
    return torch.cat(fibers, 1)


def _taps(layer: Mapping[str, Any], source: Mapping[str, Any], words: Tensor) -> Tensor:
    """Return what each row sees under its kernel, int64[rows, taps, channels]."""
    pool, stride = layer["pool"], source["stride"]
    kernel = source["kernel_height"], source["kernel_width"]
    # enough silence on all sides that every window is there
    wanted = [(count * pool - 1) * stride + size
              for count, size in zip((layer["out_height"], layer["out_width"]), kernel,
                                     strict=True)]
    top, left = source["padding_top"], source["padding_left"]
    padded = pad(words, (left, max(0, wanted[1] - left - source["width"]),
                         top, max(0, wanted[0] - top - source["height"])))
    seen = padded.unfold(2, kernel[0], stride).unfold(3, kernel[1], stride)
    seen = seen[:, :, :layer["out_height"] * pool, :layer["out_width"] * pool]
    # [passes, N, wy, dy, wx, dx, ky, kx] to [wy, wx, dy, dx, pass, ky, kx, N]
    seen = seen.unflatten(3, (-1, pool)).unflatten(2, (-1, pool))
    return seen.permute(2, 4, 3, 5, 0, 6, 7, 1).flatten(0, 4).flatten(1, 2)
