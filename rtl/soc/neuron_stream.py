# SPDX-License-Identifier: Apache-2.0
"""Payloads between the steps of the post-processing."""

from dataclasses import dataclass

from amaranth import signed, unsigned
from amaranth.lib import data

from ..config import AcceleratorConfig, FTPConfig
from ..ftp.array_layouts import array_result_layout
from ..ftp.layouts import index_range, psums_layout
from .residual_format import RESIDUAL_BITS
from .tiles import walked_tile_layout

__all__ = ["NeuronConfig", "combined_layout", "neuron_config", "neuron_layout",
           "neuron_place_layout", "walked_result_layout"]


@dataclass(frozen=True, kw_only=True, slots=True)
class NeuronConfig(FTPConfig):
    """The datapath behind the bias, where a value is wider than a psum."""

    value_bits: int = RESIDUAL_BITS

    @property
    def psum_bits(self) -> int:
        """Bits of a signed value, the bias included."""
        return self.value_bits


def neuron_config(config: AcceleratorConfig) -> NeuronConfig:
    """Return the parameters of what follows the bias; only these fields count there."""
    bits = config.current_bits
    return NeuronConfig(
        timesteps=config.timesteps, tppes=config.tile_rows, chunk=config.chunk,
        beat_values=config.beat_values, laggy_adders=config.laggy_adders,
        max_fan_in=config.max_fan_in,
        value_bits=max(bits, RESIDUAL_BITS) if config.requantize else bits)


def neuron_place_layout(config: AcceleratorConfig) -> data.StructLayout:
    """Return the place of a neuron: where in its tile, and which tile of its windows that is.

    Members
    -------
    row : range(P)
        Row of the tile.
    column_end : unsigned(1)
        Last row of its column.
    last : unsigned(1)
        In the last column of the tile.
    opens : unsigned(1)
        The tile is the first one of its windows.
    closes : unsigned(1)
        The tile is the last one of its windows.
    """
    return data.StructLayout({
        "row": index_range(config.tile_rows), "column_end": unsigned(1), "last": unsigned(1),
        "opens": unsigned(1), "closes": unsigned(1),
    })


def walked_result_layout(config: AcceleratorConfig) -> data.StructLayout:
    """Return what the TPPE array gives of a tile of the row walker.

    Members
    -------
    psums : psums_layout(config)
        One psum for each timestep.
    row : range(P)
        TPPE that computed them.
    column_end : unsigned(1)
        Last row of its column.
    last : unsigned(1)
        In the last column of the tile.
    tile : walked_tile_layout(config)
        The tile's description.
    """
    return array_result_layout(config, walked_tile_layout(config))


def combined_layout(config: AcceleratorConfig) -> data.StructLayout:
    """Return one output neuron before its bias.

    Members
    -------
    values : psums_layout(config)
        One for each timestep.
    place : neuron_place_layout(config)
        Where it belongs; rows are output positions.
    """
    return data.StructLayout({
        "values": psums_layout(config), "place": neuron_place_layout(config),
    })


def neuron_layout(config: AcceleratorConfig) -> data.StructLayout:
    """Return one output neuron, bias included.

    Members
    -------
    values : data.ArrayLayout(signed(value_bits), T)
        One for each timestep; see `neuron_config` for the width.
    threshold : signed(psum_bits)
        Of its channel.
    place : neuron_place_layout(config)
        Where it belongs.
    """
    return data.StructLayout({
        "values": data.ArrayLayout(signed(neuron_config(config).value_bits), config.timesteps),
        "threshold": signed(config.psum_bits),
        "place": neuron_place_layout(config),
    })
