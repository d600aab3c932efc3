# SPDX-License-Identifier: Apache-2.0
"""Bench of the weight loader: random layers from a memory with pauses, and illegal ones."""

import dataclasses
import itertools
from typing import Any

import cocotb

from ..rtl.soc.descriptor import descriptor_layout
from .bench import Bench
from .client_memory import ReadMemory
from .fibers import canonical
from .streams import StreamSink
from .weight_traffic import Layer, blank, random_layer

__all__ = ["keeps_its_pace", "matches_golden", "reports_errors", "restarts_after_reset",
           "stops_when_full"]

_LATENCY = 3  # cycles from a word to its first beat
_QUIET = 300  # cycles without a transfer that no random stall lasts


def _layers(bench: Bench) -> list[Layer]:
    """Return layers of each kind; those whose blocks come again fit the buffer."""
    config, found = bench.config, []
    for columns, block_columns, tiles, stream in (
            (1, 1, 1, False), (3, 5, 1, False), (5, 2, 1, False), (4, 4, 3, False),
            (7, 3, 2, False), (3, 1, 4, False), (3, 3, 3, True), (1, 1, 2, True)):
        for chunks in (1, 3):
            layer = random_layer(bench.rng, config, columns=columns, block_columns=block_columns,
                                 chunks=chunks, tiles=tiles, stream=stream)
            if tiles == 1 or stream or layer.block_beats(config) <= config.weight_buffer_beats:
                found.append(layer)
    long = random_layer(bench.rng, config, columns=8, block_columns=8, chunks=4, tiles=2,
                        stream=True)
    return [*found, long]


def _begin(bench: Bench, memory: ReadMemory, layer: Layer) -> None:
    """Show ``layer`` to the unit and start it."""
    fields = blank(descriptor_layout())
    fields |= {name: value for name, value in layer.fields.items() if name in fields}
    fields["flags"]["stream_weights"] = layer.fields["stream_weights"]
    bench.write("layer", fields)
    memory.words = layer.memory(bench.config)
    bench.write("start", 1)


async def _run(bench: Bench, memory: ReadMemory, sink: StreamSink, layer: Layer,
               quiet: int = _QUIET) -> None:
    """Load a layer and compare every beat with the golden one."""
    wanted = canonical(layer.beats(bench.config))
    before = len(sink.cycles)
    _begin(bench, memory, layer)
    await bench.edge()
    bench.write("start", 0)
    await sink.take(before + len(wanted), timeout=quiet)
    await bench.edge(5)
    found = canonical(sink.values[before:])
    for number, (beat, want) in enumerate(zip(found, wanted, strict=False)):
        assert beat == want, f"beat {number} of {layer.fields} must be {want}, not {beat}"
    assert len(found) == len(wanted), f"beats must be {len(wanted)}, not {len(found)}"
    assert not bench.read("busy") and not bench.read("error")
    rounds = layer.fields["tiles"] if layer.fields["stream_weights"] else 1
    request = (layer.fields["weight_address"], layer.fields["weight_words"])
    assert memory.requests[-rounds:] == [request] * rounds


@cocotb.test()
@cocotb.parametrize(gaps=[0.0, 0.5], stalls=[0.0, 0.5])
async def matches_golden(dut: Any, gaps: float, stalls: float) -> None:
    """Layers of all kinds, one after another, give the golden beats."""
    bench = await Bench.start(dut)
    memory, sink = ReadMemory(bench, pause=gaps), bench.sink("o", stalls, burst=3)
    for layer in _layers(bench):
        await _run(bench, memory, sink, layer)


