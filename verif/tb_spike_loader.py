# SPDX-License-Identifier: Apache-2.0
"""Bench of the spike loader: random layers against the golden ops, every request and beat."""

from collections.abc import Callable
from typing import Any

import cocotb

from ..models.golden.errors import GoldenError
from ..rtl.soc.descriptor import Mode
from .bench import Bench
from .client_memory import ReadMemory
from .layer_traffic import layer_traffic, random_layer
from .loader_bench import Loader, walk_layer, wanted_of
from .streams import pauses

__all__ = ["asks_for_masks_ahead", "gives_tiles_in_time", "keeps_its_pace", "matches_golden",
           "notices_wrong_tiles", "refuses_impossible_layers", "restarts_after_reset",
           "walks_corner"]

_LAYERS = 12


@cocotb.test()
@cocotb.parametrize(gaps=[0.0, 0.5], stalls=[0.0, 0.5])
async def matches_golden(dut: Any, gaps: float, stalls: float) -> None:
    """Random layers give the golden tiles, slots and beats and read what they must."""
    bench = await Bench.start(dut)
    longest = bench.rng.choice((1, 20)) if gaps else 1
    loader = Loader(bench, gaps, stalls, lambda: bench.rng.randint(1, longest))
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
    "attention": lambda bench: {
        "kinds": [(1, 1, bench.config.chunk, 1)], "out_height": 3, "out_width": 3,
        "attention": 1, "block_columns": 1},
    "residual_pool": lambda bench: {
        "kinds": [(2, 2, 1, 4)], "out_height": 2, "out_width": 3, "blocks": 2,
        "residual_pool": 1, "block_columns": 1,
        "sources": [{"padding_top": 1, "padding_left": 0}]},
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
        await Loader(bench, pause, pause).run(
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
        "attention_in_blocks": {"attention": 1, "blocks": 2},
        "attention_in_windows": {"attention": 1, "pool": 2, "members_per_tile": 1},
        **{f"pool_{name}": {"residual_pool": 1, "block_columns": 1, **wrong} for name, wrong in {
            "in_windows": {"pool": 2, "members_per_tile": 1}, "of_nothing": {"block_columns": 0},
            "without_height": {"source": {"height": 0}},
            "beyond": {"source": {"padding_left": 1}}}.items()},
        "long_pixel": {"chunks": 255, "source": {"chunks": 255, "kernel_width": 255}},
    }


@cocotb.test()
async def refuses_impossible_layers(dut: Any) -> None:
    """An impossible layer sets ``error`` and gives out nothing; a possible one follows."""
    bench = await Bench.start(dut)
    loader = Loader(bench)
    for name, fields in _spoiled(bench).items():
        traffic = layer_traffic(bench.rng, bench.config, [(1, 1, 1, 1)])
        await loader.run(traffic)
        traffic.layer |= {field: value for field, value in fields.items() if field != "source"}
        traffic.layer["sources"][0] |= fields.get("source", {})
        try:
            walk_layer(bench, traffic.layer)
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
        dut.rst.value = 1
        await bench.edge()
        dut.rst.value = 0
        await bench.edge(2)
        assert not bench.read("error"), f"{name}: error must be cleared"


@cocotb.test()
async def notices_wrong_tiles(dut: Any) -> None:
    """A wrong number of tiles sets ``error``; what was given out is complete."""
    bench = await Bench.start(dut)
    loader = Loader(bench, 0.2, 0.2)
    for wrong in (-1, 1):
        traffic = layer_traffic(bench.rng, bench.config, [(1, 1, 3, 1)], blocks=2, out_height=7,
                                out_width=bench.config.tppes)
        tiles = walk_layer(bench, traffic.layer)
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
        dut.rst.value = 1
        await bench.edge()
        dut.rst.value = 0
        await loader.run(random_layer(bench.rng, bench.config))


@cocotb.test()
async def keeps_its_pace(dut: Any) -> None:
    """A beat per cycle from full maps, a segment per cycle outside the map."""
    bench = await Bench.start(dut)
    config, loader = bench.config, Loader(bench)
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
    loader = Loader(bench, latency=lambda: 100)
    traffic = layer_traffic(
        bench.rng, config, [(1, 1, 1, 1)], out_width=3 * config.fetch_depth + 6,
        sources=[{"height": 2, "width": 99, "stride": 1, "padding_top": 0, "padding_left": 0}])
    wanted = wanted_of(bench, traffic)
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
    config, loader = bench.config, Loader(bench)
    traffic = layer_traffic(
        bench.rng, config, [(1, 1, 1, 1)], out_width=5 * config.tppes, mode=Mode.SPIKES,
        sources=[{"padding_top": 9}])
    tiles = walk_layer(bench, traffic.layer)
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
    readers = {name: ReadMemory(bench, name, 0.1, lambda: 3) for name in ("masks", "values")}
    for reader in readers.values():
        reader.words = traffic.memory
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
    await Loader(bench, 0.3, 0.3, readers=readers).run(random_layer(bench.rng, config))
