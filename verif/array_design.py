# SPDX-License-Identifier: Apache-2.0
"""An array of either kind inside its free-running bench, as one design to simulate."""

import dataclasses
import functools
import math
import os
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from amaranth.back.verilog import convert
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
from ..rtl.ftp.laned_array import LanedFTPArray
from ..rtl.ftp.layouts import channel_layout
from ..rtl.ftp.row_buffer import row_beat_layout
from ..rtl.pe.array_layouts import element_array_error_layout, lane_config, spiking_tile_layout
from ..rtl.pe.list_array import ListArray
from ..rtl.pe.list_decoder import delta_beat_layout
from ..rtl.pe.row_dealer import dealer_row_layout, dealt_row_layout
from .array_layer import LaneTile, Tile
from .build import Design
from .payload import width

__all__ = ["DELTA_BITS", "LANES", "ArrayPorts", "Player", "array_design", "array_ports",
           "array_verilog"]

DELTA_BITS = 8  # of a weight list at most; what a layer takes is chosen for it
LANES = 8       # output lanes of an array whose configuration does not say, or fewer
_ELABORATING = threading.Lock()  # elaboration is not made for several threads


@dataclass(frozen=True, kw_only=True)
class Player:
    """A stream that is played from a file."""

    stream: str
    layout: data.StructLayout


@dataclass(frozen=True, kw_only=True)
class ArrayPorts:
    """The streams of an array.

    Parameters
    ----------
    unit : str
        The array, without what the bench puts around it.
    top : str
        Module of the Verilog.
    weights, rows, tiles, channels : tuple of Player
        Inputs; each player of weights has a memory read of its own. ``rows`` has the spike
        fibers or, if a dealer says where they go, their counts.
    row : data.StructLayout
        A beat of a spike fiber.
    lanes : tuple of (str, str)
        Outputs, psums and fibers.
    lane_rows : int
        Rows of the array that leave through one lane.
    psums, fiber, error, counters : data.StructLayout
        Of the outputs.
    """

    unit: str
    top: str
    weights: tuple[Player, ...]
    rows: tuple[Player, ...]
    tiles: tuple[Player, ...]
    channels: tuple[Player, ...]
    row: data.StructLayout
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
        return max(width(layout) for layout in (self.row, *(
            player.layout for player in self.players)))

    def lane_tiles(self, lane: int, tiles: list[Tile]) -> list[LaneTile]:
        """Return what leaves through a lane, of those tiles that have a row there."""
        parts = [tile.lane(lane, len(self.lanes), self.lane_rows) for tile in tiles]
        return [part for part in parts if len(part.rows)]


def array_ports(config: FTPConfig) -> ArrayPorts:
    """Return the streams of the array of this configuration."""
    channel, counters = channel_layout(config), counters_layout(config)
    if isinstance(config, ArrayConfig):
        lane, count = lane_config(config), config.output_lanes
        return ArrayPorts(
            unit="spiking_array", top="list_array",
            weights=_players(delta_beat_layout(config, DELTA_BITS), "i_weights",
                             config.weight_streams),
            rows=_players(dealer_row_layout(config), "i_deal"),
            tiles=_players(spiking_tile_layout(config), "i_tile"),
            channels=_players(channel, "i_channel", count), row=row_beat_layout(config),
            lanes=_lanes(count), lane_rows=config.lane_rows, psums=array_psums_layout(lane),
            fiber=fiber_layout(lane), error=element_array_error_layout(), counters=counters)
    count = math.gcd(LANES, config.tppes)
    lane = dataclasses.replace(config, tppes=config.tppes // count)
    return ArrayPorts(
        unit="ftp_array", top="laned_array",
        weights=_players(column_beat_layout(config), "i_column"),
        rows=_players(array_row_layout(config), "i_row"),
        tiles=_players(tile_layout(config), "i_tile"),
        channels=_players(channel, "i_channel", count), row=array_row_layout(config),
        lanes=_lanes(count), lane_rows=lane.tppes, psums=array_psums_layout(lane),
        fiber=fiber_layout(lane), error=array_error_layout(), counters=counters)


def _players(layout: data.StructLayout, name: str, count: int = 0) -> tuple[Player, ...]:
    """Return the players of a stream, or of an array of ``count`` of them."""
    names = [f"{name}__{index}" for index in range(count)] or [name]
    return tuple(Player(stream=stream, layout=layout) for stream in names)


def _lanes(count: int) -> tuple[tuple[str, str], ...]:
    return tuple((f"o_psums__{lane}", f"o__{lane}") for lane in range(count))


@functools.cache
def array_verilog(config: FTPConfig) -> str:
    """Return the array of this configuration in Verilog, and the modules that it instantiates."""
    top: Any
    if isinstance(config, ArrayConfig):
        top = ListArray(config, DELTA_BITS)
    else:
        top = LanedFTPArray(config, math.gcd(LANES, config.tppes))
    os.environ["AMARANTH_USE_YOSYS"] = "builtin"  # another Yosys writes other text
    with _ELABORATING:
        return "\n".join(
            convert(module, name=name, emit_src=False, strip_internal_attrs=True)
            for name, module in {array_ports(config).top: top, **top.shared}.items())


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
        "LANES": len(ports.lanes), "IN_WIDTH": ports.word_bits,
        "PSUMS_WIDTH": width(ports.psums), "FIBER_WIDTH": width(ports.fiber),
        "ERROR_WIDTH": width(ports.error), "COUNTERS_WIDTH": width(ports.counters),
        "FIBER_BITS": _fiber_bits(config, ports.fiber), "ARRAY": _instance(config, ports),
    }
    here, names = Path(__file__).parent, ["array_bench.sv", "array_memory.sv"]
    if isinstance(config, ArrayConfig):
        macros |= _dealing(config, ports)
        names.append("array_rows.sv")
    lines = [f"`define {name} {text}\n" for name, text in macros.items()]
    sources = [(here / name).read_text() for name in names]
    return Design(top="array_bench", verilog="".join(
        [*lines, *sources, array_verilog(config) if verilog is None else verilog]))


