# SPDX-License-Identifier: Apache-2.0
"""Walk over a layer: its tiles, and the chunk slots that each row reads."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from .checks import check_int
from .errors import GoldenError

__all__ = ["Segment", "Tile", "check_fiber", "walk"]

_READOUT = 2  # mode of a layer that gives out no map


@dataclass(frozen=True)
class Segment:
    """One kernel tap of a row, or one chunk of it.

    Parameters
    ----------
    address : int or None
        Of the chunk slot, in words; None outside the map.
    shift : int
        Position in the fiber's chunk that position 0 of the slot has.
    end, last : bool
        Whether it is the last one of the fiber's chunk, of the fiber.
    """

    address: int | None
    shift: int
    end: bool
    last: bool


@dataclass(frozen=True)
class Tile:
    """Rows that are computed side by side.

    Parameters
    ----------
    rows : list[list[Segment]]
        1..P.
    opens, closes : bool
        Whether it is the first tile of its windows, the last one.
    slots : tuple of int or None
        Address and number of the output's slots; None if it does not close, or in READOUT.
    """

    rows: list[list[Segment]]
    opens: bool
    closes: bool
    slots: tuple[int, int] | None


def walk(layer: Mapping[str, Any], tile_rows: int, chunk: int, max_chunks: int) -> list[Tile]:
    """Return the tiles of a layer, block after block.

    Of a layer with attention all tiles come once more, before, without slots; the rows of a layer
    that pools residuals read nothing.

    Parameters
    ----------
    layer : Mapping
        The fields of a layer's descriptor by name; ``sources`` is a sequence of such mappings.
    tile_rows : int
        ``P``.
    chunk : int
        ``C``.
    max_chunks : int
        Of a fiber.

    Raises
    ------
    GoldenError
        If the descriptor is not possible.
    """
    _check_engine(layer)
    if not layer.get("residual_pool"):
        check_fiber(layer, chunk, max_chunks)
    for name in ("pool", "out_height", "out_width", "passes", "windows_per_tile",
                 "members_per_tile", "out_passes", "columns", "blocks", "chunks", "tiles"):
        check_int(name, layer[name], 1, (1 << 32) - 1)
    parts = _parts(layer)
    if layer["tiles"] != len(parts):
        raise GoldenError(f"tiles must be {len(parts)}, not {layer['tiles']}")
    area = layer["pool"] ** 2
    tiles = []
    for block in range(-layer.get("attention", 0), layer["blocks"]):
        for windows, members in parts:
            closes = area - 1 in members
            first, outputs = windows[0], len(windows) * layer["out_passes"]
            positions = [_position(layer, window, member)
                         for window in windows for member in members]
            rows = [(y, x, one) for y, x in positions for one in range(layer["passes"])]
            for name, count in (("rows of a tile", len(rows)), ("slots of a tile", outputs)):
                if count > tile_rows and (count == len(rows) or layer["mode"] != _READOUT):
                    raise GoldenError(f"{name} must be at most {tile_rows}, not {count}")
            address = (layer["out_address"] + block * layer["out_block_pitch"]
                       + first // layer["windows_per_tile"] * layer["out_tile_pitch"])
            tiles.append(Tile(
                [list(_row(layer, *row)) for row in rows], 0 in members, closes,
                (address % (1 << 32), outputs)
                if closes and layer["mode"] != _READOUT and block >= 0 else None))
    return tiles


def check_fiber(layer: Mapping[str, Any], chunk: int, max_chunks: int) -> None:
    """Raise `GoldenError` unless the sources make the fiber that the descriptor says."""
    check_int("source_count", layer["source_count"], 1, 2)
    chunks = 0
    for source in _sources(layer):
        for name in ("kernel_height", "kernel_width", "stride", "chunks", "taps_per_chunk"):
            check_int(name, source[name], 1, 255)
        shared = source["taps_per_chunk"]
        check_int("tap_positions", source["tap_positions"], int(shared > 1), chunk // shared)
        if shared > 1:
            check_int("chunks of a pixel whose taps share one", source["chunks"], 1, 1)
        taps = source["kernel_height"] * source["kernel_width"]
        chunks += -(-taps // shared) * source["chunks"]
    check_int("chunks of a fiber", chunks, 1, max_chunks)
    check_int("chunks", layer["chunks"], chunks, chunks)


def _check_engine(layer: Mapping[str, Any]) -> None:
    """Raise `GoldenError` unless attention or pooling of residuals, if it is that, is possible."""
    attention, pools = layer.get("attention", 0), layer.get("residual_pool", 0)
    if not attention and not pools:
        return
    for name in ("source_count", "passes", "pool", *("blocks",) * attention):
        check_int(name, layer[name], 1, 1)
    if pools:
        source = layer["sources"][0]
        for name in ("kernel_height", "kernel_width", "stride", "height", "width"):
            check_int(name, source[name], 1, (1 << 16) - 1)
        check_int("block_columns", layer["block_columns"], 1, (1 << 16) - 1)
        for padding, kernel in (("padding_top", "kernel_height"),
                                ("padding_left", "kernel_width")):
            check_int(padding, source[padding], 0, source[kernel] - 1)


def _parts(layer: Mapping[str, Any]) -> list[tuple[list[int], list[int]]]:
    """Return windows and their members for each tile of a block, by their raster numbers."""
    windows = list(range(layer["out_height"] * layer["out_width"]))
    members = list(range(layer["pool"] ** 2))
    size, part = layer["windows_per_tile"], layer["members_per_tile"]
    check_int("members_per_tile", part, 1, len(members))
    if part == len(members):
        return [(windows[at:at + size], members) for at in range(0, len(windows), size)]
    check_int("windows_per_tile of windows that take several", size, 1, 1)
    return [([window], members[at:at + part])
            for window in windows for at in range(0, len(members), part)]


def _position(layer: Mapping[str, Any], window: int, member: int) -> tuple[int, int]:
    """Return the output position of a member of a window."""
    (wy, wx), (dy, dx) = divmod(window, layer["out_width"]), divmod(member, layer["pool"])
    return wy * layer["pool"] + dy, wx * layer["pool"] + dx


def _row(layer: Mapping[str, Any], oy: int, ox: int, one: int) -> Iterator[Segment]:
    """Yield the segments of output position ``oy``, ``ox`` in lane pass ``one``."""
    for source in [] if layer.get("residual_pool") else _sources(layer):
        taps = list(product(range(source["kernel_height"]), range(source["kernel_width"])))
        for number, (ky, kx) in enumerate(taps):
            y = oy * source["stride"] - source["padding_top"] + ky
            x = ox * source["stride"] - source["padding_left"] + kx
            inside = 0 <= y < source["height"] and 0 <= x < source["width"]
            place = number % source["taps_per_chunk"]
            for index in range(source["chunks"]):
                address = (source["address"] + one * source["pass_pitch"]
                           + y * source["row_pitch"] + x * source["pixel_pitch"]
                           + index * source["chunk_pitch"])
                last = number == len(taps) - 1 and index == source["chunks"] - 1
                yield Segment(address if inside else None, place * source["tap_positions"],
                              last or place == source["taps_per_chunk"] - 1,
                              last and source is _sources(layer)[-1])


def _sources(layer: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    return layer["sources"][:layer["source_count"]]
