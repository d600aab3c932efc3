# SPDX-License-Identifier: Apache-2.0
"""Bench of the element with what does not fit: each error by name, and what goes on after it."""

from typing import Any

import cocotb

from .element_bench import ElementBench, check, full_tile, run, traffic_of
from .element_traffic import ElementTraffic, random_tile

__all__ = ["chunk_of_a_beat_too_many", "chunk_too_long", "place_beyond_the_rows",
           "row_of_too_many_chunks", "rows_of_different_length"]


def _errors(bench: ElementBench) -> list[str]:
    return [name for name, bit in bench.read("error").items() if bit]


async def _check(bench: ElementBench, bad: ElementTraffic, error: str) -> None:
    """Run a tile that does not fit, then one that does: only the psums of the first are void."""
    good = traffic_of(bench, full_tile(bench, 3, words=0.3), random_tile(bench.rng, bench.config))
    await run(bench, good)
    sink, weights = bench.sink("o"), bench.source("i_weights")
    bench.source("i_tile").put(bad.tiles + good.tiles)
    for source, *beats in zip(bench.rows(), bad.rows, good.rows, strict=True):
        source.put(beats[0] + beats[1])
    weights.put(bad.weights)
    found = await sink.take(len(bad.results))
    await bench.edge(2)
    assert [result | {"psums": []} for result in found] == [
        result | {"psums": []} for result in bad.results]
    assert _errors(bench) == [error]
    weights.put(good.weights)
    check((await sink.take(len(bad.results) + len(good.results)))[len(bad.results):],
          good.results)
    assert _errors(bench) == [error], "the error must stay"
    await bench.edge(20)
    await bench.reset(1)
    await bench.edge()
    assert not _errors(bench)


async def _start(dut: Any) -> tuple[ElementBench, ElementTraffic]:
    """Return the bench and a full tile to spoil."""
    bench = await ElementBench.start(dut)
    return bench, traffic_of(bench, full_tile(bench, 2))


@cocotb.test()
async def row_of_too_many_chunks(dut: Any) -> None:
    """All rows have a chunk more than the memories hold."""
    bench, traffic = await _start(dut)
    for beats in traffic.rows:
        beats[-1]["last"] = 0
        beats += [beat | {"last": int(bool(beat["end"]))}
                  for beat in beats[-bench.config.chunk_beats:]]
    await _check(bench, traffic, "row_overflow")


@cocotb.test()
async def chunk_too_long(dut: Any) -> None:
    """A full chunk has a beat more."""
    bench, traffic = await _start(dut)
    traffic.rows[-1].insert(0, traffic.rows[-1][0] | {"end": 0})
    await _check(bench, traffic, "row_overflow")


@cocotb.test()
@cocotb.parametrize(chunk=["first", "last"])
async def chunk_of_a_beat_too_many(dut: Any, chunk: str) -> None:
    """A chunk has a beat more than its bitmask wants."""
    bench, traffic = await _start(dut)
    beats = bench.config.chunk_beats
    index = beats - 1 if chunk == "first" else -1
    if beats > 1:
        traffic.rows[0][index]["mask"] = 0
        await _check(bench, traffic, "row_overflow")


@cocotb.test()
async def rows_of_different_length(dut: Any) -> None:
    """One row has a chunk less than the others."""
    bench, traffic = await _start(dut)
    beats = bench.config.chunk_beats
    if bench.config.rows_per_pe > 1 and bench.config.max_chunks > 1:
        del traffic.rows[1][-beats:]
        traffic.rows[1][-1]["last"] = 1
        traffic.weights = [beat | {"entries": [entry | {"valid": 0} for entry in beat["entries"]]}
                           for beat in traffic.weights]
        await _check(bench, traffic, "length_mismatch")


@cocotb.test()
@cocotb.parametrize(beyond=[True, False])
async def place_beyond_the_rows(dut: Any, beyond: bool) -> None:
    """A weight behind the rows' last chunk; one that is not valid is no error."""
    bench, traffic = await _start(dut)
    config = bench.config
    if config.max_chunks > 1:
        for beats in traffic.rows:
            del beats[-config.chunk_beats:]
            beats[-1]["last"] = 1
        first = (config.max_chunks - 1) * config.chunk // config.probes
        assert any(entry["place"] >= first for beat in traffic.weights
                   for entry in beat["entries"])
        for beat in traffic.weights:
            for entry in beat["entries"]:
                entry["valid"] &= entry["place"] < first
        if beyond:
            entry = traffic.weights[-1]["entries"][-1]
            entry["valid"], entry["place"] = 1, first
            await _check(bench, traffic, "place_overflow")
        else:
            bench.source("i_tile").put(traffic.tiles)
            for source, beats in zip(bench.rows(), traffic.rows, strict=True):
                source.put(beats)
            bench.source("i_weights").put(traffic.weights)
            await bench.sink("o").take(len(traffic.results))
            assert not _errors(bench)
