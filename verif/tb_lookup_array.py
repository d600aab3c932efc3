# SPDX-License-Identifier: Apache-2.0
"""Bench of the lookup array: tiles of any number of rows in a row, against the golden op.

`tb_lookup_array_errors` has what stops it.
"""

import itertools
from collections.abc import Iterable
from typing import Any

import cocotb
import torch

from .array_checks import clear_counters, counted, until_idle, watch_busy
from .bench import Bench
from .lookup_traffic import LookupTraffic, random_tiles
from .stimuli import CORNERS, Product, random_product, random_words

__all__ = ["clears_counters", "covers_corner", "keeps_its_pace", "matches_golden",
           "restarts_after_reset", "run_tiles", "shares_the_work", "waits_for"]

_STREAMS = ("i_tile", "i_row", "i_weights", "o")


async def run_tiles(bench: Bench, tiles: Iterable[Product], **pauses: float) -> list[int]:
    """Run the tiles, compare results, ``busy``, ``error`` and counters; return the cycles of o.

    Parameters
    ----------
    pauses : float
        Share of cycles in which the stream of that name pauses.
    """
    traffic = LookupTraffic(tiles, bench.config, bench.rng)
    busy = watch_busy(bench)
    before = bench.read("counters")
    sink = bench.sink("o", pauses.get("o", 0.0), burst=3)
    sources = {name: bench.source(name, pauses.get(name, 0.0), burst=3) for name in _STREAMS[:-1]}
    for source, payloads in zip(sources.values(), (traffic.tiles, traffic.rows, traffic.weights),
                                strict=True):
        source.put(payloads)
    patience = 2000 + 40 * bench.config.max_fan_in
    for number, (got, want) in enumerate(zip(
            await sink.take(len(traffic.results), patience), traffic.results, strict=True)):
        assert got == want, f"result {number} must be {want}, not {got}"
    await until_idle(bench)
    assert len(sink.cycles) == len(traffic.results), "a result was repeated"
    assert not any(bench.read("error").values()), f"errors must be 0: {bench.read('error')}"
    first = sources["i_tile"].cycles[0]
    assert busy == set(range(min(busy), max(busy) + 1)) or any(pauses.values())
    assert min(busy) == first + 1 and set(sink.cycles) <= busy
    counts = counted(bench, before)
    assert counts.pop("cycles") == len(busy)
    assert counts["match"] == traffic.additions
    assert sum(counts.values()) == bench.config.tppes * len(busy)
    return sink.cycles


@cocotb.test()
@cocotb.parametrize(rows=[0.0, 0.6], weights=[0.0, 0.5], stalls=[0.0, 0.6])
async def matches_golden(dut: Any, rows: float, weights: float, stalls: float) -> None:
    """Tiles of 1 to all rows, back to back, give the golden psums, whatever the stalls."""
    bench = await Bench.start(dut)
    await run_tiles(bench, random_tiles(bench.rng, bench.config, 7), i_tile=rows, i_row=rows,
                    i_weights=weights, o=stalls)


@cocotb.test()
@cocotb.parametrize(slow=[cocotb.Param(name, name=name) for name in _STREAMS])
async def waits_for(dut: Any, slow: str) -> None:
    """One stream alone is slow: nothing is lost or repeated; the counters blame a slow input."""
    bench = await Bench.start(dut)
    rows = bench.config.tile_rows
    await run_tiles(bench, [random_product(bench.rng, bench.config, rows, 3) for _ in range(6)],
                    **{slow: 0.9})
    counts, causes = bench.read("counters"), {"i_row": "stall_row", "i_weights": "stall_column"}
    if slow in causes:
        assert 4 * counts[causes[slow]] > counts["cycles"]


@cocotb.test()
@cocotb.parametrize(corner=[cocotb.Param(name, name=name) for name in CORNERS])
async def covers_corner(dut: Any, corner: str) -> None:
    """Each named corner case gives the golden psums; its rows need not fill the tiles."""
    bench = await Bench.start(dut)
    product = CORNERS[corner](bench.rng, bench.config)
    await run_tiles(bench, [Product(words, product.weights) for words in product.words.split(
        bench.config.tile_rows)], i_weights=0.1, o=0.2)


