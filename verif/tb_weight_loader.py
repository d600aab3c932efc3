# SPDX-License-Identifier: Apache-2.0
"""Bench of the weight loader: random layers from a memory with pauses, and illegal ones."""

import dataclasses
import itertools
from typing import Any

import cocotb
import torch

from ..rtl.soc.descriptor import Operation, descriptor_layout
from .bench import Bench
from .client_memory import ReadMemory
from .streams import StreamSink
from .weight_traffic import Layer, blank, canonical_weights, random_layer

__all__ = ["keeps_its_pace", "matches_golden", "reports_errors", "restarts_after_reset",
           "stops_when_full", "tells_what_is_not_built"]

_LATENCY = {0: 3, 1: 4}  # cycles from a word to its first beat, of fibers and of lists
_QUIET = 300  # cycles without a transfer that no random stall lasts


def _formats(bench: Bench) -> list[int | None]:
    """Return the bits of a delta in each format that is built, None for fibers."""
    config = bench.config
    lists = [bits for bits in range(9)
             if config.memory_bits > config.probes * (bits + config.weight_bits)]
    return [*(lists if config.looks_up else []), None]


def _layers(bench: Bench) -> list[Layer]:
    """Return layers of each kind; those whose blocks come again fit the buffer."""
    config, found, formats = bench.config, [], itertools.cycle(_formats(bench))
    for columns, block_columns, tiles, stream in (
            (1, 1, 1, False), (3, 5, 1, False), (5, 2, 1, False), (4, 4, 3, False),
            (7, 3, 2, False), (3, 1, 4, False), (3, 3, 3, True), (1, 1, 2, True)):
        for chunks in (1, 3):
            layer = random_layer(bench.rng, config, columns=columns, block_columns=block_columns,
                                 chunks=chunks, tiles=tiles, stream=stream,
                                 delta_bits=next(formats))
            if tiles == 1 or stream or layer.block_beats(config) <= config.weight_buffer_beats:
                found.append(layer)
    chunks = min(4, config.max_chunks)
    found += [random_layer(bench.rng, config, columns=8, block_columns=8, chunks=chunks, tiles=2,
                           stream=True, delta_bits=bits) for bits in _formats(bench)[-2:]]
    return found


def _begin(bench: Bench, memory: ReadMemory, layer: Layer, stored: Layer | None = None) -> None:
    """Show ``layer`` to the unit and start it; the memory has its words or those of another."""
    fields = blank(descriptor_layout())
    fields |= {name: value for name, value in layer.fields.items() if name in fields}
    fields["flags"]["stream_weights"] = layer.fields["stream_weights"]
    bench.write("layer", fields)
    memory.words = (stored or layer).memory(bench.config)
    bench.write("start", 1)


