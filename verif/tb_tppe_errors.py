# SPDX-License-Identifier: Apache-2.0
"""Bench of the TPPE with fibers that do not fit: each error by name, and what goes on after it."""

from typing import Any

import cocotb

from ..models.golden.compressor import compress
from .bench import Bench
from .fibers import Beat, weight_beats
from .stimuli import Product, random_product
from .tb_tppe import Work, run

__all__ = ["column_chunk_too_long", "length_mismatch", "row_chunk_too_long",
           "row_of_too_many_chunks", "weight_fiber_beyond_the_buffer"]


def _dense(bench: Bench, chunks: int) -> Product:
    """Return one row and one column of full chunks."""
    found = random_product(bench.rng, bench.config, 1, 1, chunks * bench.config.chunk)
    return Product(found.words.clamp(min=1), found.weights + (found.weights == 0))


def _with_a_beat_more(beats: list[Beat]) -> list[Beat]:
    """Return the beats of a fiber whose first chunk is full, with one more in that chunk."""
    return [beats[0] | {"end": 0}, *beats]


def _errors(bench: Bench) -> list[str]:
    return [name for name, bit in bench.read("error").items() if bit]


async def _reset_and_run(bench: Bench) -> None:
    """Check that a reset clears the errors and that all works again."""
    await bench.reset(1)
    await bench.edge()
    assert not _errors(bench)
    product = random_product(bench.rng, bench.config, 2, 3)
    await run(bench, Work([product], bench.config, bench.rng))


async def _check_row(bench: Bench, bad: list[Beat]) -> None:
    """Send a row that is too long, then one that fits: only the results of the first are void."""
    row, column, sink = bench.source("i_row"), bench.source("i_column"), bench.sink("o")
    await row.send(bad)
    await bench.edge()
    assert _errors(bench) == ["row_overflow"]
    products = [random_product(bench.rng, bench.config, 1, 3) for _ in range(2)]
    work = Work(products, bench.config, bench.rng)
    row.put(Work(products[1:], bench.config, bench.rng).rows)
    column.put(work.columns)
    results = await sink.take(6, timeout=2000)
    assert results[3:] == work.results[3:]
    assert [result["final"] for result in results] == [0, 0, 1, 0, 0, 1]
    assert "row_overflow" in _errors(bench), "the error must stay"
    await _reset_and_run(bench)


async def _check_column(bench: Bench, bad: list[Beat], error: str) -> None:
    """Send a weight fiber that does not fit between others: only its result is void."""
    sink = bench.sink("o")
    product = random_product(bench.rng, bench.config, 1, 8, 2 * bench.config.chunk)
    work = Work([product], bench.config, bench.rng)
    ends = [index + 1 for index, beat in enumerate(work.columns) if beat["end"] and beat["last"]]
    row, column = bench.source("i_row"), bench.source("i_column")
    row.put(work.rows)
    column.put(work.columns[:ends[2]] + bad + work.columns[ends[3]:])
    assert await sink.take(3, timeout=2000) == work.results[:3]
    results = await sink.take(8, timeout=2000)
    assert results[4:] == work.results[4:]
    assert _errors(bench) == [error]
    await _reset_and_run(bench)


@cocotb.test()
async def row_of_too_many_chunks(dut: Any) -> None:
    """A spike fiber with one chunk more than the buffer holds."""
    bench = await Bench.start(dut)
    product = _dense(bench, bench.config.max_chunks + 1)
    await _check_row(bench, Work([product], bench.config, bench.rng).rows)


@cocotb.test()
async def row_chunk_too_long(dut: Any) -> None:
    """A spike fiber with one beat more in a chunk than a full chunk has."""
    bench = await Bench.start(dut)
    product = _dense(bench, bench.config.max_chunks)
    await _check_row(bench, _with_a_beat_more(Work([product], bench.config, bench.rng).rows))


@cocotb.test()
@cocotb.parametrize(more=[1, 40])
async def column_chunk_too_long(dut: Any, more: int) -> None:
    """A weight fiber with more beats in a chunk than a full chunk has."""
    bench = await Bench.start(dut)
    beats = Work([_dense(bench, 2)], bench.config, bench.rng).columns
    beats[-1]["final"] = 0
    for _ in range(more):
        beats = _with_a_beat_more(beats)
    await _check_column(bench, beats, "column_overflow")


@cocotb.test()
@cocotb.parametrize(chunks=[cocotb.Param(1, name="too_short"), cocotb.Param(3, name="too_long")])
async def length_mismatch(dut: Any, chunks: int) -> None:
    """A weight fiber with one chunk less or more than the spike fiber."""
    bench = await Bench.start(dut)
    column = random_product(bench.rng, bench.config, 1, 1, chunks * bench.config.chunk)
    beats = weight_beats(compress(column.weights[:, 0], bench.config.chunk), bench.config,
                         noise=bench.rng)
    await _check_column(bench, beats, "length_mismatch")


@cocotb.test()
async def weight_fiber_beyond_the_buffer(dut: Any) -> None:
    """A weight fiber with more chunks than any spike fiber may have."""
    bench = await Bench.start(dut)
    column = _dense(bench, 2 * bench.config.max_chunks + 1)
    beats = weight_beats(compress(column.weights[:, 0], bench.config.chunk), bench.config)
    await _check_column(bench, beats, "length_mismatch")
