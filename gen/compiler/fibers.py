# SPDX-License-Identifier: Apache-2.0
"""Weights of a layer in the order of its fibers, and the sources that match this order."""

from dataclasses import dataclass

import numpy as np

from ...models.golden.source import Source
from ...rtl.config import AcceleratorConfig
from .errors import CompileError

__all__ = ["FiberSource", "fiber_positions", "fiber_weights", "lay_source"]

_FIELD_LIMIT = 255  # of the fields of 8 bits


@dataclass(frozen=True, kw_only=True)
class FiberSource:
    """How a layer walks one of its inputs.

    Attributes
    ----------
    source : Source
    chunks : int
        Chunks of a pixel.
    taps_per_chunk : int
        Taps that share a chunk of the fiber.
    tap_positions : int
        Positions of a tap in a shared chunk.
    fiber_chunks : int
        Chunks that this source adds to a fiber.
    """

    source: Source
    chunks: int
    taps_per_chunk: int
    tap_positions: int
    fiber_chunks: int


def lay_source(layer: str, source: Source, config: AcceleratorConfig) -> FiberSource:
    """Decide how the taps of a source share chunks; raise `CompileError` if it is too large."""
    channels = source.inputs[0]
    taps = source.kernel[0] * source.kernel[1]
    chunks = -(-channels // config.chunk)
    sizes = {"kernel height": source.kernel[0], "kernel width": source.kernel[1],
             "stride": source.pixel_stride, "padding top": source.pixel_padding[0],
             "padding left": source.pixel_padding[1], "chunks of a pixel": chunks}
    for field, size in sizes.items():
        if size > _FIELD_LIMIT:
            raise CompileError(layer, f"{field} of source {source.input}",
                               f"at most {_FIELD_LIMIT}, sum pooling included", size,
                               "divide the layer in two")
    if chunks > 1:
        return FiberSource(source=source, chunks=chunks, taps_per_chunk=1,
                           tap_positions=config.chunk, fiber_chunks=taps * chunks)
    shared = min(config.chunk // channels, taps, _FIELD_LIMIT)
    return FiberSource(source=source, chunks=1, taps_per_chunk=shared, tap_positions=channels,
                       fiber_chunks=-(-taps // shared))


def fiber_positions(sources: tuple[FiberSource, ...], chunk: int) -> np.ndarray:
    """Return the position in the fiber of each input, int64[K] in the order of the layer's rows."""
    places, before = [], 0
    for fiber in sources:
        channels = fiber.source.inputs[0]
        tap, channel = np.divmod(np.arange(fiber.source.row_length), channels)
        shared, within = np.divmod(tap, fiber.taps_per_chunk)
        places.append((before + shared * fiber.chunks) * chunk + within * fiber.tap_positions
                      + channel)
        before += fiber.fiber_chunks
    return np.concatenate(places)


def fiber_weights(sources: tuple[FiberSource, ...], chunk: int) -> np.ndarray:
    """Return the weights as int8[columns, chunks, C], zero where a fiber has no position."""
    matrix = np.concatenate([fiber.source.weight_matrix().numpy() for fiber in sources])
    chunks = sum(fiber.fiber_chunks for fiber in sources)
    weights = np.zeros((matrix.shape[1], chunks * chunk), np.int8)
    weights[:, fiber_positions(sources, chunk)] = matrix.T
    return weights.reshape(-1, chunks, chunk)
