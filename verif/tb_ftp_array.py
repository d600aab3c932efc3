# SPDX-License-Identifier: Apache-2.0
"""Bench of the FTP array: tiles of all kinds in a row, against the golden ops.

`tb_ftp_array_errors` has what stops it.
"""

import itertools
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import cocotb
import torch

from ..models.golden.plif import LIF
from .array_checks import check_fibers, clear_counters, counted, until_idle, watch_busy
from .array_traffic import Tile, Traffic, random_tile, tiles_of
from .bench import Bench
from .stimuli import CORNERS, Product, random_product
from .streams import cycle

__all__ = ["Pauses", "counts_and_clears", "covers_corner", "drops_single_spikes",
           "keeps_its_pace", "leaves_tppes_idle", "matches_golden", "psum_tiles_take_no_channel",
           "restarts_after_reset", "run_tiles", "runs_neurons_without_a_match", "waits_for"]


@dataclass(frozen=True, kw_only=True)
class Pauses:
    """Share of cycles in which each stream pauses."""

    i_tile: float = 0.0
    i_row: float = 0.0
    i_column: float = 0.0
    i_channel: float = 0.0
    o_psums: float = 0.0
    o: float = 0.0


async def run_tiles(bench: Bench, tiles: Iterable[Tile], pauses: Pauses | None = None) -> Traffic:
    """Run the tiles and compare psums, fibers, ``busy``, ``error`` and counters."""
    pauses = pauses or Pauses()
    traffic = Traffic(tiles, bench.config, bench.rng)
    busy = watch_busy(bench)
    sources = {name: bench.source(name, getattr(pauses, name), burst=3)
               for name in ("i_tile", "i_row", "i_column", "i_channel")}
    psums, fibers = (bench.sink(name, getattr(pauses, name), burst=3) for name in ("o_psums", "o"))
    before = bench.read("counters")
    for name, payloads in (("i_tile", traffic.tiles), ("i_row", traffic.rows),
                           ("i_column", traffic.columns), ("i_channel", traffic.channels)):
        sources[name].put(payloads)
    patience = 3000 + 100 * bench.config.max_fan_in  # a block of columns may come before a beat
    await fibers.take(len(traffic.fibers), timeout=patience)
    await psums.take(len(traffic.psums), timeout=patience)
    await until_idle(bench)
    for number, (got, want) in enumerate(zip(psums.values, traffic.psums, strict=True)):
        assert got == want, f"psums {number} must be {want}, not {got}"
    check_fibers(bench, fibers.values, traffic.fibers, traffic.words)
    assert len(sources["i_channel"].cycles) == len(traffic.channels)
    assert not any(bench.read("error").values())
    shown = {later for into in sources["i_tile"].cycles for later in (into + 1, into + 2)}
    assert shown | {*psums.cycles, *fibers.cycles} <= busy
    assert min(busy) == sources["i_tile"].cycles[0] + 1, "busy came before the first tile"
    _check_counters(bench, before, traffic, len(busy))
    return traffic


def _check_counters(bench: Bench, before: dict[str, int], traffic: Traffic, busy: int) -> None:
    counts = counted(bench, before)
    assert counts.pop("cycles") == busy
    assert counts["match"] == traffic.matches
    assert counts["empty"] == traffic.empty
    assert sum(counts.values()) == bench.config.tppes * busy


def _tile(bench: Bench, rows: int, columns: int) -> Tile:
    return random_tile(bench.rng, bench.config,
                       random_product(bench.rng, bench.config, rows, columns))


@cocotb.test()
@cocotb.parametrize(inputs=[0.0, 0.6], psums=[0.0, 0.6], fibers=[0.0, 0.6])
async def matches_golden(dut: Any, inputs: float, psums: float, fibers: float) -> None:
    """Tiles of all kinds in a row, with 1 to P rows, give the golden results under any stalls."""
    bench = await Bench.start(dut)
    rng, size = bench.rng, bench.config.chunk
    kinds = [(True, True), (False, True), (True, False), (True, True), (False, False)]
    tiles = [replace(_tile(bench, rng.randint(1, bench.config.tppes), rng.randint(1, size)),
                     emit_psums=emit_psums, emit_spikes=emit_spikes)
             for emit_psums, emit_spikes in rng.sample(kinds, len(kinds))]
    tiles.append(_tile(bench, bench.config.tppes, 2 * size + 1))
    words = torch.cat([tile.words(bench.config).reshape(-1) for tile in tiles])
    assert (words == 0).any() and words.any(), "neurons must both fire and stay silent"
    await run_tiles(bench, tiles, Pauses(i_tile=inputs, i_row=inputs, i_column=inputs,
                                         i_channel=inputs, o_psums=psums, o=fibers))


