# SPDX-License-Identifier: Apache-2.0
"""An array of either kind inside its free-running bench, as one design to simulate."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from amaranth.lib import data

from ..rtl.config import ArrayConfig, FTPConfig
from ..rtl.ftp.activity_counters import counters_layout
from ..rtl.ftp.array_layouts import (
    array_error_layout,
    array_psums_layout,
    array_row_layout,
    tile_layout,
)
from ..rtl.ftp.column_buffer import column_beat_layout
from ..rtl.ftp.compressor import fiber_layout
from ..rtl.ftp.layouts import channel_layout
from ..rtl.ftp.row_buffer import row_beat_layout
from ..rtl.pe.array_layouts import element_array_error_layout, lane_config, spiking_tile_layout
from ..rtl.pe.layouts import list_beat_layout
from .array_layer import LaneTile, Tile
from .build import Design
from .payload import width
from .runner import emitted

__all__ = ["ArrayPorts", "Player", "array_design", "array_ports"]


@dataclass(frozen=True, kw_only=True)
class Player:
    """Streams that take turns in one file, one beat of all of them a cycle."""

    streams: tuple[str, ...]
    layout: data.StructLayout


@dataclass(frozen=True, kw_only=True)
class ArrayPorts:
    """The streams of an array.

    Parameters
    ----------
    unit : str
    weights, rows, tiles, channels : tuple of Player
        Inputs; each player of weights has a memory read of its own.
    lanes : tuple of (str, str)
        Outputs, psums and fibers.
    lane_rows : int
        Rows of the array that leave through one lane.
    psums, fiber, error, counters : data.StructLayout
        Of the outputs.
    """

    unit: str
    weights: tuple[Player, ...]
    rows: tuple[Player, ...]
    tiles: tuple[Player, ...]
    channels: tuple[Player, ...]
    lanes: tuple[tuple[str, str], ...]
    lane_rows: int
    psums: data.StructLayout
    fiber: data.StructLayout
    error: data.StructLayout
    counters: data.StructLayout

    @property
    def players(self) -> tuple[Player, ...]:
        """All of them, in the order of their files."""
        return (*self.weights, *self.rows, *self.tiles, *self.channels)

    @property
    def word_bits(self) -> int:
        """Bits of the widest payload."""
        return max(width(player.layout) for player in self.players)

    def lane_tiles(self, lane: int, tiles: list[Tile]) -> list[LaneTile]:
        """Return what leaves through a lane, of those tiles that have a row there."""
        parts = [tile.lane(lane, len(self.lanes), self.lane_rows) for tile in tiles]
        return [part for part in parts if len(part.rows)]


def array_ports(config: FTPConfig) -> ArrayPorts:
    """Return the streams of the array of this configuration."""
    if not isinstance(config, ArrayConfig):
        return ArrayPorts(
            unit="ftp_array",
            weights=_players(column_beat_layout(config), ["i_column"]),
            rows=_players(array_row_layout(config), ["i_row"]),
            tiles=_players(tile_layout(config), ["i_tile"]),
            channels=_players(channel_layout(config), ["i_channel"]),
            lanes=(("o_psums", "o"),), lane_rows=config.tppes,
            psums=array_psums_layout(config), fiber=fiber_layout(config),
            error=array_error_layout(), counters=counters_layout(config))
    lane, lanes = lane_config(config), range(config.output_lanes)
    rows = np.arange(config.tile_rows).reshape(config.tppes, config.rows_per_pe)
    return ArrayPorts(
        unit="spiking_array",
        weights=_players(list_beat_layout(config), *(
            [f"i_weights__{k}"] for k in range(config.weight_streams))),
        rows=_players(row_beat_layout(config), *([f"i_row__{k}" for k in own] for own in rows)),
        tiles=_players(spiking_tile_layout(config), ["i_tile"]),
        channels=_players(channel_layout(config), *([f"i_channel__{k}"] for k in lanes)),
        lanes=tuple((f"o_psums__{k}", f"o__{k}") for k in lanes), lane_rows=config.lane_rows,
        psums=array_psums_layout(lane), fiber=fiber_layout(lane),
        error=element_array_error_layout(), counters=counters_layout(config))


def _players(layout: data.StructLayout, *streams: list[str]) -> tuple[Player, ...]:
    return tuple(Player(streams=tuple(names), layout=layout) for names in streams)


def array_design(config: FTPConfig, verilog: str | None = None) -> Design:
    """Return the array inside its bench.

    Parameters
    ----------
    verilog : str or None
        In place of the array's own.
    """
    ports = array_ports(config)
    macros = {
        "PLAYERS": len(ports.players), "READS": len(ports.weights) + 1,
        "LANES": len(ports.lanes), "WAYS": max(len(player.streams) for player in ports.players),
        "IN_WIDTH": ports.word_bits, "PSUMS_WIDTH": width(ports.psums),
        "FIBER_WIDTH": width(ports.fiber), "ERROR_WIDTH": width(ports.error),
        "COUNTERS_WIDTH": width(ports.counters), "FIBER_BITS": _fiber_bits(config, ports.fiber),
        "ARRAY": _instance(ports),
    }
    here = Path(__file__).parent
    lines = [f"`define {name} {text}\n" for name, text in macros.items()]
    sources = [(here / name).read_text() for name in ("array_bench.sv", "array_memory.sv")]
    if verilog is None:
        verilog = emitted(ports.unit, config)
    return Design(top="array_bench", verilog="".join([*lines, *sources, verilog]))


def _instance(ports: ArrayPorts) -> str:
    """Return the array, connected to the vectors of the bench."""
    ways = max(len(player.streams) for player in ports.players)
    pins = [".clk(clk)", ".rst(rst)", ".clear(rst)", ".busy(busy)", ".error(array_error)",
            ".counters(array_counters)"]
    for index, player in enumerate(ports.players):
        for way, name in enumerate(player.streams):
            bit = index * ways + way
            pins += [f".{name}__valid(in_valid[{bit}])", f".{name}__ready(in_ready[{bit}])",
                     f".{name}__payload({_part('in', index, 'IN', player.layout)})"]
    for index, names in enumerate(ports.lanes):
        for name, kind, layout in zip(names, ("psums", "fiber"), (ports.psums, ports.fiber),
                                      strict=True):
            pins += [f".{name}__valid({kind}_valid[{index}])",
                     f".{name}__ready({kind}_ready[{index}])",
                     f".{name}__payload({_part(kind, index, kind.upper(), layout)})"]
    return f"{ports.unit} array({', '.join(pins)});"


def _part(vector: str, index: int, kind: str, layout: data.StructLayout) -> str:
    return f"{vector}_payload[{index} * `{kind}_WIDTH +: {width(layout)}]"


def _fiber_bits(config: FTPConfig, layout: data.StructLayout) -> str:
    """Return the bits of a chunk as an expression of its last beat; other beats count none."""
    fields = dict(layout)
    mask = f"word[{fields['mask'].offset} +: {config.chunk}]"
    return (f"word[{fields['end'].offset}] ? "
            f"{config.chunk} + {config.timesteps} * $countones({mask}) : 0")