@cocotb.test()
async def keeps_its_pace(dut: Any) -> None:
    """A beat per cycle out of the buffer; a word or a beat per cycle into it."""
    bench = await Bench.start(dut)
    memory, sink = ReadMemory(bench), bench.sink("o")
    for tiles, stream in ((1, False), (3, False), (3, True)):
        layer = _fitting(bench, tiles, stream)
        before, taken = len(sink.cycles), len(memory.cycles)
        await _run(bench, memory, sink, layer)
        cycles, first = sink.cycles[before:], memory.cycles[taken]
        rounds = tiles if stream else 1
        loaded = cycles[:len(cycles) * rounds // tiles]
        assert loaded[-1] - first == rounds * layer.pace(bench.config) - 1 + _LATENCY
        if not stream:
            again = cycles[len(loaded) - 1:]
            assert {later - now for now, later in itertools.pairwise(again)} <= {1}


def _fitting(bench: Bench, tiles: int, stream: bool) -> Layer:
    """Return a layer of one block, as long as the buffer allows."""
    columns = 16
    while True:
        layer = random_layer(bench.rng, bench.config, columns=columns, block_columns=columns,
                             chunks=3, tiles=tiles, stream=stream)
        if layer.block_beats(bench.config) <= bench.config.weight_buffer_beats:
            return layer
        columns -= 1


def _too_long(bench: Bench, tiles: int, buffers: int) -> Layer:
    """Return a layer of one block that is longer than so many buffers."""
    columns = 1
    while True:
        layer = random_layer(bench.rng, bench.config, columns=columns, block_columns=columns,
                             chunks=3, tiles=tiles)
        if layer.block_beats(bench.config) > buffers * bench.config.weight_buffer_beats:
            return layer
        columns *= 2


@cocotb.test()
async def stops_when_full(dut: Any) -> None:
    """While no beat is taken a full buffer stops the memory, and loses nothing."""
    bench = await Bench.start(dut)
    memory, sink = ReadMemory(bench), bench.sink("o")
    layer = _too_long(bench, tiles=1, buffers=2)
    going, sink.pauses = sink.pauses, itertools.repeat(True)
    run = cocotb.start_soon(_run(bench, memory, sink, layer, quiet=10 * _QUIET))
    words = -1
    while words != len(memory.cycles):
        words = len(memory.cycles)
        await bench.edge(20)
    assert words < layer.fields["weight_words"], "the memory must wait"
    sink.pauses = going
    await run


@cocotb.test()
async def reports_errors(dut: Any) -> None:
    """What cannot be loaded is told and does no harm after a reset."""
    bench = await Bench.start(dut)
    config, rng = bench.config, bench.rng
    memory, sink = ReadMemory(bench), bench.sink("o")
    good = random_layer(rng, config, columns=3, block_columns=2, chunks=2, tiles=1)
    long = _too_long(bench, tiles=2, buffers=1)
    illegal = [{name: 0} for name in ("weight_words", "tiles", "blocks", "columns",
                                      "block_columns", "chunks")]
    words = good.fields["weight_words"]
    illegal += [{"stream_weights": 1}, {"weight_words": words - 1}, {"weight_words": words + 1},
                {"blocks": 1}, {"blocks": 3}]
    wrong = [dataclasses.replace(good, fields=good.fields | change) for change in illegal]
    for layer in [*wrong, long]:
        _begin(bench, memory, layer)
        memory.words = {**memory.words, max(memory.words) + 1: 0}
        await bench.edge()
        bench.write("start", 0)
        for _ in range(10 * _QUIET):
            await bench.edge()
            if bench.read("error"):
                break
        await bench.edge(20)
        assert bench.read("error"), f"{layer.fields} must be an error"
        await bench.reset(3)
        await bench.edge()
        assert not bench.read("error") and not bench.read("busy")
        await _run(bench, memory, sink, good)


@cocotb.test()
@cocotb.parametrize(after=[1, 4, 40])
async def restarts_after_reset(dut: Any, after: int) -> None:
    """A reset drops all that is at work."""
    bench = await Bench.start(dut)
    memory = ReadMemory(bench)
    begun = random_layer(bench.rng, bench.config, columns=6, block_columns=2, chunks=2, tiles=2)
    _begin(bench, memory, begun)
    await bench.edge()
    bench.write("start", 0)
    await bench.edge(after)
    assert bench.read("busy")
    await bench.reset(3)
    await bench.edge()
    assert not bench.read("busy") and not int(dut.o__valid.value)
    await _run(bench, memory, bench.sink("o"), random_layer(
        bench.rng, bench.config, columns=3, block_columns=2, chunks=2, tiles=1))
