# SPDX-License-Identifier: Apache-2.0
"""The words that the players of an array send for a layer, and what memory holds of it.

What lies in memory, and crosses to the array once in a layer unless it says otherwise:

- The spikes: each pixel of the map is a fiber of its channels, one bit for each position of
  its chunks and ``T`` bits for each word that is not silent. They fill a cache in order of the
  pixels, and stay there; a row is sent from the cache when all its pixels are in. What joins
  pixels to rows takes no time, but one beat a cycle is all that leaves for an array whose
  elements hold one row each, and for each element of one that deals its rows. These are dealt
  by how many words each has that are not silent; the compressor that wrote the map has counted
  them, pixel by pixel, and what joins pixels adds up their counts. One count goes to the
  dealer in a cycle, and a row is fetched when it says where to.
- The weights of each column, with ``2 * psum_bits`` for bias and threshold: a fiber of one bit
  for each position of its chunks and ``weight_bits`` for each weight, or, for elements that
  look weights up, the list of `weight_list.encode` with the shortest deltas. They are kept
  beside the spikes if they fit into the cache, and else are read anew for each tile. The
  fields of a list come apart on their way, its deltas are decoded in the array.
- The output: a fiber of each row, as the spikes.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ..models.golden.weight_list import choose_format, encode
from ..rtl.config import ArrayConfig, FTPConfig
from .array_design import DELTA_BITS, ArrayPorts
from .array_layer import LaneTile, Layer, Tile

__all__ = ["FetchedRows", "Words", "array_words", "fetched_rows", "fiber_beats", "map_bits"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Words:
    """What one player sends.

    Parameters
    ----------
    fields : dict
        Of the payload, as `hexfile.write_words` takes them.
    need : int64[n]
        Bits that memory must have sent before.
    total : int
        Bits that memory sends in all, for a player of weights.
    read : int
        Bits that are read from the cache for it.
    """

    fields: dict[str, Any]
    need: np.ndarray
    total: int = 0
    read: int = 0


@dataclass(frozen=True, kw_only=True, eq=False)
class FetchedRows:
    """All rows of a layer, for an array that deals them.

    Parameters
    ----------
    fields : dict
        Of their beats, as many for each row.
    need : int64[n]
        As in `Words`.
    stride : int
        Beats of a row; those behind its last one do not count.
    elements : int64[tiles]
        Elements that the rows of each tile are dealt to.
    """

    fields: dict[str, Any]
    need: np.ndarray
    stride: int
    elements: np.ndarray


def fiber_beats(fibers: np.ndarray, config: FTPConfig) -> dict[str, np.ndarray]:
    """Return the beats of uncompressed fibers int64[F, K], one fiber after another.

    Returns
    -------
    dict
        ``values`` int64[n, V], ``end`` bool[n], ``mask`` bool[n, C] (zero where it does not
        count), ``last`` bool[n]; ``fiber``, ``chunk`` of the fiber and ``count`` of
        the values that count, int64[n].
    """
    number, length = fibers.shape
    chunks = -(-length // config.chunk)
    padded = np.zeros((number, chunks * config.chunk), np.int64)
    padded[:, :length] = fibers
    padded = padded.reshape(number * chunks, config.chunk)
    mask = padded != 0
    order = np.argsort(~mask, axis=1, kind="stable")  # non-zero values first
    packed = np.take_along_axis(padded, order, axis=1)
    beats = np.maximum(1, -(-mask.sum(axis=1) // config.beat_values))
    chunk, beat = np.nonzero(np.arange(config.chunk_beats) < beats[:, None])
    end = beat == beats[chunk] - 1
    left = mask.sum(axis=1)[chunk] - beat * config.beat_values
    return {
        "values": packed.reshape(-1, config.chunk_beats, config.beat_values)[chunk, beat],
        "end": end,
        "mask": mask[chunk] & end[:, None],
        "last": end & (chunk % chunks == chunks - 1),
        "fiber": chunk // chunks,
        "chunk": chunk % chunks,
        "count": np.minimum(left, config.beat_values),
    }


def map_bits(layer: Layer, config: FTPConfig) -> tuple[int, np.ndarray]:
    """Return the bits of the spike map, and int64[M]: how many of them a row waits for."""
    words = layer.words.numpy()
    rows = np.arange(len(words))[:, None]
    pixels = rows if layer.pixels is None else layer.pixels.numpy()
    taps = pixels.shape[1]
    channels = words.shape[1] // taps
    if channels * taps != words.shape[1]:
        raise ValueError(f"positions of a row must be a multiple of its {taps} taps, "
                         f"not {words.shape[1]}")
    filled = np.zeros(int(pixels.max()) + 1, np.int64)  # words of each pixel, if it is used
    counts = (words.reshape(len(words), taps, channels) != 0).sum(2)
    np.maximum.at(filled, pixels[pixels >= 0], counts[pixels >= 0])
    chunks = -(-channels // config.chunk)
    ends = np.cumsum(chunks * config.chunk + config.timesteps * filled)
    return int(ends[-1]), ends[pixels.max(axis=1)]


def array_words(layer: Layer, tiles: list[Tile], ports: ArrayPorts, config: FTPConfig,
                cache_bits: int) -> list[Words]:
    """Return what the players of an array send, in their order."""
    return [
        *_weights(layer, tiles, len(ports.weights), config,
                  cache_bits - map_bits(layer, config)[0]),
        _dealt(layer, tiles, config) if isinstance(config, ArrayConfig) else
        _rows(layer, tiles, config),
        _tiles(layer, tiles, config),
        *(_channels(layer, ports.lane_tiles(lane, tiles)) for lane in range(len(ports.lanes))),
    ]


def _weights(layer: Layer, tiles: list[Tile], players: int, config: FTPConfig,
             room: int) -> list[Words]:
    """Return the weights that each player sends; there is room for so many bits of them."""
    if isinstance(config, ArrayConfig):
        beats, column, end, bits = _listed(layer, config)
    else:
        beats, column, end, bits = _fibers(layer, config)
    bits[np.flatnonzero(np.diff(column, prepend=-1))] += 2 * config.psum_bits
    again = int(bits.sum()) > room
    sent: list[list[np.ndarray]] = [[np.zeros((3, 0), np.int64)] for _ in range(players)]
    for number, tile in enumerate(tiles):
        for group, columns in enumerate(tile.columns):
            at = np.flatnonzero((column >= columns[0]) & (column <= columns[-1]))
            sent[group].append(np.stack([at, bits[at] * (again or not number),
                                         end[at] & (column[at] == columns[-1])]))
    words = []
    for parts in sent:
        at, cost, final = np.concatenate(parts, axis=1)
        words.append(Words(fields=_take(beats, at) | {"final": final}, need=np.cumsum(cost),
                           total=int(cost.sum()), read=int(bits[at].sum())))
    return words


_Beats = tuple[dict[str, Any], np.ndarray, np.ndarray, np.ndarray]  # fields; column, end, bits


def _fibers(layer: Layer, config: FTPConfig) -> _Beats:
    """Return the weights of all columns as fibers."""
    beats = fiber_beats(layer.weights.numpy().T, config)
    bits = beats["end"] * config.chunk + beats["count"] * config.weight_bits
    fields = {name: beats[name] for name in ("values", "end", "mask", "last")}
    return fields, beats["fiber"], beats["last"], bits


def _listed(layer: Layer, config: ArrayConfig) -> _Beats:
    """Return the weights of all columns as lists, their deltas of the best number of bits."""
    b, values = config.probes, config.beat_values
    sizes = choose_format(layer.weights, b, values, config.weight_bits,
                          range(DELTA_BITS + 1)).list_bits
    delta_bits = min(sizes, key=lambda delta: (sizes[delta], delta))
    lists = encode(layer.weights, b, values, delta_bits)
    slots = np.array([beat for column in lists for beat in column], np.int64)
    column = np.repeat(np.arange(len(lists)), [len(column) for column in lists])
    end = np.diff(column, append=len(lists)) != 0
    bits = np.full(len(column), b * (delta_bits + config.weight_bits) + 1, np.int64)
    fields = {"slots": {"delta": slots[..., 0], "weight": slots[..., 1]}, "column_end": end}
    return fields, column, end, bits


_ROW = ("values", "end", "mask", "last")  # fields of a beat of a spike fiber


def _rows(layer: Layer, tiles: list[Tile], config: FTPConfig) -> Words:
    """Return the rows of all tiles, chunk by chunk of a tile."""
    beats = fiber_beats(layer.words.numpy(), config)
    tile = np.repeat(np.arange(len(tiles)), [len(tile.rows) for tile in tiles])
    place, row = (np.concatenate([getattr(tile, name) for tile in tiles])
                  for name in ("places", "rows"))
    first = np.searchsorted(beats["fiber"], np.arange(layer.shape[0] + 1))
    counts = np.diff(first)[row]
    at = first[np.repeat(row, counts)] + np.concatenate([np.arange(count) for count in counts])
    tile, place, row = (np.repeat(values, counts) for values in (tile, place, row))
    order = np.lexsort((at, place, beats["chunk"][at], tile))
    fields = _take({name: beats[name] for name in _ROW}, at[order])
    return Words(fields=fields | {"row": place[order]}, need=map_bits(layer, config)[1][row[order]],
                 read=int(_row_bits(layer, config).sum()))


def _row_bits(layer: Layer, config: FTPConfig) -> np.ndarray:
    """Return the bits of each row as a fiber, int64[M]."""
    chunks = -(-layer.shape[1] // config.chunk)
    return chunks * config.chunk + config.timesteps * _filled(layer)


def _filled(layer: Layer) -> np.ndarray:
    """Return the words of each row that are not silent, int64[M]."""
    return np.count_nonzero(layer.words.numpy(), axis=1)


def _dealt(layer: Layer, tiles: list[Tile], config: ArrayConfig) -> Words:
    """Return what the dealer is told of the rows of all tiles."""
    sizes = [len(tile.rows) for tile in tiles]
    groups = np.repeat([len(tile.columns) for tile in tiles], sizes)  # each fetches all rows
    number = np.concatenate([np.arange(size) for size in sizes])
    return Words(
        need=np.zeros(len(number), np.int64),
        read=int((groups * _row_bits(layer, config)).sum()),
        fields={"row": number, "count": _filled(layer), "elements": config.tppes // groups,
                "last": number == np.repeat(sizes, sizes) - 1})


def fetched_rows(layer: Layer, tiles: list[Tile], config: ArrayConfig) -> FetchedRows:
    """Return the rows of a layer as they lie in the cache for the elements to fetch."""
    beats = fiber_beats(layer.words.numpy(), config)
    first = np.searchsorted(beats["fiber"], np.arange(layer.shape[0] + 1))
    stride = int(np.diff(first).max())
    at = np.minimum(first[:-1, None] + np.arange(stride), first[1:, None] - 1).reshape(-1)
    return FetchedRows(
        fields=_take({name: beats[name] for name in _ROW}, at), stride=stride,
        need=np.repeat(map_bits(layer, config)[1], stride),
        elements=np.array([config.tppes // len(tile.columns) for tile in tiles]))


def _tiles(layer: Layer, tiles: list[Tile], config: FTPConfig) -> Words:
    """Return the descriptions of tiles that emit psums and spikes."""
    count = len(tiles)
    lif = {"gain": layer.lif.gain, "shift": layer.lif.shift,
           "decay_input": layer.lif.decay_input, "soft_reset": layer.lif.reset == "soft"}
    emission = {
        "emit_psums": np.ones(count), "emit_spikes": np.ones(count),
        "lif": {name: np.full(count, value) for name, value in lif.items()},
        "drop_single": np.full(count, layer.drop_single),
    }
    if isinstance(config, ArrayConfig):
        groups = [len(tile.columns) for tile in tiles]
        used = np.zeros((count, config.tile_rows), bool)
        for index, tile in enumerate(tiles):
            for group in range(groups[index]):
                used[index, tile.places + group * config.tile_rows // groups[index]] = True
        fields = {"used": used, "groups": np.log2(groups), **emission}
    else:
        fields = {"rows": np.array([len(tile.rows) for tile in tiles]), **emission}
    return Words(fields=fields, need=np.zeros(count, np.int64))


def _channels(layer: Layer, parts: list[LaneTile]) -> Words:
    """Return the neurons of all columns that leave through a lane."""
    order = torch.tensor([column for part in parts for column in part.columns],
                         dtype=torch.int64)
    return Words(need=np.zeros(len(order), np.int64), fields={
        "bias": layer.bias[order].numpy(), "threshold": layer.threshold[order].numpy()})


def _take(fields: dict[str, Any], at: np.ndarray) -> dict[str, Any]:
    return {name: _take(values, at) if isinstance(values, dict) else values[at]
            for name, values in fields.items()}