@cocotb.test()
async def shares_the_work(dut: Any) -> None:
    """Of rows with any number of spikes no element gets the first ones only, nor the last."""
    bench = await Bench.start(dut)
    config = bench.config
    count = config.tile_rows
    length = config.max_chunks * config.chunk
    rows = [random_words(bench.rng, config, length, float(row < count // config.rows_per_pe))
            for row in range(count)]
    weights = torch.ones(length, 2 * config.tppes, dtype=torch.int64)
    await run_tiles(bench, [Product(torch.tensor(rows), weights)])
    counts = bench.read("counters")
    if config.pe == "scan":  # a full row in each element: they work all the time, side by side
        assert counts["match"] == 2 * config.tppes * length * config.tppes
        assert counts["cycles"] < 2 * config.tppes * length + 3 * length + 200


@cocotb.test()
async def keeps_its_pace(dut: Any) -> None:
    """Latency and throughput of the results are what the docstring says."""
    bench = await Bench.start(dut)
    config = bench.config
    first = Product(torch.ones(1, 1, dtype=torch.int64), torch.ones(1, 1, dtype=torch.int64))
    traffic = LookupTraffic([first], config, bench.rng)
    await bench.source("i_tile").send(traffic.tiles)
    await bench.source("i_row").send(traffic.rows)
    weights, sink = bench.source("i_weights"), bench.sink("o")
    await bench.edge(config.chunk_beats + 10)
    weights.put(traffic.weights)
    await sink.take(1)
    assert sink.cycles[0] - weights.cycles[-1] == 5 + 1 + 2
    await until_idle(bench)

    words = torch.zeros(config.tile_rows, config.chunk, dtype=torch.int64)
    words[:, 0] = 1
    columns = torch.zeros(config.chunk, 40, dtype=torch.int64)
    columns[0] = 1
    cycles = await run_tiles(bench, [Product(words, columns)])
    adding = config.rows_per_pe if config.pe == "scan" else 1
    if config.tile_rows > max(adding, 3):  # else a column takes longer than its results
        steps = [later - now for now, later in itertools.pairwise(cycles)]
        assert set(steps[config.tile_rows:]) == {1}


@cocotb.test()
async def clears_counters(dut: Any) -> None:
    """``clear`` sets all counters to zero, and they count again."""
    bench = await Bench.start(dut)
    await run_tiles(bench, random_tiles(bench.rng, bench.config, 2))
    assert bench.read("counters")["cycles"]
    await clear_counters(bench)
    await bench.edge()
    assert set(bench.read("counters").values()) == {0}
    bench.write("i_busy", 1)
    await bench.edge(10)
    assert bench.read("busy") and bench.read("counters")["idle"]
    bench.write("i_busy", 0)
    await bench.edge(5)
    await run_tiles(bench, random_tiles(bench.rng, bench.config, 2))


@cocotb.test()
@cocotb.parametrize(after=[0, 5, 11, 23, 48])
async def restarts_after_reset(dut: Any, after: int) -> None:
    """A reset in the middle forgets tiles, rows, weights, results and counts."""
    bench = await Bench.start(dut)
    config = bench.config
    product = random_product(bench.rng, config, config.tile_rows, 3)
    traffic = LookupTraffic([product, product], config, bench.rng)
    dut.o__ready.value = after % 2
    tile, row, weights = (bench.source(name) for name in _STREAMS[:-1])
    tile.put(traffic.tiles)
    await row.send(traffic.rows[:len(traffic.rows) // 2 + 1])  # one tile and a beat of the next
    await weights.send(traffic.weights[:len(traffic.weights) // 6])
    await bench.edge(after)
    await bench.reset(1)
    await bench.edge()
    assert not bench.read("busy") and set(bench.read("counters").values()) == {0}
    assert not int(dut.o__valid.value)
    await run_tiles(bench, random_tiles(bench.rng, config, 3))
