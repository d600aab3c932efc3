# SPDX-License-Identifier: Apache-2.0
"""Weights of a layer in the order of its fibers, and the sources that match this order."""

from dataclasses import dataclass

import numpy as np

from ...models.golden.source import Source
from ...rtl.config import AcceleratorConfig
from .errors import CompileError

__all__ = ["FiberSource", "fiber_weights", "lay_source"]

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


def fiber_weights(sources: tuple[FiberSource, ...], chunk: int) -> np.ndarray:
    """Return the weights as int8[columns, chunks, C], zero where a fiber has no position."""
    return np.concatenate([_source_weights(fiber, chunk) for fiber in sources], axis=1)


def _source_weights(fiber: FiberSource, chunk: int) -> np.ndarray:
    dense = fiber.source.dense_weight.numpy().astype(np.int8).transpose(0, 2, 3, 1)
    columns, _, _, channels = dense.shape
    taps = dense.reshape(columns, -1, channels)
    if fiber.chunks > 1:
        filled = _filled(taps, 2, fiber.chunks * chunk)
    else:
        whole = _filled(taps, 1, fiber.fiber_chunks * fiber.taps_per_chunk)
        filled = _filled(whole.reshape(columns, fiber.fiber_chunks, -1), 2, chunk)
    return filled.reshape(columns, fiber.fiber_chunks, chunk)


def _filled(array: np.ndarray, axis: int, size: int) -> np.ndarray:
    widths = [(0, 0)] * array.ndim
    widths[axis] = (0, size - array.shape[axis])
    return np.pad(array, widths)
