# SPDX-License-Identifier: Apache-2.0
"""Bench of the cell loader: random layers from a memory with pauses, and illegal ones."""

import dataclasses
import itertools
import random
from typing import Any

import cocotb

from ..models.golden.cell_loader import Cell, loaded_cells
from ..rtl.config import AcceleratorConfig
from ..rtl.soc.descriptor import Operation, descriptor_layout
from .bench import Bench
from .client_memory import ReadMemory
from .streams import StreamSink
from .weight_traffic import blank

__all__ = ["keeps_its_pace", "matches_golden", "reports_errors", "restarts_after_reset"]

_QUIET = 300  # cycles without a transfer that no random stall lasts


@dataclasses.dataclass(frozen=True)
class _Layer:
    """Fields of a descriptor, and the words of its cells."""

    fields: dict[str, int]
    words: list[int]

    def cells(self, config: AcceleratorConfig) -> list[Cell]:
        assert config.crossbar is not None
        return loaded_cells(self.words, self.fields["blocks"],
                            self.fields["chunks"] * config.chunk, config.memory_bits,
                            config.crossbar)

    def memory(self) -> dict[int, int]:
        return dict(enumerate(self.words, self.fields["weight_address"]))


def _layer(rng: random.Random, config: Any, chunks: int, columns: int, block_columns: int
           ) -> _Layer:
    crossbar, positions = config.crossbar, chunks * config.chunk
    blocks = -(-columns // block_columns)
    cells = (positions + -(-positions // crossbar.rows)) * crossbar.columns
    words = blocks * -(-cells * 16 // config.memory_bits)
    fields = {"weight_address": rng.getrandbits(20), "weight_words": words, "chunks": chunks,
              "columns": columns, "block_columns": block_columns, "blocks": blocks,
              "tiles": rng.randint(1, 9), "crossbar": 1}
    return _Layer(fields, [rng.getrandbits(config.memory_bits) for _ in range(words)])


def _layers(bench: Bench) -> list[_Layer]:
    """Return layers with fibers of all lengths, of one block and of several."""
    config, rng = bench.config, bench.rng
    most, outputs = config.crossbar.inputs // config.chunk, config.crossbar.outputs
    return [*(_layer(rng, config, chunks, outputs, outputs) for chunks in range(1, most + 1)),
            _layer(rng, config, 1, 3, outputs), _layer(rng, config, most, outputs + 1, outputs),
            _layer(rng, config, 1, 3 * config.chunk, config.chunk)]


def _begin(bench: Bench, memory: ReadMemory, layer: _Layer) -> None:
    fields = blank(descriptor_layout()) | {"operation": Operation.LAYER.value}
    flags = {name: layer.fields[name] for name in ("stream_weights",) if name in layer.fields}
    fields |= {name: value for name, value in layer.fields.items() if name in fields}
    fields["flags"] |= flags
    bench.write("layer", fields)
    memory.words = layer.memory()
    bench.write("start", 1)


async def _run(bench: Bench, memory: ReadMemory, sink: StreamSink, layer: _Layer) -> None:
    """Load a layer and compare every cell with the golden one."""
    wanted = [dataclasses.asdict(cell) for cell in layer.cells(bench.config)]
    before = len(sink.cycles)
    _begin(bench, memory, layer)
    await bench.edge()
    bench.write("start", 0)
    await sink.take(before + len(wanted), timeout=_QUIET)
    await bench.edge(5)
    found = [{**cell["target"], "end": cell["end"]} for cell in sink.values[before:]]
    for number, (cell, want) in enumerate(zip(found, wanted, strict=False)):
        assert cell == want, f"cell {number} of {layer.fields} must be {want}, not {cell}"
    assert len(found) == len(wanted), f"cells must be {len(wanted)}, not {len(found)}"
    assert not bench.read("busy") and not bench.read("error")
    assert memory.requests[-1] == (layer.fields["weight_address"], layer.fields["weight_words"])


@cocotb.test()
@cocotb.parametrize(gaps=[0.0, 0.5], stalls=[0.0, 0.5])
async def matches_golden(dut: Any, gaps: float, stalls: float) -> None:
    """Layers of all kinds, one after another, give the golden cells."""
    bench = await Bench.start(dut)
    memory, sink = ReadMemory(bench, pause=gaps), bench.sink("o", stalls, burst=3)
    for layer in _layers(bench):
        await _run(bench, memory, sink, layer)


@cocotb.test()
async def keeps_its_pace(dut: Any) -> None:
    """A cell per cycle, from the first word on."""
    bench = await Bench.start(dut)
    memory, sink = ReadMemory(bench), bench.sink("o")
    await _run(bench, memory, sink, _layers(bench)[-1])
    assert {later - now for now, later in itertools.pairwise(sink.cycles)} == {1}
    slots = bench.config.memory_bits // 16
    assert memory.cycles[0] == sink.cycles[slots - 1], "a word goes with its last cell"


@cocotb.test()
async def reports_errors(dut: Any) -> None:
    """What cannot be loaded is told and does no harm after a reset."""
    bench = await Bench.start(dut)
    config = bench.config
    memory, sink = ReadMemory(bench), bench.sink("o")
    outputs, most = config.crossbar.outputs, config.crossbar.inputs // config.chunk
    good = _layer(bench.rng, config, 1, outputs + 2, outputs)
    words = good.fields["weight_words"]
    zero = ("weight_words", "tiles", "blocks", "columns", "block_columns", "chunks")
    changes = [*({name: 0} for name in zero), {"stream_weights": 1}, {"weight_list": 1},
               {"weight_words": words - 1}, {"weight_words": words + 1}, {"blocks": 1},
               {"blocks": 3}, {"chunks": most + 1}, {"block_columns": outputs + 1},
               {"columns": outputs}]
    for change in changes:
        _begin(bench, memory, dataclasses.replace(good, fields=good.fields | change))
        memory.words = {**memory.words, max(memory.words) + 1: 0}
        await bench.edge()
        bench.write("start", 0)
        for _ in range(10 * _QUIET):
            await bench.edge()
            if bench.read("error"):
                break
        assert bench.read("error"), f"{change} must be an error"
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
    _begin(bench, memory, _layers(bench)[-1])
    await bench.edge()
    bench.write("start", 0)
    await bench.edge(after)
    assert bench.read("busy")
    await bench.reset(3)
    await bench.edge()
    assert not bench.read("busy") and not int(dut.o__valid.value)
    await _run(bench, memory, bench.sink("o"), _layers(bench)[0])
