# SPDX-License-Identifier: Apache-2.0
"""Bench of the TPPE: rows over their columns, at any sparsity and in the corner cases.

`tb_tppe_errors` has the fibers that do not fit.
"""

import collections
import itertools
import random
from collections.abc import Iterable
from typing import Any

import cocotb
import torch
from cocotb.triggers import RisingEdge

from ..models.golden.ftp_array import count_matches
from ..models.golden.tppe import tppe
from ..rtl.config import FTPConfig
from ..rtl.ftp.tppe import Activity
from .bench import Bench
from .fibers import Beat, spike_beats, weight_beats
from .stimuli import CORNERS, Product, random_product, random_weights, random_words

__all__ = ["Work", "covers_corner", "holds_two_rows", "keeps_its_pace", "matches_golden",
           "restarts_after_reset", "sums_one_ahead", "tells_what_it_waits_for"]


class Work:
    """Rows, each with the columns that it meets, and what comes of them.

    Parameters
    ----------
    products : Iterable[Product]
        Each row of each of them meets all columns.
    config : FTPConfig
    noise : random.Random
        Fills what does not count.

    Attributes
    ----------
    rows, columns : list of Beat
    results : list of dict
        What the unit shall send.
    matches, empty : int
        Matches, and chunk pairs without one.
    """

    def __init__(self, products: Iterable[Product], config: FTPConfig, noise: random.Random):
        self.rows: list[Beat] = []
        self.columns: list[Beat] = []
        self.results: list[dict[str, Any]] = []
        self.matches = self.empty = 0
        for product in products:
            columns = product.columns(config)
            self.matches += count_matches(product.words, product.weights)
            for row, words in zip(product.rows(config), product.words, strict=True):
                self.rows += spike_beats(row, config, noise=noise)
                psums = tppe(words, product.weights, config.timesteps, config.psum_bits,
                             config.chunk)
                for number, column in enumerate(columns):
                    final = number == len(columns) - 1
                    self.columns += weight_beats(column, config, final=final, noise=noise)
                    self.empty += int((~(row.masks & column.masks).any(1)).sum())
                    self.results.append({"psums": psums[:, number].tolist(), "final": int(final)})


class Activities:
    """Counts the cycles of each activity, by its name."""

    def __init__(self, bench: Bench):
        self.cycles: collections.Counter[str] = collections.Counter()
        self._bench = bench
        cocotb.start_soon(self._run())

    async def _run(self) -> None:
        while True:
            await RisingEdge(self._bench.dut.clk)
            self.cycles[_activity(self._bench)] += 1


async def run(bench: Bench, work: Work, row_gaps: float = 0.0, column_gaps: float = 0.0,
              stalls: float = 0.0) -> list[int]:
    """Run the work, compare all results and activities; return the cycles of the results."""
    row, column = bench.source("i_row", row_gaps, 3), bench.source("i_column", column_gaps, 3)
    sink = bench.sink("o", stalls, burst=3)
    activities = Activities(bench)
    row.put(work.rows)
    column.put(work.columns)
    results = await sink.take(len(work.results), timeout=2000)
    for number, (got, want) in enumerate(zip(results, work.results, strict=True)):
        assert got == want, f"result {number} must be {want}, not {got}"
    await bench.edge(20)
    assert len(sink.cycles) == len(work.results), "a result was repeated"
    assert not any(bench.read("error").values()), f"errors must be 0: {bench.read('error')}"
    assert activities.cycles["MATCH"] == work.matches
    assert activities.cycles["EMPTY"] == work.empty
    return sink.cycles


def _activity(bench: Bench) -> str:
    return Activity(bench.read("activity")).name


def _work(bench: Bench, *products: Product) -> Work:
    return Work(products, bench.config, bench.rng)


def _same(bench: Bench, columns: list[list[int]]) -> Product:
    """Return one full row over these columns."""
    row = random_words(bench.rng, bench.config, len(columns[0]), 1.0)
    return Product(torch.tensor([row]), torch.tensor(columns).T)


@cocotb.test()
@cocotb.parametrize(row_gaps=[0.0, 0.6], column_gaps=[0.0, 0.5], stalls=[0.0, 0.6])
async def matches_golden(dut: Any, row_gaps: float, column_gaps: float, stalls: float) -> None:
    """Rows over 1 to 6 columns each give the golden psums, whatever the stalls."""
    bench = await Bench.start(dut)
    products = [random_product(bench.rng, bench.config, 1, bench.rng.randint(1, 6))
                for _ in range(5)]
    await run(bench, _work(bench, *products), row_gaps, column_gaps, stalls)


@cocotb.test()
@cocotb.parametrize(corner=[cocotb.Param(name, name=name) for name in CORNERS])
async def covers_corner(dut: Any, corner: str) -> None:
    """Each named corner case gives the golden psums."""
    bench = await Bench.start(dut)
    await run(bench, _work(bench, CORNERS[corner](bench.rng, bench.config)), 0.0, 0.1, 0.1)


