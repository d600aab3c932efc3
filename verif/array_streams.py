# SPDX-License-Identifier: Apache-2.0
"""The words that the players of an array send for a layer, and what memory holds of it.

What lies in memory, and crosses to the array once in a layer unless it says otherwise:

- The spikes: each pixel of the map is a fiber of its channels, one bit for each position of
  its chunks and ``T`` bits for each word that is not silent. They fill a cache in order of the
  pixels, and stay there; a row is sent from the cache when all its pixels are in. What joins
  pixels to rows takes no time, but a player sends one beat a cycle.
- The weights of each column, with ``2 * psum_bits`` for bias and threshold: a fiber of one bit
  for each position of its chunks and ``weight_bits`` for each weight, or, for elements that
  look weights up, the list of `weight_list.encode` with the shortest deltas. They are kept
  beside the spikes if they fit into the cache, and else are read anew for each tile. Lists
  are sent decoded; their decoder keeps up, as it gives out a beat a cycle.
- The output: a fiber of each row, as the spikes.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ..models.golden.weight_list import choose_format, encode, list_entries
from ..rtl.config import ArrayConfig, FTPConfig
from .array_design import ArrayPorts
from .array_layer import LaneTile, Layer, Tile

__all__ = ["Words", "array_words", "fiber_beats", "map_bits"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Words:
    """What one player sends.

    Parameters
    ----------
    fields : dict
        Of the payload, as `hexfile.write_words` takes them.
    need : int64[n]
        Bits that memory must have sent before.
    way : int64[n] or None
        Stream of the player; by default the first.
    total : int
        Bits that memory sends in all, for a player of weights.
    """

    fields: dict[str, Any]
    need: np.ndarray
    way: np.ndarray | None = None
    total: int = 0


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
        *_rows(layer, tiles, ports, config),
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
                           total=int(cost.sum())))
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
    sizes = choose_format(layer.weights, b, values, config.weight_bits).list_bits
    delta_bits = min(sizes, key=lambda delta: (sizes[delta], delta))
    lists = [list(list_entries(column, b, delta_bits))
             for column in encode(layer.weights, b, values, delta_bits)]
    slots = np.array([[(entry is not None, *(entry or (0, 0))) for entry in beat]
                      for column in lists for beat in column], np.int64)
    entries = {"valid": slots[..., 0], "place": slots[..., 1], "weight": slots[..., 2]}
    column = np.repeat(np.arange(len(lists)), [len(column) for column in lists])
    end = np.diff(column, append=len(lists)) != 0
    bits = np.full(len(column), b * (delta_bits + config.weight_bits) + 1, np.int64)
    return {"entries": entries, "column_end": end}, column, end, bits


def _rows(layer: Layer, tiles: list[Tile], ports: ArrayPorts, config: FTPConfig) -> list[Words]:
    """Return the rows that each player sends: those of a tile in turn, chunk by chunk."""
    listed = isinstance(config, ArrayConfig)
    size = config.tile_rows if listed else config.tppes
    beats = fiber_beats(layer.words.numpy(), config)
    number, groups = np.arange(len(tiles)), [len(tile.columns) for tile in tiles]
    fibers = np.concatenate([  # tile, place in the array, row of the layer
        np.stack([np.full(len(tile.rows), at), tile.places + group * size // count, tile.rows])
        for at, tile, count in zip(number, tiles, groups, strict=True)
        for group in range(count)], axis=1)
    first = np.searchsorted(beats["fiber"], np.arange(layer.shape[0] + 1))
    counts = np.diff(first)[fibers[2]]
    tile, place, row = np.repeat(fibers, counts, axis=1)
    at = first[row] + np.concatenate([np.arange(count) for count in counts])
    order = np.lexsort((at, place, beats["chunk"][at], tile))
    fields = {name: beats[name] for name in ("values", "end", "mask", "last")}
    needs, rows_each = map_bits(layer, config)[1], size // len(ports.rows)
    words = []
    for player in range(len(ports.rows)):
        mine = order[place[order] // rows_each == player]
        index = place[mine] % rows_each
        words.append(Words(fields=_take(fields, at[mine]) | ({} if listed else {"row": index}),
                           need=needs[row[mine]], way=index if listed else None))
    return words


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
