# SPDX-License-Identifier: Apache-2.0
"""Predicted cycles: a simple model of what limits each layer, no simulation."""

import math

import numpy as np

from ...rtl.config import AcceleratorConfig
from .chunks import ChunkFormat
from .maps import SpikeMap
from .layer_plan import LayerPlan

__all__ = ["ASSUMED_DENSITY", "predict_encode", "predict_layer"]

ASSUMED_DENSITY = 0.25  # share of lane words that are not silent, where nothing is known
_FIXED_CYCLES = 150     # descriptor, loading of the first tile, profile record
_ENCODE_CYCLES = 40     # first word of the image, last word of the map


def predict_encode(image: SpikeMap, config: AcceleratorConfig,
                   density: float = ASSUMED_DENSITY) -> int:
    """Return the cycles to encode an image.

    Each chunk is compressed while the one before is written, so the slower of both sets the pace:

    - compress: a position a cycle; the words of the bitmask hold it up only as far as the next
      chunk's first slice is gathered sooner than they are written;
    - write: its words, 3 cycles more for each burst, and 1 more unless the last one is of 1 word.

    The memory is taken to acknowledge a burst before eight more wait for that.

    Parameters
    ----------
    image : SpikeMap
    config : AcceleratorConfig
    density : float
        Share of lane words that are not zero, 0..1.
    """
    chunk_format = ChunkFormat.of_spikes(config)
    positions = [min(config.chunk, image.channels - first)
                 for first in range(0, image.channels, config.chunk)]
    words = chunk_format.mask_words
    first_slice = [min(config.beat_values, count) for count in positions[1:] + positions[:1]]
    compress = [count + min(words, max(0, words + 2 - ahead))
                for count, ahead in zip(positions, first_slice, strict=True)]
    write = [_write_cycles(chunk_format, count, density, config.burst_words)
             for count in positions]
    pixel = sum(map(max, compress, write[-1:] + write[:-1]))
    return int(_ENCODE_CYCLES + image.passes * image.height * image.width * pixel)


def _write_cycles(chunk_format: ChunkFormat, positions: int, density: float, burst: int) -> float:
    """Return the cycles to write a chunk of so many positions, on average."""
    words = chunk_format.words(np.arange(positions + 1))
    cycles = words + 3 * -(-words // burst) + (words % burst != 1)
    chances = [math.comb(positions, count) * density**count * (1 - density)**(positions - count)
               for count in range(positions + 1)]
    return float(cycles @ chances)


def predict_layer(plan: LayerPlan, config: AcceleratorConfig,
                  density: float = ASSUMED_DENSITY) -> int:
    """Return the cycles of a layer.

    Tiles overlap, so the slowest of these sets the pace, each in cycles of a tile:

    - elements: see `_join_cycles` and `_lookup_cycles`;
    - rows: a word of bitmask or spikes a cycle, for all rows of the tile;
    - output: one neuron a cycle;
    - weights, if they are streamed: one word a cycle, or as they are listed.

    Parameters
    ----------
    plan : LayerPlan
    config : AcceleratorConfig
    density : float
        Share of lane words that are not silent, 0..1.
    """
    order, rows = plan.order, plan.tile_rows
    elements = (_lookup_cycles if config.looks_up else _join_cycles)(plan, config, density)
    fetch = sum(_slot_words(source, config, density) for source in plan.sources) * rows
    output = rows * order.columns
    load = plan.weights.load_cycles(order.block_columns)
    streamed = load if plan.stream_weights else 0
    tile = max(elements / order.blocks, fetch, output / order.blocks, streamed)
    return int(_FIXED_CYCLES + load + order.blocks * order.tiles * tile)


def _join_cycles(plan: LayerPlan, config: AcceleratorConfig, density: float) -> float:
    """Return the cycles in which a TPPE joins all columns with its row.

    Each chunk of a column takes 1 cycle or one for each expected match, whichever is more; with
    a laggy prefix sum, a chunk with a match takes at least its cycles.
    """
    chunk_cycles = np.maximum(1, plan.weights.counts * density)
    if config.inner_join == "fast_laggy":
        busy = 1 - (1 - density) ** plan.weights.counts  # chance of any match
        chunk_cycles = np.maximum(chunk_cycles, busy * config.chunk / config.laggy_adders)
    return float(chunk_cycles.sum())


def _lookup_cycles(plan: LayerPlan, config: AcceleratorConfig, density: float) -> float:
    """Return the cycles in which an element looks all columns up in its rows.

    A beat of weights takes 1 cycle, and so does each hit: a weight that meets a spike of a row
    (``scan``), or of any row of the tile (``bcast``).
    """
    weights = int(plan.weights.counts.sum())
    if config.pe == "scan":
        hits = weights * density * -(-plan.tile_rows // config.tppes)
    else:
        hits = weights * (1 - (1 - density) ** plan.tile_rows)
    return max(int(plan.weights.column_beats.sum()), hits)


def _slot_words(fiber, config: AcceleratorConfig, density: float) -> float:
    """Return the words that a row fetches of one source, padding not considered."""
    channels, _, _ = fiber.source.inputs
    slots = fiber.source.kernel[0] * fiber.source.kernel[1] * fiber.chunks
    values = -(-channels // fiber.chunks) * density
    chunk_format = ChunkFormat.of_spikes(config)
    beats = -(-values // config.beat_values)
    return slots * (chunk_format.mask_words + -(-beats // chunk_format.beats_per_word))
