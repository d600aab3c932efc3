# SPDX-License-Identifier: Apache-2.0
"""Predicted cycles: a simple model of what limits each layer, no simulation."""

import math
from collections.abc import Iterator

import numpy as np

from ...models.golden.layer import AttentionLayer, PoolLayer
from ...rtl.config import AcceleratorConfig
from ...rtl.soc.residual_pool import MEMBERS_AHEAD
from .chunks import ChunkFormat
from .crossbars import CellWeights
from .layer_plan import LayerPlan
from .maps import SpikeMap

__all__ = ["ASSUMED_DENSITY", "predict_encode", "predict_layer"]

ASSUMED_DENSITY = 0.25  # share of lane words that are not silent, where nothing is known
_FIXED_CYCLES = 150     # descriptor, loading of the first tile, profile record
_ENCODE_CYCLES = 40     # first word of the image, last word of the map
_VERIFY_CYCLES = 1      # a cell that has its target
_PULSE_CYCLES = 2       # a programming pulse and its read
_PULSES = 2             # of a cell that has not
_TOKEN_CYCLES = 4       # lost between two tokens of attention
_READ_CYCLES = {"axi": 28, "on_chip": 8}  # of a word, there and back; outside 20 in the memory


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

    Parameters
    ----------
    plan : LayerPlan
    config : AcceleratorConfig
    density : float
        Share of lane words that are not silent, 0..1.
    """
    if plan.engine == "crossbar":
        cycles = _crossbar_cycles(plan, density)
    elif plan.engine == "attention":
        cycles = _attention_cycles(plan, config, density)
    elif plan.engine == "residual_pool":
        cycles = _pool_cycles(plan, config)
    else:
        cycles = (_lookup_cycles if config.looks_up else _join_cycles)(plan, config, density)
    return int(_FIXED_CYCLES + cycles)


def _crossbar_cycles(plan: LayerPlan, density: float) -> float:
    """Return the cycles of a layer on crossbars.

    Each block is programmed, cell by cell: a verify read, and a few pulses and reads for those
    that change, taken to be as many as the weights that are not zero. Then each row takes a read
    for each lane; of a read the slowest of these sets the pace: laying spikes on wordlines,
    walking the active ones of the fullest macro and converting, giving the results.
    """
    weights, order = plan.weights, plan.order
    assert isinstance(weights, CellWeights)
    config, lines = weights.crossbars.config, weights.lines
    cells = (lines + weights.crossbars.tiles) * config.columns * order.blocks
    share = weights.counts.sum() / max(1, lines * order.columns)
    active = min(lines, config.rows) * density
    turns = max(lines / config.beat_values + 2, active + config.columns_per_adc + 2,
                config.columns_per_adc + config.outputs)
    rows = order.height * order.width * order.pool ** 2 * plan.passes
    return (cells * (_VERIFY_CYCLES + share * _PULSES * _PULSE_CYCLES)
            + order.blocks * rows * config.timesteps * turns)


def _attention_cycles(plan: LayerPlan, config: AcceleratorConfig, density: float) -> float:
    """Return the cycles of attention.

    The sums are set to zero; then each token is read for its keys and values, and again for its
    queries. The slowest of these sets the pace: fetching a row, expanding it, listing keys or
    queries, once for each group of channels, or slices where all are silent; for queries also
    giving the results, one a cycle. With scores first, a query is held at a time, and meets each
    token: its head is walked slice by slice, while each step of a chunk is added to each group.
    """
    layer, part = plan.layer, config.attention
    assert isinstance(layer, AttentionLayer) and part is not None
    tokens, channels = layer.height * layer.width, layer.channels // layer.heads
    groups, slices = -(-channels // part.adders), channels // config.beat_values
    row = max(_row_cycles(plan, config, density),
              plan.sources[0].fiber_chunks * (config.chunk_beats + 1))
    listed = layer.heads * groups * max(slices, channels * density) + _TOKEN_CYCLES
    last = plan.tile_rows * layer.channels
    if part.order == "scores":
        met = layer.heads * tokens * max(slices, layer.chunk_steps * groups)
        return tokens * (row + max(row + met, layer.channels)) + last
    return (layer.channels * part.head_groups + tokens * max(row, listed)
            + tokens * max(row, listed, layer.channels) + last)


def _pool_cycles(plan: LayerPlan, config: AcceleratorConfig) -> float:
    """Return the cycles of pooling residuals.

    Each member of each window takes one, or its words; or as many as the memory takes for those
    that are under way. The lane words of an output of integers may take more.
    """
    layer = plan.layer
    assert isinstance(layer, PoolLayer)
    member = max(1, config.residual_bits // config.memory_bits,
                 _READ_CYCLES[config.memory] / MEMBERS_AHEAD)
    read = layer.window[0] * layer.window[1] * member
    return plan.order.neurons * max(read, plan.out_passes)


def _join_cycles(plan: LayerPlan, config: AcceleratorConfig, density: float) -> float:
    """Return the cycles of a layer whose fibers are joined.

    Tiles overlap, so the slowest of these sets the pace, each in cycles of a tile:

    - join: each chunk of each column takes 1 cycle or one for each expected match, whichever
      is more; with a laggy prefix sum, a chunk with a match takes at least its cycles;
    - rows: their bitmasks and spikes, as `_row_cycles` says, for all rows of the tile;
    - output: one neuron a cycle, or one lane word of its integers;
    - weights, if they are streamed: one word a cycle.
    """
    order = plan.order
    chunk_cycles = np.maximum(1, plan.weights.counts * density)
    if config.inner_join == "fast_laggy":
        busy = 1 - (1 - density) ** plan.weights.counts  # chance of any match
        chunk_cycles = np.maximum(chunk_cycles, busy * config.chunk / config.laggy_adders)
    join = float(chunk_cycles.sum())
    fetch = _row_cycles(plan, config, density) * plan.tile_rows
    output = max(plan.tile_rows, order.windows_per_tile * plan.out_passes) * order.columns
    streamed = plan.weight_words if plan.stream_weights else 0
    tile = max(join / order.blocks, fetch, output / order.blocks, streamed)
    return plan.weight_words + order.blocks * order.tiles * tile


def _lookup_cycles(plan: LayerPlan, config: AcceleratorConfig, density: float) -> float:
    """Return the cycles of a layer whose weights are looked up.

    The rows of the first tile, or the first weights if they take longer, come before all else.
    Then the slowest of these sets the pace, each in cycles of all tiles:

    - elements: a beat of weights takes 1 cycle, and so does each hit, a weight that meets a
      spike of a row (``scan``) or of any row of the tile (``bcast``);
    - rows: they come one after another, as `_row_cycles` says; a chunk is expanded, V positions
      of each bank a cycle, and takes one cycle more;
    - output: one neuron a cycle, or one lane word of its integers;
    - memory: a word a cycle of all that is read.
    """
    order, weights = plan.order, plan.weights
    rows = order.height * order.width * order.pool ** 2 * plan.passes
    words = sum(slots * each for slots, each in _slots(plan, config, density))
    chunks = weights.counts.shape[1]
    row = max(_row_cycles(plan, config, density),
              chunks * (config.chunk_beats // config.probes + 1))
    first = min(rows, plan.tile_rows) * row
    nonzero = int(weights.counts.sum())
    if config.pe == "scan":
        hits = nonzero * density * -(-plan.tile_rows // config.tppes)
    else:
        hits = nonzero * (1 - (1 - density) ** plan.tile_rows)
    elements = order.tiles * max(int(weights.column_beats.sum()), hits)
    fetches = order.tiles if plan.stream_weights else 1
    memory = order.blocks * rows * words + fetches * plan.weight_words
    output = order.columns * max(rows, order.height * order.width * plan.out_passes)
    return (max(first, plan.weight_words / order.blocks)
            + max(elements, order.blocks * rows * row - first, output, memory))


def _row_cycles(plan: LayerPlan, config: AcceleratorConfig, density: float) -> float:
    """Return the cycles that a row takes to come.

    A word of a slot a cycle, or as many slots under way as may be requested ahead, whichever is
    slower.
    """
    way = _READ_CYCLES[config.memory] / config.fetch_depth
    return sum(slots * max(words, way) for slots, words in _slots(plan, config, density))


def _slots(plan: LayerPlan, config: AcceleratorConfig,
           density: float) -> Iterator[tuple[int, float]]:
    """Yield the slots of a row, of each source, and their words; padding is not considered."""
    chunk_format = ChunkFormat.of_spikes(config)
    for fiber in plan.sources:
        kernel = fiber.source.kernel
        values = -(-fiber.source.inputs[0] // fiber.chunks) * density
        words = -(-values / config.beat_values // chunk_format.beats_per_word)
        yield kernel[0] * kernel[1] * fiber.chunks, chunk_format.mask_words + words
