# SPDX-License-Identifier: Apache-2.0
"""Cycles of a whole layer on the RTL of an array, every output compared with the golden ops.

All is counted: filling and draining, P-LIF, compression, and what memory stalls at a given
bandwidth (see `array_streams` for what crosses it, and ``array_memory.sv`` for how).
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from amaranth.lib import data

from ..rtl.config import ArrayConfig, FTPConfig
from .array_design import array_design, array_ports
from .array_layer import Layer, array_tiles
from .array_outputs import Expected, check, expected
from .array_streams import array_words, fetched_rows, map_bits
from .hexfile import write_words
from .payload import unpack
from .runner import Run, run_bench
from .tb_array_run import RESULT

__all__ = ["BANDWIDTH", "CACHE", "LayerRun", "run_layer"]

BANDWIDTH = 160   # bytes per cycle: 128 GB/s at 800 MHz, as LoAS
CACHE = 262144    # bytes, as LoAS


@dataclass(frozen=True, kw_only=True)
class LayerRun:
    """What a layer cost, and whether it was exact.

    Parameters
    ----------
    name : str
        The layer's.
    cycles : int
        Until the last result is in memory.
    counters : dict of str to int
        Of the array.
    traffic : dict of str to int
        Bytes that crossed the memory port: ``spikes``, ``weights`` and ``output``.
    cache : dict of str to int
        Bytes that were ``read`` from the cache and ``written`` to it.
    exact : bool
        Whether each output is that of the golden ops.
    mismatch : str
        The first one that is not, or why there is none; empty if the layer was exact.
    """

    name: str
    cycles: int
    counters: dict[str, int]
    traffic: dict[str, int]
    cache: dict[str, int]
    exact: bool
    mismatch: str


def run_layer(config: FTPConfig, layer: Layer, folder: Path, *, bandwidth: int = BANDWIDTH,
              cache: int = CACHE, verilog: str | None = None,
              wanted: Expected | None = None) -> LayerRun:
    """Run a layer on the array of this configuration: `LanedFTPArray`, or `ListArray`.

    Parameters
    ----------
    folder : Path
        Where the files go; what it held of another run is overwritten.
    bandwidth : int
        Bytes per cycle of the memory.
    cache : int
        Bytes for spikes and weights.
    verilog : str or None
        In place of the array's own.
    wanted : Expected or None
        In place of what the golden ops give.

    Raises
    ------
    ValueError
        The layer does not fit the configuration or the cache.
    BenchFailure, ToolError
        As `runner.run_bench`.
    """
    _check_fit(config, layer, bandwidth, cache)
    ports, tiles = array_ports(config), list(array_tiles(layer, config))
    words = array_words(layer, tiles, ports, config, 8 * cache)
    folder.mkdir(parents=True, exist_ok=True)
    for path in (*folder.glob("*.log"), folder / RESULT):
        path.unlink(missing_ok=True)
    def write(name: str, layout: data.StructLayout, fields: dict[str, Any], need: Any) -> None:
        write_words(folder / name, data.StructLayout({
            "payload": layout, "pad": ports.word_bits - layout.size, "need": 32}),
            {"payload": fields, "need": need})

    for index, (player, sent) in enumerate(zip(ports.players, words, strict=True)):
        write(f"in_{index}.hex", player.layout, sent.fields, sent.need)
    stride = 0
    if isinstance(config, ArrayConfig):
        rows = fetched_rows(layer, tiles, config)
        stride = rows.stride
        write("rows.hex", ports.row, rows.fields, rows.need)
        write_words(folder / "elements.hex", data.StructLayout({"elements": 32}),
                    {"elements": rows.elements})
    spikes = map_bits(layer, config)[0]
    total = [spikes, *(sent.total for sent in words[:len(ports.weights)])]
    room = [spikes, *[(8 * cache - spikes) // len(ports.weights)] * len(ports.weights)]
    run_bench(Run(unit=ports.unit, config=config, bench="tb_array_run",
                  design=array_design(config, verilog), parameters={
                      "folder": str(folder.resolve()), "bandwidth": 8 * bandwidth,
                      "stride": stride,
                      "total": total, "room": room}))
    result = json.loads((folder / RESULT).read_text())
    errors = [name for name, bit in unpack(ports.error, result["error"]).items() if bit]
    if errors or result["stuck"]:
        mismatch = f"the array stopped: {', '.join(errors) or 'nothing moves'}"
    else:
        mismatch = check(wanted or expected(layer, config), tiles, ports, config, folder)
    fetched = [result["fetched"] >> 32 * index & 0xFFFFFFFF for index in range(len(total))]
    bits = {"spikes": fetched[0], "weights": sum(fetched[1:]), "output": result["written"]}
    read = sum(sent.read for sent in words)
    return LayerRun(name=layer.name, cycles=result["cycles"],
                    counters=unpack(ports.counters, result["counters"]),
                    traffic={kind: -(-count // 8) for kind, count in bits.items()},
                    cache={"read": -(-read // 8), "written": -(-sum(fetched) // 8)},
                    exact=not mismatch, mismatch=mismatch and f"layer {layer.name}: {mismatch}")


def _check_fit(config: FTPConfig, layer: Layer, bandwidth: int, cache: int) -> None:
    _, positions, columns = layer.shape
    for name, value, limit in (("positions", positions, config.max_fan_in),
                               ("columns", columns, config.max_chunks * config.chunk),
                               ("bytes of the spike map", map_bits(layer, config)[0] // 8,
                                cache // 2)):
        if value > limit:
            raise ValueError(f"layer {layer.name}: {name} must be at most {limit}, not {value}")
    if bandwidth < 1:
        raise ValueError(f"bandwidth must be at least 1 byte per cycle, not {bandwidth}")
