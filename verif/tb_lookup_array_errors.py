# SPDX-License-Identifier: Apache-2.0
"""Bench of what stops the lookup array: each error, that it stops, and that a reset helps."""

from typing import Any

import cocotb
import torch

from ..models.golden.compressor import compress
from .bench import Bench
from .fibers import Beat, spike_beats
from .lookup_traffic import random_tiles
from .tb_lookup_array import run_tiles

__all__ = ["length_mismatch", "place_overflow", "row_index", "row_overflow", "tile_rows"]

_INPUTS = ("i_tile", "i_row", "i_weights")


def _full(bench: Bench, chunks: int, row: int = 0) -> list[Beat]:
    """Return the beats of a row of ones."""
    size = bench.config.chunk
    return spike_beats(compress(torch.ones(chunks * size, dtype=torch.int64), size),
                       bench.config, row=row)


async def _check_stop(bench: Bench, error: str) -> None:
    """Check the error, that no input is taken any more, and that a reset makes all well."""
    for name in _INPUTS:
        getattr(bench.dut, f"{name}__valid").value = 1
    for _ in range(40):
        await bench.edge()
        assert [name for name, bit in bench.read("error").items() if bit] == [error]
        assert not any(int(getattr(bench.dut, f"{name}__ready").value) for name in _INPUTS)
    for name in _INPUTS:
        getattr(bench.dut, f"{name}__valid").value = 0
    await bench.reset(1)
    await bench.edge()
    assert not any(bench.read("error").values()) and not bench.read("busy")
    await run_tiles(bench, random_tiles(bench.rng, bench.config, 2))


def _beyond(largest: int) -> list[int]:
    """Return the numbers above ``largest`` that its bits can hold."""
    return list(range(largest + 1, 1 << largest.bit_length()))


@cocotb.test()
async def row_overflow(dut: Any) -> None:
    """A spike fiber of too many chunks."""
    bench = await Bench.start(dut)
    config = bench.config
    await bench.source("i_tile").send([{"rows": 1}])
    source = bench.source("i_row")
    source.put(_full(bench, config.max_chunks + 1)[:config.max_chunks * config.chunk_beats + 1])
    await bench.edge(4 * config.max_chunks * config.chunk + 10)
    assert len(source.cycles) > config.max_chunks * config.chunk_beats
    await _check_stop(bench, "row_overflow")


@cocotb.test()
async def length_mismatch(dut: Any) -> None:
    """Rows of an element that differ in their number of chunks."""
    bench = await Bench.start(dut)
    config = bench.config
    if config.rows_per_pe == 1 or config.max_chunks == 1:
        return
    await bench.source("i_tile").send([{"rows": config.tile_rows}])
    for row in range(config.tile_rows):
        await bench.source("i_row").send(
            _full(bench, 1 + (row == config.tile_rows - 1), row))
    await bench.edge(4 * config.chunk)
    await _check_stop(bench, "length_mismatch")


@cocotb.test()
async def place_overflow(dut: Any) -> None:
    """A weight just behind the rows; the one before is none."""
    bench = await Bench.start(dut)
    config = bench.config
    length = config.chunk // config.probes
    if config.max_chunks == 1:
        return
    dut.o__ready.value = 1
    for place in (length - 1, length):
        await bench.source("i_tile").send([{"rows": 1}])
        await bench.source("i_row").send(_full(bench, 1))
        entries = [{"valid": int(bank == config.probes - 1), "place": place, "weight": 1}
                   for bank in range(config.probes)]
        await bench.source("i_weights").send(
            [{"entries": entries, "column_end": 1, "final": 1}])
        await bench.edge(30)
        assert bench.read("error")["place_overflow"] == int(place == length)
    await _check_stop(bench, "place_overflow")


@cocotb.test()
async def tile_rows(dut: Any) -> None:
    """A tile without a row, and tiles of more rows than there are."""
    bench = await Bench.start(dut)
    for rows in [0, *_beyond(bench.config.tile_rows)]:
        await bench.source("i_tile").send([{"rows": 1}])
        await bench.source("i_row").send(_full(bench, 1))
        await bench.source("i_tile").send([{"rows": rows}])
        await bench.edge()
        await _check_stop(bench, "tile_rows")
        await bench.reset(1)


@cocotb.test()
async def row_index(dut: Any) -> None:
    """A spike fiber that is not the next one of its tile."""
    bench = await Bench.start(dut)
    largest = max(bench.config.tile_rows - 1, 1)
    for row in [1, *_beyond(largest)]:
        await bench.source("i_tile").send([{"rows": 1}])
        await bench.source("i_row").send(_full(bench, 1, row)[:1])
        await bench.edge(3)
        await _check_stop(bench, "row_index")
        await bench.reset(1)
