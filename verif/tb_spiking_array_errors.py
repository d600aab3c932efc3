# SPDX-License-Identifier: Apache-2.0
"""Bench of what stops the spiking array: each error, that it stops, and that a reset helps."""

from typing import Any

import cocotb
import torch

from ..models.golden.compressor import compress
from .bench import Bench
from .fibers import Beat, spike_beats
from .spiking_bench import run_tiles
from .spiking_traffic import random_tile

__all__ = ["length_mismatch", "place_overflow", "row_overflow", "tile_groups", "tile_rows"]


def _full(bench: Bench, chunks: int) -> list[Beat]:
    """Return the beats of a row of ones."""
    size = bench.config.chunk
    return spike_beats(compress(torch.ones(chunks * size, dtype=torch.int64), size), bench.config)


def _tile(used: int, groups: int = 0) -> dict[str, Any]:
    lif = {"gain": 1, "shift": 0, "decay_input": 0, "soft_reset": 0}
    return {"used": used, "groups": groups, "emit_psums": 1, "emit_spikes": 0, "lif": lif,
            "drop_single": 0}


def _weights(bench: Bench, place: int) -> Beat:
    """Return a column of one weight in the last bank."""
    entries = [{"valid": int(bank == bench.config.probes - 1), "place": place, "weight": 1}
               for bank in range(bench.config.probes)]
    return {"entries": entries, "column_end": 1, "final": 1}


async def _check_stop(bench: Bench, error: str) -> None:
    """Check the error, that no input is taken any more, and that a reset makes all well."""
    config = bench.config
    inputs = ["i_tile", *(f"i_row__{row}" for row in range(config.tile_rows)),
              *(f"i_weights__{group}" for group in range(config.weight_streams))]
    for name in inputs:
        getattr(bench.dut, f"{name}__valid").value = 1
    for _ in range(40):
        await bench.edge()
        assert [name for name, bit in bench.read("error").items() if bit] == [error]
        assert not any(int(getattr(bench.dut, f"{name}__ready").value) for name in inputs)
    for name in inputs:
        getattr(bench.dut, f"{name}__valid").value = 0
    await bench.reset(1)
    await bench.edge()
    assert not any(bench.read("error").values()) and not bench.read("busy")
    await run_tiles(bench, [random_tile(bench.rng, config)])


@cocotb.test()
async def row_overflow(dut: Any) -> None:
    """A spike fiber of too many chunks, for the last row."""
    bench = await Bench.start(dut)
    config = bench.config
    await bench.source("i_tile").send([_tile(1 << config.tile_rows - 1)])
    beats = _full(bench, config.max_chunks + 1)
    source = bench.source(f"i_row__{config.tile_rows - 1}")
    source.put(beats[:config.max_chunks * config.chunk_beats + 1])
    await bench.edge(4 * config.max_chunks * config.chunk)
    assert len(source.cycles) > config.max_chunks * config.chunk_beats
    await _check_stop(bench, "row_overflow")


@cocotb.test()
async def length_mismatch(dut: Any) -> None:
    """Rows of an element that differ in their number of chunks."""
    bench = await Bench.start(dut)
    config = bench.config
    if config.rows_per_pe == 1:
        return
    await bench.source("i_tile").send([_tile(3)])
    for row in range(2):
        await bench.source(f"i_row__{row}").send(_full(bench, 1 + row))
    await bench.edge(4 * config.chunk)
    await _check_stop(bench, "length_mismatch")


@cocotb.test()
async def place_overflow(dut: Any) -> None:
    """A weight just behind the rows, of the last stream; the one before is none."""
    bench = await Bench.start(dut)
    config = bench.config
    stream, groups = config.weight_streams - 1, config.weight_streams.bit_length() - 1
    length = config.chunk // config.probes
    for place in (length - 1, length):
        tile = _tile(1 << config.tile_rows - 1, groups)
        await bench.source("i_tile").send([tile])
        await bench.source(f"i_row__{config.tile_rows - 1}").send(_full(bench, 1))
        for other in range(stream):
            await bench.source(f"i_weights__{other}").send([_weights(bench, length)])
        await bench.source(f"i_weights__{stream}").send([_weights(bench, place)])
        await bench.edge(20)
        assert bench.read("error")["place_overflow"] == int(place == length)
    await _check_stop(bench, "place_overflow")


@cocotb.test()
async def tile_rows(dut: Any) -> None:
    """A tile without a row."""
    bench = await Bench.start(dut)
    await bench.source("i_tile").send([_tile(1), _tile(0)])
    await bench.edge(2)
    await _check_stop(bench, "tile_rows")


@cocotb.test()
async def tile_groups(dut: Any) -> None:
    """Tiles of more groups than there are weight streams, if a number is left for them."""
    bench = await Bench.start(dut)
    largest = bench.config.weight_streams.bit_length() - 1
    for groups in range(largest + 1, 1 << max(1, largest.bit_length())):
        await bench.source("i_tile").send([_tile(1, groups)])
        await bench.edge(2)
        await _check_stop(bench, "tile_groups")
        await bench.reset(1)
    for groups in range(largest + 1):
        await bench.source("i_tile").send([_tile(1, groups)])
        await bench.edge(2)
        assert not any(bench.read("error").values()), "all others are possible"
        await bench.reset(1)
