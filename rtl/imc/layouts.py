# SPDX-License-Identifier: Apache-2.0
"""Payloads that the units of the crossbar engine exchange."""

from amaranth import signed, unsigned
from amaranth.lib import data

from ..config import CrossbarConfig
from ..ftp.layouts import index_range

__all__ = ["block_layout", "cell_layout", "codes_layout", "lane_beat_layout", "program_layout",
           "psum_layout", "reading_layout", "sums_layout", "target_layout"]


def sums_layout(config: CrossbarConfig) -> data.ArrayLayout:
    """Return what all ADCs of a macro convert at once: the sums of one column each."""
    return data.ArrayLayout(signed(config.sum_bits), config.adcs)


def codes_layout(config: CrossbarConfig) -> data.ArrayLayout:
    """Return the codes that all ADCs of a macro give at once."""
    return data.ArrayLayout(unsigned(config.adc_bits), config.adcs)


def program_layout(config: CrossbarConfig) -> data.StructLayout:
    """Return a programming pulse for one cell of a macro, or a read of it.

    Members
    -------
    row : range(rows + 1)
        Row R is that of the offsets of the ADCs.
    column : index_range(columns)
        Column of the cell.
    verify : unsigned(1)
        1: answer with the conductance; the other fields do not count. 0: pulse.
    amplitude : unsigned(pulse_bits)
        Of the pulse, in conductance units.
    down : unsigned(1)
        The pulse lowers the conductance.
    """
    return data.StructLayout({
        "row": range(config.rows + 1),
        "column": index_range(config.columns),
        "verify": unsigned(1),
        "amplitude": unsigned(config.pulse_bits),
        "down": unsigned(1),
    })


def target_layout(config: CrossbarConfig) -> data.StructLayout:
    """Return what one cell of an engine shall hold.

    Members
    -------
    tile : index_range(tiles)
        Macro that has the cell.
    row : range(rows + 1)
        Row R is that of the offsets of the ADCs.
    column : index_range(columns)
        Column of the cell.
    value : unsigned(cell_word_bits)
        Conductance; of an offset, two's complement.
    negative : unsigned(1)
        The weight is below 0; counts in the first column of an output with sign encoding.
    """
    return data.StructLayout({
        "tile": index_range(config.tiles),
        "row": range(config.rows + 1),
        "column": index_range(config.columns),
        "value": unsigned(config.cell_word_bits),
        "negative": unsigned(1),
    })


def cell_layout(config: CrossbarConfig) -> data.StructLayout:
    """Return one cell of a weight block.

    Members
    -------
    target : target_layout(config)
        What it shall hold.
    end : unsigned(1)
        Last cell of its block.
    """
    return data.StructLayout({"target": target_layout(config), "end": unsigned(1)})


def block_layout() -> data.StructLayout:
    """Return the weight blocks of a layer, and what is computed from each.

    Members
    -------
    chunks : unsigned(16)
        Chunks of a fiber.
    columns : unsigned(16)
        Output channels of all blocks.
    block_columns : unsigned(16)
        Output channels of a block; the last one has what is left.
    tiles : unsigned(32)
        Tiles that are computed from a block.
    """
    return data.StructLayout({"chunks": 16, "columns": 16, "block_columns": 16, "tiles": 32})


def lane_beat_layout(config: CrossbarConfig) -> data.StructLayout:
    """Return adjacent positions of a row vector.

    Members
    -------
    words : data.ArrayLayout(unsigned(timesteps), beat_values)
        Lane words, lowest position first.
    last : unsigned(1)
        Last beat of the vector; positions behind it are silent.
    """
    return data.StructLayout({
        "words": data.ArrayLayout(unsigned(config.timesteps), config.beat_values),
        "last": unsigned(1),
    })


def reading_layout(config: CrossbarConfig) -> data.StructLayout:
    """Return how lane words are read.

    Members
    -------
    last_lane : index_range(timesteps)
        Highest lane that is used.
    planes : unsigned(1)
        1: the lanes are the bits of one integer; 0: timesteps.
    signed_input : unsigned(1)
        The highest of these bits is negative; counts with ``planes``.
    """
    return data.StructLayout({
        "last_lane": index_range(config.timesteps),
        "planes": unsigned(1),
        "signed_input": unsigned(1),
    })


def psum_layout(config: CrossbarConfig) -> data.StructLayout:
    """Return the psum of one output.

    Members
    -------
    psum : signed(psum_bits)
        In units of ``2**-result_fraction_bits`` of a weight.
    output : index_range(outputs)
        Output that it belongs to.
    lane : index_range(timesteps)
        Timestep; 0 with bit planes.
    last : unsigned(1)
        Last psum of its row vector.
    """
    return data.StructLayout({
        "psum": signed(config.psum_bits),
        "output": index_range(config.outputs),
        "lane": index_range(config.timesteps),
        "last": unsigned(1),
    })