@cocotb.test()
async def keeps_its_pace(dut: Any) -> None:
    """Latency of one match, throughput without and with matches, as the docstring says."""
    bench = await Bench.start(dut)
    config, size = bench.config, bench.config.chunk
    laggy, steps = config.inner_join == "fast_laggy", size // config.laggy_adders
    row, column, sink = bench.source("i_row"), bench.source("i_column"), bench.sink("o")
    one = [0] * (size - 1) + [1]
    work = _work(bench, _same(bench, [one, *[[0] * size] * 40, *[[1] * size] * 5]))
    await row.send(work.rows)
    await bench.edge(2)
    await column.send(work.columns[:1])
    await sink.take(1)
    assert sink.cycles[0] - column.cycles[0] == (max(steps + 6, 9) if laggy else 6)
    await bench.edge(10)
    column.put(work.columns[1:])
    assert await sink.take(len(work.results)) == work.results
    waits = [later - now for now, later in itertools.pairwise(sink.cycles[1:])]
    assert -(-sum(waits[:39]) // 39) == (2 if laggy else 1)
    if config.beat_values > 1 and not (laggy and config.match_fifo_depth < steps):
        assert set(waits[-4:]) == {size}


@cocotb.test()
async def holds_two_rows(dut: Any) -> None:
    """Two rows are taken with no column there, the third only when the first is done."""
    bench = await Bench.start(dut)
    work = _work(bench, random_product(bench.rng, bench.config, 4, 2))
    ends = [index + 1 for index, beat in enumerate(work.rows) if beat["end"] and beat["last"]]
    row, column, sink = bench.source("i_row"), bench.source("i_column"), bench.sink("o")
    row.put(work.rows)
    await bench.edge(len(work.rows) + 10)
    assert len(row.cycles) == ends[1] and not int(dut.i_row__ready.value)
    column.put(work.columns[:len(work.columns) // 4])
    await sink.take(2)
    await bench.edge(ends[2] - ends[1] + 10)
    assert len(row.cycles) == ends[2] and not int(dut.i_row__ready.value)
    column.put(work.columns[len(work.columns) // 4:])
    assert await sink.take(8) == work.results


@cocotb.test()
async def sums_one_ahead(dut: Any) -> None:
    """While a result waits the next is summed up, then the columns stop; nothing is lost."""
    bench = await Bench.start(dut)
    config = bench.config
    work = _work(bench, _same(bench, [random_weights(bench.rng, config, config.chunk, 1.0)
                                      for _ in range(12)]))
    activities = Activities(bench)
    row, column = bench.source("i_row"), bench.source("i_column")
    row.put(work.rows)
    column.put(work.columns)
    await bench.edge(6 * config.chunk + 60)
    ahead = activities.cycles["MATCH"] - 2 * config.chunk
    laggy = config.inner_join == "fast_laggy"
    assert (0 < ahead <= config.match_fifo_depth + 2) if laggy else not ahead
    assert int(dut.i_column__valid.value) and not int(dut.i_column__ready.value)
    assert _activity(bench) == "STALL_OUTPUT"
    assert await bench.sink("o").take(12) == work.results


@cocotb.test()
async def tells_what_it_waits_for(dut: Any) -> None:
    """Without columns, without a row, and with chunks of one match, which the laggy join slows."""
    bench = await Bench.start(dut)
    config = bench.config
    chunks = config.max_fan_in // config.chunk
    work = _work(bench, _same(bench, [([1] + [0] * (config.chunk - 1)) * chunks] * 4))
    assert _activity(bench) == "STALL_COLUMN"
    row, column, sink = bench.source("i_row"), bench.source("i_column"), bench.sink("o")
    column.put(work.columns)
    await bench.edge(10)
    assert _activity(bench) == "STALL_ROW"
    activities = Activities(bench)
    await row.send(work.rows)
    assert await sink.take(4) == work.results
    steps = config.chunk // config.laggy_adders
    if config.inner_join == "fast_fast":
        assert not activities.cycles["STALL_JOIN"]
    elif steps > 2:  # only the first chunk finds the prefix sum free
        assert activities.cycles["STALL_JOIN"] == (steps - 1) * (4 * chunks - 1)
    assert not activities.cycles["STALL_OUTPUT"] and not activities.cycles["IDLE"]
    assert activities.cycles["STALL_ROW"] >= len(work.rows)


@cocotb.test()
@cocotb.parametrize(after=[0, 2, 5, 9, 14, 20])
async def restarts_after_reset(dut: Any, after: int) -> None:
    """A reset in the middle forgets rows, columns and sums; the next run is right."""
    bench = await Bench.start(dut)
    config = bench.config
    length = config.max_fan_in
    work = _work(bench, _same(bench, [random_weights(bench.rng, config, length, 1.0)]))
    row, column = bench.source("i_row"), bench.source("i_column")
    await row.send(work.rows + work.rows[:1])
    await column.send(work.columns[:1 + config.chunk_beats])
    await bench.edge(after)
    await bench.reset(1)
    await bench.edge()
    assert not int(dut.o__valid.value)
    assert int(dut.i_row__ready.value) and int(dut.i_column__ready.value)
    await run(bench, _work(bench, random_product(bench.rng, config, 3, 3)))