async def _run(bench: Bench, memory: ReadMemory, sink: StreamSink, layer: Layer,
               quiet: int = _QUIET) -> None:
    """Load a layer and compare every beat with the golden one."""
    wanted = canonical_weights(layer.beats(bench.config), bench.config)
    before = len(sink.cycles)
    _begin(bench, memory, layer)
    await bench.edge()
    bench.write("start", 0)
    await sink.take(before + len(wanted), timeout=quiet)
    await bench.edge(5)
    found = canonical_weights(sink.values[before:], bench.config)
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
    ways = ((1, False), (3, False), (3, True))
    for (tiles, stream), bits in itertools.product(ways, _formats(bench)[-2:]):
        layer = _fitting(bench, tiles, stream, bits)
        before, taken = len(sink.cycles), len(memory.cycles)
        await _run(bench, memory, sink, layer)
        cycles, first = sink.cycles[before:], memory.cycles[taken]
        rounds = tiles if stream else 1
        loaded = cycles[:len(cycles) * rounds // tiles]
        if bits is not None or not bench.config.looks_up:
            latency = _LATENCY[layer.fields["weight_list"]]
            assert loaded[-1] - first == rounds * layer.pace(bench.config) - 1 + latency
        if not stream:
            again = cycles[len(loaded) - 1:]
            assert {later - now for now, later in itertools.pairwise(again)} <= {1}


def _fitting(bench: Bench, tiles: int, stream: bool, delta_bits: int | None) -> Layer:
    """Return a layer of one block, as long as the buffer allows."""
    columns = 16
    while True:
        layer = random_layer(bench.rng, bench.config, columns=columns, block_columns=columns,
                             chunks=3, tiles=tiles, stream=stream, delta_bits=delta_bits)
        if layer.block_beats(bench.config) <= bench.config.weight_buffer_beats:
            return layer
        columns -= 1


def _too_long(bench: Bench, tiles: int, buffers: int, delta_bits: int | None) -> Layer:
    """Return a layer of one block that is longer than so many buffers."""
    columns = 1
    while True:
        layer = random_layer(bench.rng, bench.config, columns=columns, block_columns=columns,
                             chunks=3, tiles=tiles, delta_bits=delta_bits)
        if layer.block_beats(bench.config) > buffers * bench.config.weight_buffer_beats:
            return layer
        columns *= 2


@cocotb.test()
async def stops_when_full(dut: Any) -> None:
    """While no beat is taken a full buffer stops the memory, and loses nothing."""
    bench = await Bench.start(dut)
    memory, sink = ReadMemory(bench), bench.sink("o")
    for delta_bits in _formats(bench)[-2:]:
        layer = _too_long(bench, tiles=1, buffers=2, delta_bits=delta_bits)
        going, sink.pauses = sink.pauses, itertools.repeat(True)
        run = cocotb.start_soon(_run(bench, memory, sink, layer, quiet=10 * _QUIET))
        words, before = -1, len(memory.cycles)
        while words != len(memory.cycles):
            words = len(memory.cycles)
            await bench.edge(40)
        assert words - before < layer.fields["weight_words"], "the memory must wait"
        sink.pauses = going
        await run


@cocotb.test()
async def reports_errors(dut: Any) -> None:
    """What cannot be loaded is told and does no harm after a reset."""
    bench = await Bench.start(dut)
    memory, sink = ReadMemory(bench), bench.sink("o")
    for delta_bits in _formats(bench)[-2:]:
        good = random_layer(bench.rng, bench.config, columns=3, block_columns=2, chunks=2,
                            tiles=1, delta_bits=delta_bits)
        changed = [dataclasses.replace(good, fields=good.fields | change)
                   for change in _changes(good)]
        for layer in [*changed, *_long(bench, delta_bits)]:
            _begin(bench, memory, layer, good if layer in changed else layer)
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


def _changes(good: Layer) -> list[dict[str, int]]:
    """Return fields that make a layer of two blocks illegal."""
    zero = ("weight_words", "tiles", "blocks", "columns", "block_columns", "chunks")
    words = good.fields["weight_words"]
    return [*({name: 0} for name in zero), {"stream_weights": 1}, {"weight_words": words - 1},
            {"weight_words": words + 1}, {"blocks": 1}, {"blocks": 3}]


def _long(bench: Bench, delta_bits: int | None) -> list[Layer]:
    """Return a layer that is too long for the buffer, and one with a weight behind all rows."""
    config = bench.config
    found = [_too_long(bench, tiles=2, buffers=1, delta_bits=delta_bits)]
    if config.looks_up:
        chunks = config.max_chunks + 1
        last = torch.zeros(chunks * config.chunk, 1, dtype=torch.int64)
        last[-1] = -1
        beyond = Layer(found[0].fields | {"columns": 1, "block_columns": 1, "chunks": chunks,
                                          "blocks": 1, "tiles": 1}, last)
        beyond.fields["weight_words"] = len(beyond.words(config))
        found.append(beyond)
    return found


@cocotb.test()
async def tells_what_is_not_built(dut: Any) -> None:
    """Lists are for elements that look weights up, and a word must have room for a beat."""
    bench = await Bench.start(dut)
    fields = blank(descriptor_layout())
    formats = _formats(bench)
    for operation, weight_list, bits in itertools.product(Operation, (0, 1), range(16)):
        bench.write("layer", fields | {"operation": operation.value, "weight_list": weight_list,
                                       "delta_bits": bits})
        await bench.edge()
        built = bits in formats or not weight_list or operation != Operation.LAYER
        assert bench.read("unsupported") != built, (operation, weight_list, bits)


@cocotb.test()
@cocotb.parametrize(after=[1, 4, 40])
async def restarts_after_reset(dut: Any, after: int) -> None:
    """A reset drops all that is at work."""
    bench = await Bench.start(dut)
    memory = ReadMemory(bench)
    delta_bits = bench.rng.choice(_formats(bench))
    begun = random_layer(bench.rng, bench.config, columns=6, block_columns=2, chunks=2, tiles=2,
                         delta_bits=delta_bits)
    _begin(bench, memory, begun)
    await bench.edge()
    bench.write("start", 0)
    await bench.edge(after)
    assert bench.read("busy")
    await bench.reset(3)
    await bench.edge()
    assert not bench.read("busy") and not int(dut.o__valid.value)
    await _run(bench, memory, bench.sink("o"), random_layer(
        bench.rng, bench.config, columns=3, block_columns=2, chunks=2, tiles=1,
        delta_bits=delta_bits))
