# SPDX-License-Identifier: Apache-2.0
"""The spike loader with its memory and its takers, and what must come of a layer."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch

from ..models.golden.compressor import compress
from ..models.golden.row_walker import Tile, walk
from ..models.golden.spike_loader import load_rows
from .bench import Bench
from .client_memory import ReadMemory
from .layer_traffic import Traffic
from .streams import StreamSink

__all__ = ["Loader", "Wanted", "fiber_beats", "found_beats", "walk_layer", "wanted_of"]


@dataclass
class Wanted:
    """What must come of a layer."""

    tiles: list[dict[str, int]] = field(default_factory=list)
    slots: list[dict[str, int]] = field(default_factory=list)
    beats: list[dict[str, Any]] = field(default_factory=list)
    masks: list[tuple[int, int]] = field(default_factory=list)   # requests
    values: list[tuple[int, int]] = field(default_factory=list)


def walk_layer(bench: Bench, layer: dict[str, Any]) -> list[Tile]:
    config = bench.config
    return walk(layer, config.tile_rows, config.chunk, config.max_chunks)


def wanted_of(bench: Bench, traffic: Traffic) -> Wanted:
    """Return what the golden ops give for a layer."""
    config, found = bench.config, Wanted()
    block = load_rows(traffic.layer, traffic.maps, config.chunk)
    rounds = 0 if traffic.layer["residual_pool"] else (
        traffic.layer["blocks"] + traffic.layer["attention"])
    fibers = [row for _ in range(rounds) for row in block]
    for tile in walk_layer(bench, traffic.layer):
        found.tiles.append({"rows": len(tile.rows), "opens": int(tile.opens),
                            "closes": int(tile.closes)})
        if tile.slots:
            found.slots.append(dict(zip(("address", "rows"), tile.slots, strict=True)))
        for number, segments in enumerate(tile.rows if rounds else []):
            found.beats += fiber_beats(bench, fibers.pop(0), number)
            for segment in segments:
                if segment.address is not None:
                    found.masks.append((segment.address, config.mask_words))
                    mask = sum(traffic.memory[segment.address + place]
                               << place * config.memory_bits
                               for place in range(config.mask_words))
                    values = config.beat_values * config.spike_beats_per_word
                    words = -(-mask.bit_count() // values)
                    if words:
                        found.values.append((segment.address + config.mask_words, words))
    assert not fibers
    return found


def fiber_beats(bench: Bench, fiber: torch.Tensor, row: int) -> list[dict[str, Any]]:
    """Return a row's fiber as beats; values that do not count are left out."""
    config, found = bench.config, []
    chunks = list(compress(fiber.flatten(), config.chunk).chunks())
    for number, (mask, _, values) in enumerate(chunks):
        beats = [part.tolist() for part in values.split(config.beat_values)] or [[]]
        bits = sum(1 << place for place in mask.nonzero().flatten().tolist())
        for index, lanes in enumerate(beats):
            end = index == len(beats) - 1
            found.append({"values": lanes, "end": int(end), "row": row})
            if end:
                found[-1] |= {"mask": bits, "last": int(number == len(chunks) - 1)}
    return found


def found_beats(bench: Bench, sink: StreamSink, since: int) -> list[dict[str, Any]]:
    """Return beats as `fiber_beats` does."""
    found, width = [], bench.config.beat_values
    for beat in sink.values[since:]:
        end = beat["end"]
        kept = {name: beat[name] for name in (("mask", "last") if end else ())}
        found.append({"values": beat["values"], "end": end, "row": beat["row"]} | kept)
    values = 0
    for beat in found:
        if beat["end"]:
            beat["values"] = beat["values"][:beat["mask"].bit_count() - values]
        values = 0 if beat["end"] else values + width
    return found


class Loader:
    """The unit with its memory and its takers."""

    def __init__(self, bench: Bench, gaps: float = 0.0, stalls: float = 0.0,
                 latency: Callable[[], int] = lambda: 1,
                 readers: dict[str, ReadMemory] | None = None):
        self.bench = bench
        self.readers = readers or {
            name: ReadMemory(bench, name, gaps, latency) for name in ("masks", "values")}
        self.sinks = {name: bench.sink(f"o_{name}", stalls, burst=4)
                      for name in ("tile", "slots", "row")}

    async def start(self, traffic: Traffic) -> None:
        """Present a layer and start it."""
        for reader in self.readers.values():
            reader.words = traffic.memory
        self.bench.write("layer", traffic.layer)
        self.bench.dut.start.value = 1
        await self.bench.edge()
        self.bench.dut.start.value = 0
        await self.bench.edge()

    async def idle(self, timeout: int = 50_000) -> None:
        """Wait until ``busy`` falls."""
        for _ in range(timeout):
            await self.bench.edge()
            if not self.bench.read("busy"):
                return
        raise AssertionError(f"busy must fall within {timeout} cycles")

    async def run(self, traffic: Traffic) -> None:
        """Run a layer and compare all that comes of it."""
        wanted = wanted_of(self.bench, traffic)
        since = {name: len(sink.cycles) for name, sink in self.sinks.items()}
        asked = {name: len(reader.requests) for name, reader in self.readers.items()}
        await self.start(traffic)
        assert self.bench.read("busy"), "busy must rise after start"
        await self.idle()
        assert not self.bench.read("error"), "error must stay clear"
        found = {name: self.sinks[name].values[since[name]:] for name in ("tile", "slots")}
        found["row"] = found_beats(self.bench, self.sinks["row"], since["row"])
        found |= {name: reader.requests[asked[name]:] for name, reader in self.readers.items()}
        for name, items in (("tile", wanted.tiles), ("slots", wanted.slots),
                            ("row", wanted.beats), ("masks", wanted.masks),
                            ("values", wanted.values)):
            for number, (got, want) in enumerate(zip(found[name], items, strict=False)):
                assert got == want, f"{name} {number} must be {want}, not {got}"
            count = len(found[name])
            assert count == len(items), f"{name} must be {len(items)}, not {count}"