@cocotb.test()
@cocotb.parametrize(slow=[cocotb.Param(name, name=name) for name in Pauses.__annotations__])
async def waits_for(dut: Any, slow: str) -> None:
    """One stream alone is slow: nothing is lost or repeated; the counters blame a slow input."""
    bench = await Bench.start(dut)
    tiles = [_tile(bench, bench.config.tppes, 3) for _ in range(6)]
    await run_tiles(bench, tiles, Pauses(**{slow: 0.9}))
    counts = bench.read("counters")
    causes = {"i_row": "stall_row", "i_column": "stall_column"}
    if slow in causes:
        assert 4 * counts[causes[slow]] > counts["cycles"]


@cocotb.test()
async def leaves_tppes_idle(dut: Any) -> None:
    """TPPEs without a row count as idle in all cycles, the others when their columns are done."""
    bench = await Bench.start(dut)
    await run_tiles(bench, [_tile(bench, 1, 5)], Pauses(i_column=0.5))
    counts = bench.read("counters")
    assert counts["idle"] > (bench.config.tppes - 1) * counts["cycles"]


@cocotb.test()
@cocotb.parametrize(corner=[cocotb.Param(name, name=name) for name in CORNERS])
async def covers_corner(dut: Any, corner: str) -> None:
    """Each named corner case gives the golden results; its rows need not fill the tiles."""
    bench = await Bench.start(dut)
    product = CORNERS[corner](bench.rng, bench.config)
    await run_tiles(bench, tiles_of(bench.rng, bench.config, product), Pauses(i_column=0.1, o=0.2))


@cocotb.test()
async def runs_neurons_without_a_match(dut: Any) -> None:
    """Where psums are 0 for lack of a match the bias, or a threshold of 0 or below, still fires."""
    bench = await Bench.start(dut)
    config = bench.config
    rows = min(config.tppes, 2)
    bias, threshold = torch.tensor([3, 0, 0, -1, 0, 1]), torch.tensor([3, 0, -2, 0, 1, 0])
    shape = (config.chunk, len(bias))
    weights = torch.ones(shape, dtype=torch.int64)
    silent, spikes = torch.zeros(2, rows, config.chunk, dtype=torch.int64)
    for words, values in ((silent, weights), (spikes + 1, torch.zeros_like(weights))):
        tile = Tile(product=Product(words, values), bias=bias, threshold=threshold,
                    lif=LIF(gain=1, shift=0))
        full = (1 << config.timesteps) - 1
        assert tile.words(config)[0].tolist() == [full, full, full, 0, 0, full]
        await run_tiles(bench, [tile])
        await bench.reset()
        await bench.edge()


@cocotb.test()
async def drops_single_spikes(dut: Any) -> None:
    """The fine-tuned mode drops words of one spike from its own tile and from no other."""
    bench = await Bench.start(dut)
    config = bench.config
    one = torch.tensor([1 << row % config.timesteps for row in range(config.tppes)])
    words = torch.stack([one, torch.full_like(one, (1 << config.timesteps) - 1)], dim=1)
    weights = torch.tensor([[1, 0], [0, 1]])
    tile = Tile(product=Product(words, weights), bias=torch.zeros(2, dtype=torch.int64),
                threshold=torch.tensor([1, 1]), lif=LIF(gain=1, shift=0))
    assert torch.equal(tile.words(config), words), "the neurons must repeat their input"
    tiles = [replace(tile, drop_single=drop) for drop in (True, False, True)]
    traffic = await run_tiles(bench, tiles)
    rows, many = config.tppes, int(config.timesteps > 1)
    kept = [kept for _, kept in traffic.words]
    assert kept[rows:2 * rows] == words.tolist()
    assert kept[:rows] == kept[2 * rows:] == (words * torch.tensor([0, many])).tolist()


