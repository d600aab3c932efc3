# SPDX-License-Identifier: Apache-2.0
"""Payloads that the FTP units exchange."""

from amaranth import signed, unsigned
from amaranth.lib import data

from ..config import FTPConfig

__all__ = [
    "beat_layout",
    "channel_layout",
    "index_range",
    "lif_layout",
    "offset_range",
    "place_layout",
    "psums_layout",
]


def index_range(count: int) -> range:
    """Return the shape of an index into ``count`` things, at least one bit wide."""
    return range(max(count, 2))


def offset_range(config: FTPConfig) -> range:
    """Return the shape of a position in the packed values of a fiber, its end included."""
    return range(config.max_chunks * config.chunk + 1)


def beat_layout(config: FTPConfig, shape, **extra) -> data.StructLayout:
    """Return one beat of a fiber stream.

    A chunk travels as ``max(1, ceil(values / V))`` beats. The bitmask comes with the last of
    them, so that a producer need not hold a chunk back.

    Parameters
    ----------
    shape : ShapeLike
        One packed value: ``unsigned(T)`` for lane words, ``signed(weight_bits)`` for weights.
    extra : ShapeLike
        Further fields.

    Members
    -------
    values : data.ArrayLayout(shape, V)
        Packed non-zero values, lowest position first; unused places at the end are ignored.
    end : unsigned(1)
        Last beat of its chunk. ``mask``, ``last`` and the extra fields count in this beat only.
    mask : unsigned(C)
        Bit p is set if position p of the chunk is non-zero.
    last : unsigned(1)
        Last chunk of its fiber.
    """
    return data.StructLayout({
        "values": data.ArrayLayout(shape, config.beat_values),
        "end": unsigned(1),
        "mask": unsigned(config.chunk),
        "last": unsigned(1),
        **extra,
    })


def psums_layout(config: FTPConfig) -> data.ArrayLayout:
    """Return the psums of one output neuron, one for each timestep."""
    return data.ArrayLayout(signed(config.psum_bits), config.timesteps)


def lif_layout() -> data.StructLayout:
    """Return the neuron model of a layer.

    Members
    -------
    gain : unsigned(4)
        m, the factor of the input current.
    shift : unsigned(4)
        n, the arithmetic right shift of the leak.
    decay_input : unsigned(1)
        1: ``u = (v + m*x) >> n``; 0: ``u = (v >> n) + m*x``.
    soft_reset : unsigned(1)
        A neuron that fires keeps 1: ``u - threshold``; 0: zero.
    """
    return data.StructLayout({
        "gain": unsigned(4),
        "shift": unsigned(4),
        "decay_input": unsigned(1),
        "soft_reset": unsigned(1),
    })


def channel_layout(config: FTPConfig) -> data.StructLayout:
    """Return the neuron parameters of one output channel, in units of the psum.

    Members
    -------
    bias : signed(psum_bits)
        Added to the psum at each timestep.
    threshold : signed(psum_bits)
        The neuron fires at or above it.
    """
    return data.StructLayout({
        "bias": signed(config.psum_bits),
        "threshold": signed(config.psum_bits),
    })


def place_layout(config: FTPConfig) -> data.StructLayout:
    """Return the place of one output neuron in its tile; it travels with psums and words.

    Members
    -------
    row : range(P)
        TPPE that computed it.
    column_end : unsigned(1)
        Last row of its column.
    last : unsigned(1)
        In the last column of the tile.
    drop_single : unsigned(1)
        The compressor shall drop words with fewer than two spikes.
    """
    return data.StructLayout({
        "row": index_range(config.tile_rows),
        "column_end": unsigned(1),
        "last": unsigned(1),
        "drop_single": unsigned(1),
    })
