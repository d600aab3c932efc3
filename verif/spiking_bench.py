# SPDX-License-Identifier: Apache-2.0
"""Runs tiles on the spiking array in its benches, and checks all that comes out."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from .array_checks import check_fibers, counted, until_idle, watch_busy
from .bench import Bench
from .spiking_traffic import SpikingTile, SpikingTraffic
from .streams import StreamSink, StreamSource

__all__ = ["Pauses", "put", "run_tiles", "sinks_of"]


@dataclass(frozen=True, kw_only=True)
class Pauses:
    """Share of cycles in which the streams of each kind pause."""

    i_tile: float = 0.0
    i_row: float = 0.0
    i_weights: float = 0.0
    i_channel: float = 0.0
    o_psums: float = 0.0
    o: float = 0.0


async def run_tiles(bench: Bench, tiles: Iterable[SpikingTile],
                    pauses: Pauses | None = None) -> SpikingTraffic:
    """Run the tiles and compare psums, fibers, ``busy``, ``error`` and counters."""
    pauses = pauses or Pauses()
    traffic = SpikingTraffic(tiles, bench.config, bench.rng)
    busy = watch_busy(bench)
    before = bench.read("counters")
    tile_source = bench.source("i_tile", pauses.i_tile, burst=3)
    psums, fibers = sinks_of(bench, "o_psums", pauses.o_psums), sinks_of(bench, "o", pauses.o)
    tile_source.put(traffic.tiles)
    channels = put(bench, "i_channel", traffic.channels, pauses.i_channel)
    put(bench, "i_row", traffic.rows, pauses.i_row)
    weights = put(bench, "i_weights", traffic.weights, pauses.i_weights)
    patience = 3000 + 100 * bench.config.max_fan_in  # a block of columns may come before a beat
    for sinks, wanted in ((fibers, traffic.fibers), (psums, traffic.psums)):
        for sink, payloads in zip(sinks, wanted, strict=True):
            await sink.take(len(payloads), timeout=patience)
    await until_idle(bench)
    for lane, (sink, wanted) in enumerate(zip(psums, traffic.psums, strict=True)):
        for number, (got, want) in enumerate(zip(sink.values, wanted, strict=True)):
            assert got == want, f"psums {number} of lane {lane} must be {want}, not {got}"
    for sink, beats, words in zip(fibers, traffic.fibers, traffic.words, strict=True):
        check_fibers(bench, sink.values, beats, words)
    for sources, payloads in ((channels, traffic.channels), (weights, traffic.weights)):
        assert [len(source.cycles) for source in sources] == [*map(len, payloads)]
    assert not any(bench.read("error").values())
    taken = tile_source.cycles
    shown = {later for into in taken for later in (into + 1, into + 2)}
    assert shown.union(*(sink.cycles for sink in psums + fibers)) <= busy
    assert min(busy) == taken[0] + 1, "busy came before the first tile"
    counts = counted(bench, before)
    assert counts.pop("cycles") == len(busy)
    assert counts["match"] == traffic.additions
    assert sum(counts.values()) == bench.config.tppes * len(busy)
    return traffic


def sinks_of(bench: Bench, name: str, pause: float = 0.0) -> list[StreamSink]:
    """Return a taker of the stream of each lane."""
    return [bench.sink(f"{name}__{lane}", pause, burst=3)
            for lane in range(bench.config.output_lanes)]


def put(bench: Bench, name: str, payloads: list[list[Any]],
         pause: float = 0.0) -> list[StreamSource]:
    """Queue the payloads of an array of streams."""
    sources = [bench.source(f"{name}__{index}", pause, burst=3)
               for index in range(len(payloads))]
    for source, words in zip(sources, payloads, strict=True):
        source.put(words)
    return sources
