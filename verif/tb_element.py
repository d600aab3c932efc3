# SPDX-License-Identifier: Apache-2.0
"""Bench of the element that looks weights up: tiles of rows over their columns.

`tb_element_errors` has the rows and weights that do not fit.
"""

import itertools
from typing import Any

import cocotb
import torch

from ..rtl.ftp.tppe import Activity
from .element_bench import ElementBench, check, full_tile, run, traffic_of
from .element_traffic import ElementTile, random_tile, weight_lists
from .stimuli import CORNERS, Product

__all__ = ["covers_corner", "keeps_its_pace", "loads_the_next_tile", "looks_up_each_cycle",
           "matches_golden", "restarts_after_reset", "sums_one_ahead", "takes_all_ones",
           "tells_what_it_waits_for", "wraps_around"]


@cocotb.test()
@cocotb.parametrize(row_gaps=[0.0, 0.6], weight_gaps=[0.0, 0.5], stalls=[0.0, 0.6])
async def matches_golden(dut: Any, row_gaps: float, weight_gaps: float, stalls: float) -> None:
    """Tiles of some rows, or none, back to back, give the golden psums, whatever the stalls."""
    bench = await ElementBench.start(dut)
    tiles = [random_tile(bench.rng, bench.config) for _ in range(8)]
    none = random_tile(bench.rng, bench.config, used=[], columns=2)
    await run(bench, traffic_of(bench, *tiles, none, *tiles[:2]), row_gaps, weight_gaps, stalls)


@cocotb.test()
@cocotb.parametrize(corner=[cocotb.Param(name, name=name) for name in CORNERS])
async def covers_corner(dut: Any, corner: str) -> None:
    """Each named corner case gives the golden psums."""
    bench = await ElementBench.start(dut)
    product, count = CORNERS[corner](bench.rng, bench.config), bench.config.rows_per_pe
    tiles = []
    for words in product.words.split(count):
        used = sorted(bench.rng.sample(range(count), len(words)))
        part = Product(words, product.weights)
        tiles.append(ElementTile(product=part, used=used,
                                 columns=weight_lists(part, bench.config, bench.rng)))
    await run(bench, traffic_of(bench, *tiles), 0.0, 0.1, 0.1)


@cocotb.test()
async def takes_all_ones(dut: Any) -> None:
    """Every word and every weight is there, in every row of two tiles."""
    bench = await ElementBench.start(dut)
    await run(bench, traffic_of(bench, full_tile(bench, 3), full_tile(bench, 3)))