@cocotb.test()
async def psum_tiles_take_no_channel(dut: Any) -> None:
    """Tiles that emit psums only need no channel, and those behind them get theirs."""
    bench = await Bench.start(dut)
    quiet = [replace(_tile(bench, 1, 4), emit_spikes=False) for _ in range(3)]
    traffic = Traffic(quiet, bench.config, bench.rng)
    assert not traffic.channels and not traffic.fibers
    await run_tiles(bench, [*quiet, _tile(bench, 1, 4)])


@cocotb.test()
async def keeps_its_pace(dut: Any) -> None:
    """Latency and throughput of the psums are what the docstring says."""
    bench = await Bench.start(dut)
    config = bench.config
    steps = config.chunk // config.laggy_adders
    tile = _tile(bench, config.tppes, 1)
    rows = torch.ones(config.tppes, config.chunk, dtype=torch.int64)
    columns = torch.zeros(config.chunk, 40, dtype=torch.int64)
    columns[-1, 0] = 1
    tile = replace(tile, product=Product(rows, columns), emit_spikes=False)
    traffic = Traffic([tile], config, bench.rng)
    await bench.source("i_tile").send(traffic.tiles)
    await bench.source("i_row").send(traffic.rows)
    column, sink = bench.source("i_column"), bench.sink("o_psums")
    await bench.edge(5)
    column.put(traffic.columns)
    await sink.take(len(traffic.psums))
    laggy = config.inner_join == "fast_laggy"
    assert sink.cycles[0] - column.cycles[0] == (max(steps + 6, 9) if laggy else 6) + 1
    if config.tppes > 1 or not laggy:
        assert {later - now for now, later in itertools.pairwise(sink.cycles)} == {1}


@cocotb.test()
async def counts_and_clears(dut: Any) -> None:
    """``clear`` sets all counters to zero, idle or busy; the next cycle counts again."""
    bench = await Bench.start(dut)
    await run_tiles(bench, [_tile(bench, 1, 4)])
    assert bench.read("counters")["cycles"]
    await clear_counters(bench)
    await bench.edge()
    assert set(bench.read("counters").values()) == {0}
    busy = watch_busy(bench)
    traffic = Traffic([_tile(bench, 1, 4)], bench.config, bench.rng)
    for name, payloads in (("i_tile", traffic.tiles), ("i_row", traffic.rows),
                           ("i_column", traffic.columns), ("i_channel", traffic.channels)):
        bench.source(name).put(payloads)
    for name in ("o_psums", "o"):
        bench.sink(name)
    await bench.edge(20)
    await clear_counters(bench)
    cleared = cycle()
    await until_idle(bench)
    counted = len([now for now in busy if now > cleared])
    assert counted and bench.read("counters")["cycles"] == counted


@cocotb.test()
@cocotb.parametrize(after=[0, 7, 16, 30, 60])
async def restarts_after_reset(dut: Any, after: int) -> None:
    """A reset in the middle forgets tiles, rows, columns, results and counts."""
    bench = await Bench.start(dut)
    config = bench.config
    traffic = Traffic(tiles_of(bench.rng, config, CORNERS["all_matches"](bench.rng, config))[:1],
                      config, bench.rng)
    dut.o_psums__ready.value = after % 2
    dut.o__ready.value = 1
    await bench.source("i_tile").send(traffic.tiles * 2)
    await bench.source("i_row").send(traffic.rows)
    await bench.source("i_column").send(traffic.columns[:2 * config.chunk_beats])
    dut.i_channel__valid.value = 1
    await bench.edge(after)
    dut.i_channel__valid.value = 0
    await bench.reset(1)
    await bench.edge()
    assert not bench.read("busy") and set(bench.read("counters").values()) == {0}
    assert not int(dut.o__valid.value) and not int(dut.o_psums__valid.value)
    await run_tiles(bench, [_tile(bench, config.tppes, 3), _tile(bench, 1, config.chunk + 1)])