def _dealing(config: ArrayConfig, ports: ArrayPorts) -> dict[str, Any]:
    """Return the macros of ``array_rows.sv``."""
    beat, dealt = dict(ports.row), dealt_row_layout(config)
    fields = {f"DEAL_{name.upper()}": f"deal[{field.offset} +: {field.width}]"
              for name, field in dealt}
    return {
        "ELEMENTS": config.tppes, "PLACES": config.rows_per_pe, "ROW_WIDTH": width(ports.row),
        "ROW_END": beat["end"].offset, "ROW_LAST": beat["last"].offset,
        "DEAL_WIDTH": width(dealt), "LINE": 2 * -(-(ports.word_bits + 32) // 8) + 1, **fields,
    }


def _instance(config: FTPConfig, ports: ArrayPorts) -> str:
    """Return the array, connected to the vectors of the bench."""
    pins = [".clk(clk)", ".rst(rst)", ".clear(rst)", ".busy(busy)", ".error(array_error)",
            ".counters(array_counters)"]
    for index, player in enumerate(ports.players):
        pins += _pins(player.stream, f"in_valid[{index}]", f"in_ready[{index}]",
                      _part("in", index, "IN", player.layout))
    for index, names in enumerate(ports.lanes):
        for name, kind, layout in zip(names, ("psums", "fiber"), (ports.psums, ports.fiber),
                                      strict=True):
            pins += _pins(name, f"{kind}_valid[{index}]", f"{kind}_ready[{index}]",
                          _part(kind, index, kind.upper(), layout))
    if isinstance(config, ArrayConfig):
        pins += _pins("o_deal", "deal_valid", "deal_ready", "deal")
        for index in range(config.tile_rows):
            pins += _pins(f"i_row__{index}", f"row_valid[{index}]", f"row_ready[{index}]",
                          _part("row", index // config.rows_per_pe, "ROW", ports.row))
    return f"{ports.top} array({', '.join(pins)});"


def _pins(stream: str, valid: str, ready: str, payload: str) -> list[str]:
    return [f".{stream}__valid({valid})", f".{stream}__ready({ready})",
            f".{stream}__payload({payload})"]


def _part(vector: str, index: int, kind: str, layout: data.StructLayout) -> str:
    return f"{vector}_payload[{index} * `{kind}_WIDTH +: {width(layout)}]"


def _fiber_bits(config: FTPConfig, layout: data.StructLayout) -> str:
    """Return the bits of a chunk as an expression of its last beat; other beats count none."""
    fields = dict(layout)
    mask = f"word[{fields['mask'].offset} +: {config.chunk}]"
    return (f"word[{fields['end'].offset}] ? "
            f"{config.chunk} + {config.timesteps} * $countones({mask}) : 0")
