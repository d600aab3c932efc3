# SPDX-License-Identifier: Apache-2.0
"""Bench of what stops the FTP array: each error by name, that it stops, and that a reset helps."""

from typing import Any

import cocotb
import torch

from ..models.golden.compressor import compress
from ..models.golden.fiber import Fiber
from .array_traffic import random_tile
from .bench import Bench
from .fibers import spike_beats, weight_beats
from .stimuli import random_product
from .tb_ftp_array import run_tiles

__all__ = ["column_overflow", "length_mismatch", "row_index", "row_overflow", "tile_rows"]

_INPUTS = ("i_tile", "i_row", "i_column")


def _full(bench: Bench, chunks: int) -> Fiber:
    """Return a fiber of ones."""
    return compress(torch.ones(chunks * bench.config.chunk, dtype=torch.int64),
                    bench.config.chunk)


def _tile(bench: Bench, rows: int = 1) -> dict[str, Any]:
    lif = {"gain": 1, "shift": 0, "decay_input": 0, "soft_reset": 0}
    return {"rows": rows, "emit_psums": 1, "emit_spikes": 0, "lif": lif, "drop_single": 0}


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
    product = random_product(bench.rng, bench.config, bench.config.tppes, 3)
    await run_tiles(bench, [random_tile(bench.rng, bench.config, product)])


def _beyond(largest: int) -> list[int]:
    """Return the numbers above ``largest`` that its bits can hold."""
    return list(range(largest + 1, 1 << largest.bit_length()))


@cocotb.test()
async def row_overflow(dut: Any) -> None:
    """A spike fiber of too many chunks."""
    bench = await Bench.start(dut)
    config = bench.config
    beats = spike_beats(_full(bench, config.max_chunks + 1), config, row=config.tppes - 1)
    await bench.source("i_tile").send([_tile(bench)])
    await bench.source("i_row").send(beats[:config.max_chunks * config.chunk_beats + 1])
    await _check_stop(bench, "row_overflow")


@cocotb.test()
async def column_overflow(dut: Any) -> None:
    """A chunk of a weight fiber with too many beats."""
    bench = await Bench.start(dut)
    beat = weight_beats(_full(bench, 1), bench.config)[0] | {"end": 0}
    await bench.source("i_tile").send([_tile(bench)])
    await bench.source("i_column").send([beat] * (bench.config.chunk_beats + 1))
    await _check_stop(bench, "column_overflow")


@cocotb.test()
@cocotb.parametrize(chunks=[cocotb.Param(1, name="too_short"), cocotb.Param(3, name="too_long")])
async def length_mismatch(dut: Any, chunks: int) -> None:
    """A weight fiber with one chunk less or more than the spike fiber of the last row."""
    bench = await Bench.start(dut)
    rows = bench.config.tppes
    await bench.source("i_tile").send([_tile(bench, rows)])
    for row in range(rows):
        length = 2 if row == rows - 1 else chunks
        await bench.source("i_row").send(spike_beats(_full(bench, length), bench.config, row=row))
    beats = weight_beats(_full(bench, chunks), bench.config)
    await bench.source("i_column").send(beats[:2 * bench.config.chunk_beats])
    await bench.edge(3 * bench.config.chunk)
    await _check_stop(bench, "length_mismatch")


@cocotb.test()
async def tile_rows(dut: Any) -> None:
    """A tile without a row, and tiles of more rows than there are TPPEs."""
    bench = await Bench.start(dut)
    for rows in [0, *_beyond(bench.config.tppes)]:
        await bench.source("i_tile").send([_tile(bench), _tile(bench, rows)])
        await _check_stop(bench, "tile_rows")
        await bench.reset(1)


@cocotb.test()
async def row_index(dut: Any) -> None:
    """A spike fiber for a TPPE that does not exist, if a number is left for it."""
    bench = await Bench.start(dut)
    largest = max(bench.config.tppes - 1, 1)
    wrong = _beyond(largest) if bench.config.tppes > 1 else [1]
    for row in wrong:
        await bench.source("i_tile").send([_tile(bench)])
        await bench.source("i_row").send(spike_beats(_full(bench, 1), bench.config, row=row)[:1])
        await _check_stop(bench, "row_index")
        await bench.reset(1)
    for row in range(bench.config.tppes):
        await bench.source("i_row").send(spike_beats(_full(bench, 1), bench.config, row=row))
    assert not any(bench.read("error").values()), "all others exist"
