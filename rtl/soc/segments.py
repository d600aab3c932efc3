# SPDX-License-Identifier: Apache-2.0
"""What the parts of the spike loader hand to one another."""

from amaranth import signed, unsigned
from amaranth.lib import data

from ..config import AcceleratorConfig
from ..ftp.layouts import index_range
from .descriptor import SOURCES

__all__ = ["corner_layout", "segment_beat_layout", "segment_layout",
           "tile_rows_layout"]


def corner_layout(config: AcceleratorConfig) -> data.StructLayout:
    """Return the pixel under the first tap of a kernel.

    Members
    -------
    address : unsigned(config.bounds.address_bits)
        Slot of its first chunk; wraps around if the pixel is outside the map.
    y : signed(config.bounds.coordinate_bits)
        Row of pixels.
    x : signed(config.bounds.coordinate_bits)
        Pixel in the row.
    """
    return data.StructLayout({
        "address": unsigned(config.bounds.address_bits),
        "y": signed(config.bounds.coordinate_bits), "x": signed(config.bounds.coordinate_bits),
    })


def tile_rows_layout(config: AcceleratorConfig) -> data.StructLayout:
    """Return a tile as the segment walker sees it.

    Members
    -------
    rows : range(P + 1)
        Rows in the tile, 1..P.
    """
    return data.StructLayout({"rows": range(config.tile_rows + 1)})


def segment_layout(config: AcceleratorConfig) -> data.StructLayout:
    """Return one kernel tap of a row, or one chunk of it.

    Members
    -------
    fetch : unsigned(1)
        Read the chunk slot; low outside the map, where all is silent.
    address : unsigned(config.bounds.address_bits)
        The chunk slot; counts with ``fetch``.
    shift : range(C)
        Position in the fiber's chunk that position 0 of the slot has.
    end : unsigned(1)
        Last segment of the fiber's chunk.
    last : unsigned(1)
        Last segment of the fiber.
    row : range(P)
        TPPE that the fiber is for.
    source : range(2)
        Of the layer.
    """
    return data.StructLayout({
        "fetch": unsigned(1),
        "address": unsigned(config.bounds.address_bits),
        "shift": index_range(config.chunk),
        "end": unsigned(1),
        "last": unsigned(1),
        "row": index_range(config.tile_rows),
        "source": range(SOURCES),
    })


def segment_beat_layout(config: AcceleratorConfig) -> data.StructLayout:
    """Return one beat of a segment; a segment is ``max(1, ceil(values / V))`` of them.

    Members
    -------
    values : data.ArrayLayout(unsigned(T), V)
        Packed lane words, lowest position first.
    count : range(V + 1)
        How many of them count; the others are undefined.
    mask : unsigned(C)
        Positions of the slot that are not silent: all of them in each beat of the segment; or,
        behind the sifter, those so far.
    shift : range(C)
        Position in the fiber's chunk that position 0 of the slot has.
    done : unsigned(1)
        Last beat of the segment.
    end : unsigned(1)
        In the last segment of the fiber's chunk.
    last : unsigned(1)
        In the last segment of the fiber.
    row : range(P)
        TPPE that the fiber is for.
    source : range(2)
        Of the layer.
    """
    return data.StructLayout({
        "values": data.ArrayLayout(unsigned(config.timesteps), config.beat_values),
        "count": range(config.beat_values + 1),
        "mask": unsigned(config.chunk),
        "shift": index_range(config.chunk),
        "done": unsigned(1),
        "end": unsigned(1),
        "last": unsigned(1),
        "row": index_range(config.tile_rows),
        "source": range(SOURCES),
    })
