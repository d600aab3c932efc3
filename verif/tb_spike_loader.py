# SPDX-License-Identifier: Apache-2.0
"""Bench of the spike loader: random layers against the golden ops, every request and beat."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import cocotb
import torch

from ..models.golden.compressor import compress
from ..models.golden.errors import GoldenError
from ..models.golden.row_walker import Tile, walk
from ..models.golden.spike_loader import load_rows
from ..rtl.soc.descriptor import Mode
from .bench import Bench
from .layer_traffic import Traffic, layer_traffic, random_layer
from .read_partner import ReadPartner
from .streams import StreamSink, pauses

__all__ = ["asks_for_masks_ahead", "gives_tiles_in_time", "keeps_its_pace", "matches_golden",
           "notices_wrong_tiles", "refuses_impossible_layers", "restarts_after_reset",
           "walks_corner"]

_QUIET = 150  # cycles without a transfer that no random stall lasts
_LAYERS = 12


@dataclass
class _Wanted:
    """What must come of a layer."""

    tiles: list[dict[str, int]] = field(default_factory=list)
    slots: list[dict[str, int]] = field(default_factory=list)
    beats: list[dict[str, Any]] = field(default_factory=list)
    masks: list[tuple[int, int]] = field(default_factory=list)   # requests
    values: list[tuple[int, int]] = field(default_factory=list)


def _walk(bench: Bench, layer: dict[str, Any]) -> list[Tile]:
    config = bench.config
    return walk(layer, config.tppes, config.chunk, config.max_chunks)


def _wanted(bench: Bench, traffic: Traffic) -> _Wanted:
    """Return what the golden ops give for a layer."""
    config, found = bench.config, _Wanted()
    block = load_rows(traffic.layer, traffic.maps, config.chunk)
    fibers = [row for _ in range(traffic.layer["blocks"]) for row in block]
    for tile in _walk(bench, traffic.layer):
        found.tiles.append({"rows": len(tile.rows), "opens": int(tile.opens),
                            "closes": int(tile.closes)})
        if tile.slots:
            found.slots.append(dict(zip(("address", "rows"), tile.slots, strict=True)))
        for number, segments in enumerate(tile.rows):
            found.beats += _beats(bench, fibers.pop(0), number)
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


def _beats(bench: Bench, fiber: torch.Tensor, row: int) -> list[dict[str, Any]]:
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


def _found(bench: Bench, sink: StreamSink, since: int) -> list[dict[str, Any]]:
    """Return beats as `_beats` does."""
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


class _Loader:
    """The unit with its memory and its takers."""

    def __init__(self, bench: Bench, gaps: float = 0.0, stalls: float = 0.0,
                 latency: Callable[[], int] = lambda: 1,
                 readers: dict[str, ReadPartner] | None = None):
        self.bench = bench
        self.readers = readers or {
            name: ReadPartner(bench.dut, name, {}, latency, self._pauses(gaps))
            for name in ("masks", "values")}
        self.sinks = {name: bench.sink(f"o_{name}", stalls, burst=4)
                      for name in ("tile", "slots", "row")}

    def _pauses(self, share: float) -> Iterator[bool]:
        return pauses(random.Random(self.bench.rng.getrandbits(64)), share, 3)

    async def start(self, traffic: Traffic) -> None:
        """Present a layer and start it."""
        for reader in self.readers.values():
            reader.memory = traffic.memory
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
        wanted = _wanted(self.bench, traffic)
        since = {name: len(sink.cycles) for name, sink in self.sinks.items()}
        asked = {name: len(reader.requests) for name, reader in self.readers.items()}
        await self.start(traffic)
        assert self.bench.read("busy"), "busy must rise after start"
        await self.idle()
        assert not self.bench.read("error"), "error must stay clear"
        found = {name: self.sinks[name].values[since[name]:] for name in ("tile", "slots")}
        found["row"] = _found(self.bench, self.sinks["row"], since["row"])
        found |= {name: reader.requests[asked[name]:] for name, reader in self.readers.items()}
        for name, items in (("tile", wanted.tiles), ("slots", wanted.slots),
                            ("row", wanted.beats), ("masks", wanted.masks),
                            ("values", wanted.values)):
            for number, (got, want) in enumerate(zip(found[name], items, strict=False)):
                assert got == want, f"{name} {number} must be {want}, not {got}"
            count = len(found[name])
            assert count == len(items), f"{name} must be {len(items)}, not {count}"


@cocotb.test()
@cocotb.parametrize(gaps=[0.0, 0.5], stalls=[0.0, 0.5])
async def matches_golden(dut: Any, gaps: float, stalls: float) -> None:
    """Random layers give the golden tiles, slots and beats and read what they must."""
    bench = await Bench.start(dut)
    longest = bench.rng.choice((1, 20)) if gaps else 1
    loader = _Loader(bench, gaps, stalls, lambda: bench.rng.randint(1, longest))
    for _ in range(_LAYERS):
        await loader.run(random_layer(bench.rng, bench.config))


_CORNERS: dict[str, Callable[[Bench], dict[str, Any]]] = {
    "all_outside": lambda bench: {
        "kinds": [(3, 3, 1, 1)], "sources": [{"padding_top": 255, "padding_left": 255}],
        "out_height": 3, "out_width": 3},
    "far_beyond": lambda bench: {
        "kinds": [(1, 1, 1, 1)], "sources": [{"stride": 255}], "out_height": 3, "out_width": 3},
    "one_column": lambda bench: {
        "kinds": [(1, 1, 1, 1)], "out_height": 5, "sources": [
            {"height": 6, "width": 2, "stride": 1, "padding_top": 0, "padding_left": 0}]},
    "window_in_tiles": lambda bench: {
        "kinds": [(1, 1, 2, 1)], "pool": 5, "passes": bench.config.tppes, "out_height": 2,
        "blocks": 2},
    "one_chunk_of_all_taps": lambda bench: {
        "kinds": [(2, 2, bench.config.chunk // 4, 4)], "out_width": 3},
    "silent": lambda bench: {"kinds": [(2, 2, 1, 4)], "density": 0.0, "out_width": 2},
    "full": lambda bench: {"kinds": [(2, 2, bench.config.chunk // 4, 4)], "density": 1.0,
                           "out_width": 3},
    "most_chunks": lambda bench: {
        "kinds": [(1, 1, bench.config.max_chunks * bench.config.chunk, 1)]
        if bench.config.max_chunks < 9 else [(4, 8, bench.config.chunk, 1)]},
}


@cocotb.test()
@cocotb.parametrize(corner=[cocotb.Param(name, name=name) for name in _CORNERS],
                    pause=[0.0, 0.4])
async def walks_corner(dut: Any, corner: str, pause: float) -> None:
    """Each named corner case gives the golden result."""
    bench = await Bench.start(dut)
    fields = _CORNERS[corner](bench)
    height, width, _, shared = fields["kinds"][0]
    if height * width <= bench.config.max_chunks * shared:
        await _Loader(bench, pause, pause).run(
            layer_traffic(bench.rng, bench.config, **fields))


def _spoiled(bench: Bench) -> dict[str, dict[str, Any]]:
    """Return what makes a layer of one source with pool 1 impossible; source fields apart."""
    config = bench.config
    zeros = {name: {name: 0} for name in (
        "pool", "out_height", "out_width", "passes", "windows_per_tile", "members_per_tile",
        "out_passes", "columns", "blocks", "chunks", "tiles", "source_count")}
    sources = {f"source_{name}": {"source": {name: 0}} for name in (
        "kernel_height", "kernel_width", "stride", "chunks", "taps_per_chunk")}
    return zeros | sources | {
        "three_sources": {"source_count": 3},
        "second_source_missing": {"source_count": 2},
        "too_many_rows": {"passes": config.tppes + 1},
        "too_many_slots": {"out_passes": config.tppes + 1, "mode": Mode.INTEGERS.value},
        "more_members": {"members_per_tile": 2},
        "part_of_two_windows": {"pool": 2, "windows_per_tile": 2, "members_per_tile": 1},
        "fewer_members": {"pool": 2, "members_per_tile": 5},
        "more_chunks": {"chunks": 2},
        "shared_beyond_chunk": {"source": {"taps_per_chunk": 2,
                                           "tap_positions": config.chunk // 2 + 1}},
        "shared_without_positions": {"source": {"taps_per_chunk": 2, "tap_positions": 0}},
        "chunks_of_shared": {"chunks": 2, "source": {"taps_per_chunk": 2, "tap_positions": 1,
                                                     "chunks": 2}},
        "longest_fiber": {"chunks": config.max_chunks + 1,
                          "source": {"kernel_width": config.max_chunks + 1}},
        "long_pixel": {"chunks": 255, "source": {"chunks": 255, "kernel_width": 255}},
    }


@cocotb.test()
async def refuses_impossible_layers(dut: Any) -> None:
    """An impossible layer sets ``error`` and gives out nothing; a possible one follows."""
    bench = await Bench.start(dut)
    loader = _Loader(bench)
    for name, fields in _spoiled(bench).items():
        traffic = layer_traffic(bench.rng, bench.config, [(1, 1, 1, 1)])
        await loader.run(traffic)
        traffic.layer |= {field: value for field, value in fields.items() if field != "source"}
        traffic.layer["sources"][0] |= fields.get("source", {})
        try:
            _walk(bench, traffic.layer)
        except GoldenError:
            pass
        else:
            raise AssertionError(f"{name}: the golden op must refuse it")
        since = [len(sink.cycles) for sink in loader.sinks.values()]
        asked = len(loader.readers["masks"].requests)
        await loader.start(traffic)
        await loader.idle(2000)
        await bench.edge(5)
        assert bench.read("error"), f"{name}: error must be set"
        assert since == [len(sink.cycles) for sink in loader.sinks.values()], name
        assert asked == len(loader.readers["masks"].requests), name
        dut.clear.value = 1
        await bench.edge()
        dut.clear.value = 0
        await bench.edge(2)
        assert not bench.read("error"), f"{name}: error must be cleared"


@cocotb.test()
async def notices_wrong_tiles(dut: Any) -> None:
    """A wrong number of tiles sets ``error``; what was given out is complete."""
    bench = await Bench.start(dut)
    loader = _Loader(bench, 0.2, 0.2)
    for wrong in (-1, 1):
        traffic = layer_traffic(bench.rng, bench.config, [(1, 1, 3, 1)], blocks=2, out_height=7,
                                out_width=bench.config.tppes)
        tiles = _walk(bench, traffic.layer)
        block = traffic.layer["tiles"]
        traffic.layer["tiles"] += wrong
        since = {name: len(sink.cycles) for name, sink in loader.sinks.items()}
        await loader.start(traffic)
        await loader.idle()
        assert bench.read("error"), "error must be set"
        given = block - 1 if wrong > 0 else block - 2
        found = {name: len(sink.cycles) - since[name] for name, sink in loader.sinks.items()}
        assert found["tile"] == given, f"tiles must be {given}, not {found['tile']}"
        lasts = sum(beat["end"] and beat["last"]
                    for beat in loader.sinks["row"].values[since["row"]:])
        rows = sum(len(tile.rows) for tile in tiles[:given])
        assert lasts == rows, f"rows must be {rows}, not {lasts}"
        dut.clear.value = 1
        await bench.edge()
        dut.clear.value = 0
        await loader.run(random_layer(bench.rng, bench.config))


@cocotb.test()
async def keeps_its_pace(dut: Any) -> None:
    """A beat per cycle from full maps, a segment per cycle outside the map."""
    bench = await Bench.start(dut)
    config, loader = bench.config, _Loader(bench)
    row = loader.sinks["row"]
    inside = {"height": 6, "width": 6, "stride": 1, "padding_top": 0, "padding_left": 0}
    outside = {"padding_top": 200, "padding_left": 200, "stride": 1}
    taps = min(3, config.max_chunks)
    full = layer_traffic(bench.rng, config, [(1, taps, config.chunk, 1)], density=1.0,
                         out_width=4, sources=[inside])
    silent = layer_traffic(bench.rng, config, [(1, taps, 1, 1)], out_width=4, sources=[outside])
    for traffic, beats in ((full, config.chunk_beats * taps), (silent, taps)):
        since = len(row.cycles)
        await loader.run(traffic)
        cycles, words = row.cycles[since:], config.mask_words
        assert len(cycles) == 4 * beats
        # a chunk takes as long as its beats, words or mask words, whichever are most
        slot_words = -(-config.chunk_beats // config.spike_beats_per_word)
        if traffic is full:
            slowest = max(config.chunk_beats, words, slot_words) * taps * 4
            taken = cycles[-1] - cycles[0] + 1
            assert taken <= slowest + 4 * max(0, words - config.chunk_beats) + 8, (
                f"{len(cycles)} beats must take {slowest} cycles, not {taken}")
        else:
            for at in range(0, len(cycles), taps):
                assert cycles[at + taps - 1] - cycles[at] == taps - 1, "a segment per cycle"


@cocotb.test()
async def asks_for_masks_ahead(dut: Any) -> None:
    """While no mask comes, as many are requested as the queue holds, and no more."""
    bench = await Bench.start(dut)
    config = bench.config
    loader = _Loader(bench, latency=lambda: 100)
    traffic = layer_traffic(
        bench.rng, config, [(1, 1, 1, 1)], out_width=3 * config.fetch_depth + 6,
        sources=[{"height": 2, "width": 99, "stride": 1, "padding_top": 0, "padding_left": 0}])
    wanted = _wanted(bench, traffic)
    await loader.start(traffic)
    await bench.edge(90)
    asked = loader.readers["masks"].requests
    depth = max(3, config.fetch_depth)
    assert depth <= len(asked) <= depth + 1, f"masks ahead must be {depth}, not {len(asked)}"
    await loader.idle()
    assert asked == wanted.masks


@cocotb.test()
async def gives_tiles_in_time(dut: Any) -> None:
    """A tile is there before its first row, and rows come while tiles and slots wait."""
    bench = await Bench.start(dut)
    config, loader = bench.config, _Loader(bench)
    traffic = layer_traffic(
        bench.rng, config, [(1, 1, 1, 1)], out_width=5 * config.tppes, mode=Mode.SPIKES,
        sources=[{"padding_top": 9}])
    tiles = _walk(bench, traffic.layer)
    await loader.run(traffic)
    first = 0
    for number, tile in enumerate(tiles):
        for name in ("tile", "slots"):
            assert loader.sinks[name].cycles[number] < loader.sinks["row"].cycles[first]
        first += len(tile.rows)
    held = pauses(bench.rng, 1.0)
    for name in ("tile", "slots"):
        kept = loader.sinks[name].pauses
        loader.sinks[name].pauses = held
        await bench.edge(2)
        await loader.start(traffic)
        since = len(loader.sinks["row"].cycles)
        await bench.edge(300)
        rows = sum(len(tile.rows) for tile in tiles[:4])
        found = len(loader.sinks["row"].cycles) - since
        assert found >= rows, f"rows of the first four tiles must be {rows}, not {found}"
        loader.sinks[name].pauses = kept
        await loader.idle()


@cocotb.test()
async def restarts_after_reset(dut: Any) -> None:
    """A reset drops the layer at work, whatever part of it waits."""
    bench = await Bench.start(dut)
    config = bench.config
    traffic = layer_traffic(bench.rng, config, [(1, 1, config.chunk, 1)], out_width=9,
                            out_height=9, density=1.0)
    readers = {name: ReadPartner(dut, name, traffic.memory, lambda: 3, pauses(bench.rng, 0.1))
               for name in ("masks", "values")}
    bench.write("layer", traffic.layer)
    for ready in (0, 1):  # stop at a beat; at a tile
        dut.o_tile__ready.value = not ready
        dut.o_slots__ready.value = not ready
        dut.o_row__ready.value = ready
        dut.start.value = 1
        await bench.edge()
        dut.start.value = 0
        await bench.edge(200)
        assert bench.read("busy"), "a layer must be at work"
        await bench.reset(1)
        await bench.edge()
        assert not bench.read("busy"), "busy must fall"
        for name in ("o_row", "o_tile", "o_slots"):
            assert not int(getattr(dut, f"{name}__valid").value), f"{name} must be empty"
    await _Loader(bench, 0.3, 0.3, readers=readers).run(random_layer(bench.rng, config))
