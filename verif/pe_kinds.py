# SPDX-License-Identifier: Apache-2.0
"""The kinds of processing elements that are compared: configuration, adders, events."""

import math
from typing import Any

import numpy as np

from ..rtl.config import ArrayConfig, ConfigError, FTPConfig
from .accounting.workload import Workload
from .array_layer import Layer, array_tiles

__all__ = ["EVENTS", "KINDS", "NOT_COUNTED", "adders", "events", "join_additions", "join_bits",
           "pe_config"]

KINDS: dict[str, dict[str, Any]] = {
    "loas": {"inner_join": "fast_laggy"},
    "sparten": {"inner_join": "fast_fast"},
    "scan": {"pe": "scan"},
    "bcast": {"pe": "bcast"},
}
EVENTS = ("add_32_bit", "sram_8kb_byte", "cache_read_byte", "cache_write_byte", "dram_byte")
NOT_COUNTED = ("writes to the elements' own buffers, prefix sums, queues, neurons, compressors, "
               "decoders, dealer, control, clock and wires, and leakage")
_SHORTEST = 4096   # positions of the longest fiber that all kinds are built for at least
_LANES = 8


def pe_config(kind: str, *, elements: int = 16, timesteps: int = 4, longest: int = 0) -> FTPConfig:
    """Return the configuration of a kind: the defaults, but for what is given.

    Parameters
    ----------
    kind : str
        One of `KINDS`.
    elements : int
    timesteps : int
    longest : int
        Positions of a row, or columns; rows get room for so many, and for 4096 at least.

    Raises
    ------
    ConfigError
        There is no such kind, or it cannot be built.
    """
    if kind not in KINDS:
        raise ConfigError(f"processing element must be one of {', '.join(KINDS)}, not {kind!r}")
    common = {"tppes": elements, "timesteps": timesteps,
              "max_fan_in": max(_SHORTEST, 1 << max(0, longest - 1).bit_length())}
    if "pe" in KINDS[kind]:
        return ArrayConfig(**common, **KINDS[kind], output_lanes=math.gcd(_LANES, elements))
    return FTPConfig(**common, **KINDS[kind])


def adders(config: FTPConfig) -> int:
    """Return how many additions into the sum of one timestep all elements can do in a cycle.

    An element with a laggy prefix sum has one adder for each timestep's correction and one for
    the pseudo-accumulator, with fast ones only one for each timestep, as ``scan`` has; ``bcast``
    has those for each of its rows.
    """
    lanes = config.timesteps
    if isinstance(config, ArrayConfig):
        lanes *= config.rows_per_pe if config.pe == "bcast" else 1
    elif config.inner_join == "fast_laggy":
        lanes += 1
    return config.tppes * lanes


def events(config: FTPConfig, workload: Workload, layer: Layer) -> dict[str, int]:
    """Return the additions of all elements and the bytes they read from their own buffers.

    Both follow from the operands. An element that joins bitmasks reads both masks of each pair
    of chunks, and a weight and a lane word for each match; with a laggy prefix sum it adds every
    match once, takes it back from each silent timestep, and subtracts at the end of a column. One
    that looks weights up reads, for each weight, the words around its position in each row.
    """
    matches, pairs = workload.matches, workload.pairs
    if isinstance(config, ArrayConfig):
        busy = sum(len(np.unique(tile.places // config.rows_per_pe))
                   for tile in array_tiles(layer, config))  # elements, of all tiles
        words = workload.nonzeros * busy * config.rows_per_pe * config.beat_values
        bits = words * config.timesteps
        return {"add_32_bit": pairs, "sram_8kb_byte": -(-bits // 8)}
    chunks = -(-workload.positions // config.chunk)
    outputs = workload.rows * workload.columns
    bits = join_bits(config, matches, outputs * chunks)
    return {"add_32_bit": join_additions(config, matches, pairs, outputs),
            "sram_8kb_byte": -(-bits // 8)}


def join_additions(config: FTPConfig, matches: int, pairs: int, outputs: int) -> int:
    """Return the additions of elements that join bitmasks; see `events`."""
    if config.inner_join == "fast_laggy":
        return matches + config.timesteps * (matches + outputs) - pairs
    return pairs


def join_bits(config: FTPConfig, matches: int, chunks: int) -> int:
    """Return the bits that they read for so many matches in so many pairs of chunks."""
    return chunks * 2 * config.chunk + matches * (config.weight_bits + config.timesteps)
