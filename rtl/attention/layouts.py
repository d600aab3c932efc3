# SPDX-License-Identifier: Apache-2.0
"""Payloads that the parts of the attention unit exchange."""

from amaranth import Shape, Value, unsigned
from amaranth.lib import data

from ..config import AcceleratorConfig, AttentionConfig
from ..ftp.layouts import index_range

__all__ = ["attention_layout", "chunk_choices", "entry_layout", "ones", "part_of",
           "sums_layout"]


def part_of(config: AcceleratorConfig) -> AttentionConfig:
    """Return the parameters of the attention unit, which must be there."""
    assert config.attention is not None
    return config.attention


def chunk_choices(config: AcceleratorConfig) -> list[int]:
    """Return the timesteps that a chunk may have."""
    part, steps = part_of(config), config.timesteps
    return [size for size in range(1, part.chunk_steps + 1)
            if steps % size == 0 and steps // size <= part.chunks]


def ones(bits) -> Value:
    """Return the number of bits that are set."""
    if len(bits) < 2:
        return bits
    half = len(bits) // 2
    return ones(bits[:half]) + ones(bits[half:])


def attention_layout() -> data.StructLayout:
    """Return what the attention unit needs of a layer's descriptor.

    Members
    -------
    heads : unsigned(8)
        Heads of queries, keys and values.
    head_channels : unsigned(16)
        Channels of a head, a multiple of V.
    chunk_steps : unsigned(5)
        Timesteps that attend to one another; divides T.
    columns : unsigned(16)
        Output channels, those of all heads.
    tiles : unsigned(32)
        Tiles; all of them come twice.
    """
    return data.StructLayout({"heads": 8, "head_channels": 16, "chunk_steps": 5, "columns": 16,
                              "tiles": 32})


def entry_layout(config: AcceleratorConfig) -> data.StructLayout:
    """Return a lane word of a token's query or key, with what it meets.

    Members
    -------
    word : unsigned(T)
        Zero only if all of its head are silent.
    values : data.ArrayLayout(unsigned(T), config.attention.adders)
        Values of the group, of the same token.
    channel : index_range(config.attention.channels)
        Of the query or key, among those of all heads.
    group : index_range(config.attention.head_groups)
        Group of values, among those of the head.
    place : index_range(config.attention.groups)
        The same among those of all heads.
    last : unsigned(1)
        Last entry of its group.
    end : unsigned(1)
        Last entry of its token.
    """
    part = part_of(config)
    return data.StructLayout({
        "word": unsigned(config.timesteps),
        "values": data.ArrayLayout(unsigned(config.timesteps), part.adders),
        "channel": index_range(part.channels),
        "group": index_range(part.head_groups),
        "place": index_range(part.groups),
        "last": unsigned(1),
        "end": unsigned(1),
    })


def sums_layout(config: AcceleratorConfig) -> data.StructLayout:
    """Return results of a token for a group of channels.

    Members
    -------
    sums : data.ArrayLayout(data.ArrayLayout(unsigned(result_bits), T), A)
        One for each channel and timestep, as wide as ``config.attention.result_limit``.
    place : index_range(config.attention.groups)
        The group, among those of all heads.
    end : unsigned(1)
        Last group of the token.
    """
    part = part_of(config)
    number = Shape.cast(range(part.result_limit + 1))
    return data.StructLayout({
        "sums": data.ArrayLayout(data.ArrayLayout(number, config.timesteps), part.adders),
        "place": index_range(part.groups),
        "end": unsigned(1),
    })