@cocotb.test()
async def keeps_its_pace(dut: Any) -> None:
    """Latency of one hit; then a hit each cycle, over columns and tiles, without a pause."""
    bench = await ElementBench.start(dut)
    config = bench.config
    product = Product(torch.tensor([[1]]), torch.tensor([[-1]]))
    traffic = traffic_of(bench, ElementTile(
        product=product, used=[0], columns=weight_lists(product, config, bench.rng)))
    weights, tile, sink = bench.source("i_weights"), bench.source("i_tile"), bench.sink("o")
    rows = bench.rows()
    tile.put(traffic.tiles)
    await rows[0].send(traffic.rows[0])
    await bench.edge(config.chunk_beats + 10)
    weights.put(traffic.weights)
    check(await sink.take(1), traffic.results)
    assert sink.cycles[0] - weights.cycles[0] == 5
    await bench.edge(2)

    traffic = traffic_of(bench, full_tile(bench, 4), full_tile(bench, 4))
    tile.put(traffic.tiles)
    for row, beats in zip(rows, traffic.rows, strict=True):
        row.put(beats)
    slices = config.max_chunks * config.chunk_beats
    await bench.edge(2 * slices + 4 * config.chunk_beats + 30)  # both tiles are there
    bench.matches.clear()
    weights.put(traffic.weights)
    check((await sink.take(1 + len(traffic.results)))[1:], traffic.results)
    await bench.edge(2)
    hits = 8 * slices * config.beat_values
    added = hits * (config.rows_per_pe if config.pe == "scan" else 1)
    assert len(bench.matches) == added
    assert {later - now for now, later in itertools.pairwise(bench.matches)} == {1}
    ends = sink.cycles[config.rows_per_pe::config.rows_per_pe]
    assert {later - now for now, later in itertools.pairwise(ends)} == {added // 8}


@cocotb.test()
async def looks_up_each_cycle(dut: Any) -> None:
    """With few hits there is a beat each cycle, from column to column and tile to tile."""
    bench = await ElementBench.start(dut)
    bench.others = False
    config = bench.config
    tiles = [full_tile(bench, 4, words=0.0) for _ in range(2)]
    for tile in tiles:
        tile.product.words[0, 0] = 1
    traffic = traffic_of(bench, *tiles)
    weights, sink = bench.source("i_weights"), bench.sink("o")
    bench.source("i_tile").put(traffic.tiles)
    for row, beats in zip(bench.rows(), traffic.rows, strict=True):
        row.put(beats)
    await bench.edge(2 * config.max_chunks * config.chunk_beats + 4 * config.chunk_beats + 30)
    weights.put(traffic.weights)
    check(await sink.take(len(traffic.results)), traffic.results)
    steps = {later - now for now, later in itertools.pairwise(weights.cycles)}
    if config.places >= 2 * config.rows_per_pe and config.hit_fifo_depth >= 8:
        assert steps == {1}


@cocotb.test()
async def loads_the_next_tile(dut: Any) -> None:
    """Two tiles are taken with no weight there, the rest only when the first is done."""
    bench = await ElementBench.start(dut)
    config = bench.config
    traffic = traffic_of(bench, *(full_tile(bench, 2) for _ in range(4)))
    tile, weights, sink = bench.source("i_tile"), bench.source("i_weights"), bench.sink("o")
    rows = bench.rows()
    tile.put(traffic.tiles)
    for row, beats in zip(rows, traffic.rows, strict=True):
        row.put(beats)
    beats = config.max_chunks * config.chunk_beats
    limit = 2 * config.chunk_beats + 1
    await bench.edge(4 * beats + 50)
    assert len(tile.cycles) == 3
    for row in rows:
        assert 2 * beats < len(row.cycles) <= min(2 * beats + limit, 4 * beats)
    weights.put(traffic.weights[:len(traffic.weights) // 4])
    await sink.take(len(traffic.results) // 4)
    await bench.edge(4 * beats + 50)
    assert len(tile.cycles) == 4
    for row in rows:
        assert 3 * beats < len(row.cycles) <= min(3 * beats + limit, 4 * beats)
    weights.put(traffic.weights[len(traffic.weights) // 4:])
    check(await sink.take(len(traffic.results)), traffic.results)


@cocotb.test()
async def sums_one_ahead(dut: Any) -> None:
    """While results wait the next column is summed up, then the weights stop; nothing is lost."""
    bench = await ElementBench.start(dut)
    config = bench.config
    traffic = traffic_of(bench, full_tile(bench, 12))
    bench.source("i_tile").put(traffic.tiles)
    for row, beats in zip(bench.rows(), traffic.rows, strict=True):
        row.put(beats)
    weights = bench.source("i_weights")
    weights.put(traffic.weights)
    column = config.max_chunks * config.chunk
    await bench.edge(3 * column * config.rows_per_pe + 100)
    added = column * (config.rows_per_pe if config.pe == "scan" else 1)
    ahead = bench.activities["MATCH"] - 2 * added
    assert ahead == 0
    assert bench.read("activity") == Activity.STALL_OUTPUT.value
    if len(traffic.weights) > 2 * column // config.probes + config.hit_fifo_depth:
        assert int(dut.i_weights__valid.value) and not int(dut.i_weights__ready.value)
    check(await bench.sink("o").take(len(traffic.results)), traffic.results)


@cocotb.test()
async def tells_what_it_waits_for(dut: Any) -> None:
    """Without weights, without rows, and with weights that meet no spike."""
    bench = await ElementBench.start(dut)
    await bench.edge()
    assert bench.read("activity") == Activity.STALL_COLUMN.value
    traffic = traffic_of(bench, full_tile(bench, 3, words=0.0))
    weights, sink = bench.source("i_weights"), bench.sink("o")
    weights.put(traffic.weights)
    await bench.edge(3)
    assert bench.read("activity") == Activity.STALL_ROW.value
    bench.activities.clear()
    bench.source("i_tile").put(traffic.tiles)
    for row, beats in zip(bench.rows(), traffic.rows, strict=True):
        row.put(beats)
    check(await sink.take(len(traffic.results)), traffic.results)
    if bench.config.pe == "scan":
        assert bench.activities["EMPTY"] == len(traffic.weights)
        assert not bench.activities["MATCH"] and not bench.activities["STALL_OUTPUT"]
    assert bench.activities["STALL_ROW"] >= bench.config.max_chunks * bench.config.chunk_beats


@cocotb.test()
async def wraps_around(dut: Any) -> None:
    """Sums beyond ``psum_bits``, of weights that come again and again, wrap in both directions."""
    bench = await ElementBench.start(dut)
    config = bench.config
    low = -(1 << (config.weight_bits - 1))
    length, full = config.max_chunks * config.chunk, (1 << config.timesteps) - 1
    used = list(range(config.rows_per_pe))
    tile = ElementTile(
        product=Product(torch.full((len(used), length), full), torch.zeros(length, 2).long()),
        used=used, columns=[
            [[(place, weight)] * config.probes for place in range(config.places)] * times
            for weight, times in ((low, 3), (-1 - low, 3))])
    traffic = traffic_of(bench, tile)
    exact = [weight * length * 3 for weight in (low, -1 - low)]
    assert any(psum != exact[number // len(used)] for number, result in enumerate(
        traffic.results) for psum in result["psums"])
    traffic.matches = 6 * length * len(used)
    await run(bench, traffic)


@cocotb.test()
@cocotb.parametrize(after=[0, 2, 3, 5, 9, 14, 20])
async def restarts_after_reset(dut: Any, after: int) -> None:
    """A reset in the middle forgets rows, weights and sums; the next run is right."""
    bench = await ElementBench.start(dut)
    traffic = traffic_of(bench, full_tile(bench, 3), full_tile(bench, 3))
    dut.o__ready.value = 1
    bench.source("i_tile").put(traffic.tiles)
    rows = bench.rows()
    for row, beats in zip(rows, traffic.rows, strict=True):  # one tile and a beat of the next
        row.put(beats[:len(beats) // 2 + 1])
    for row in rows:
        await row.send([])
    await bench.source("i_weights").send(traffic.weights[:len(traffic.weights) // 2 - 1])
    await bench.edge(after)
    await bench.reset(1)
    await bench.edge()
    assert not int(dut.o__valid.value) and int(dut.i_tile__ready.value)
    assert not int(dut.i_weights__ready.value), "no tile is loaded"
    await run(bench, traffic_of(bench, *(random_tile(bench.rng, bench.config)
                                         for _ in range(3))))
