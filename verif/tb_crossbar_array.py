# SPDX-License-Identifier: Apache-2.0
"""Bench of the crossbar array: whole layers, programmed and computed, against the golden ops."""

import itertools
from dataclasses import dataclass
from typing import Any

import cocotb
import torch
from torch import Tensor

from ..models.golden.compressor import compress
from ..models.golden.conductance import Image
from ..models.golden.imc_engine import IMCEngine
from ..models.golden.programmer import program
from .bench import Bench
from .crossbar_traffic import as_table, image_of, random_image
from .fibers import Beat, spike_beats
from .streams import cycle

__all__ = ["adds_up_its_counters", "computes_after_resets", "keeps_its_pace", "matches_golden",
           "reports_errors", "restarts_after_reset"]

_HELD: dict[str, list[Tensor]] = {}  # tables and signs, which outlast tests and resets


@dataclass
class _Layer:
    """A layer: its blocks, what goes in, and what must come out."""

    blocks: dict[str, int]
    cells: list[dict[str, Any]]
    tiles: list[dict[str, int]]
    rows: list[Beat]
    results: list[dict[str, Any]]


class _Array(Bench):
    """The array, and what its macros hold."""

    @classmethod
    async def start(cls, dut: Any) -> "_Array":
        """Start with what earlier tests left."""
        bench: Any = await super().start(dut)
        macros = bench.config.crossbar
        if not _HELD:
            _HELD["tables"] = [torch.zeros(macros.rows + 1, macros.columns, dtype=torch.int64)
                               for _ in range(macros.tiles)]
            _HELD["signs"] = [torch.zeros(macros.rows, macros.outputs, dtype=torch.bool)
                              for _ in range(macros.tiles)]
        return bench

    def layer(self, chunks: int, columns: int, block_columns: int, heights: list[int],
              density: float = 0.3) -> _Layer:
        """Return a layer with random cells and tiles of so many rows."""
        config, rng = self.config, self.rng
        length, largest = chunks * config.chunk, (1 << config.timesteps) - 1
        operands = [torch.tensor([[rng.randint(1, largest) if rng.random() < density else 0
                                   for _ in range(length)] for _ in range(height)])
                    for height in heights]
        found = _Layer({"chunks": chunks, "columns": columns, "block_columns": block_columns,
                        "tiles": len(heights)}, [], [], [], [])
        for first in range(0, columns, block_columns):
            found.cells += self._cells(length)
            engine = IMCEngine(config.crossbar, self._images(length))
            for words in operands:
                found.tiles.append({"rows": len(words)})
                for number, row in enumerate(words):
                    found.rows += spike_beats(compress(row, config.chunk), config, row=number,
                                              noise=rng)
                psums = engine.run(words)[:, :, :min(block_columns, columns - first)]
                found.results += _results(psums, len(words))
        return found

    def _cells(self, length: int) -> list[dict[str, Any]]:
        """Return the cells of a block, and note what they leave in the macros."""
        macros, found = self.config.crossbar, []
        for tile in range(-(-length // macros.rows)):
            table = as_table(random_image(self.rng, macros, tile), macros)
            kept = torch.rand(table.shape) < 0.5  # much stays as it was
            table[kept] = _HELD["tables"][tile][kept]
            used = [*range(min(macros.rows, length - tile * macros.rows)), macros.rows]
            held = _HELD["tables"][tile]
            held[used] = program(held[used], table[used], macros).values
            for row, column in itertools.product(used, range(macros.columns)):
                output, part = divmod(column, macros.columns_per_output)
                negative = self.rng.getrandbits(1)
                if row < macros.rows and output < macros.outputs and part == 0:
                    _HELD["signs"][tile][row, output] = bool(negative)
                found.append({"target": {"tile": tile, "row": row, "column": column,
                                         "value": int(table[row, column]), "negative": negative},
                              "end": 0})
        found[-1]["end"] = 1
        return found

    def _images(self, length: int) -> list[Image]:
        """Return what the macros hold; nothing of those that such rows do not reach."""
        macros, found = self.config.crossbar, []
        for tile in range(macros.tiles):
            there = int(tile * macros.rows < length)
            found.append(image_of(_HELD["tables"][tile] * there, _HELD["signs"][tile], macros))
        return found

    async def begin(self, layer: _Layer) -> None:
        """Show a layer to the unit and start it."""
        self.write("blocks", layer.blocks)
        self.write("start", 1)
        await self.edge()
        self.write("start", 0)

    async def run(self, layers: list[_Layer], gaps: float = 0.0, stalls: float = 0.0) -> Any:
        """Compute layers one after another and compare all results; return the sink."""
        sources = {name: self.source(name, gaps, burst=3)
                   for name in ("i_cells", "i_tile", "i_row")}
        sink = self.sink("o", stalls, burst=3)
        for layer in layers:
            begun = len(sink.cycles)
            for name, items in (("i_cells", layer.cells), ("i_tile", layer.tiles),
                                ("i_row", layer.rows)):
                sources[name].put(items)
            await self.begin(layer)
            found = (await sink.take(begun + len(layer.results)))[begun:]
            for number, (result, want) in enumerate(zip(found, layer.results, strict=True)):
                assert result == want, f"result {number} must be {want}, not {result}"
            await self.edge(2)
            assert not self.read("busy"), "busy must be low when all results are out"
        assert not any(self.read("error").values())
        return sink


def _results(psums: Tensor, rows: int) -> list[dict[str, Any]]:
    """Return psums (T, M, N) in order of column, then row."""
    columns = psums.shape[2]
    return [{"psums": psums[:, row, column].tolist(), "row": row,
             "column_end": int(row == rows - 1), "last": int(column == columns - 1),
             "tile": {"rows": rows}}
            for column in range(columns) for row in range(rows)]


def _layers(bench: Any) -> list[_Layer]:
    """Return layers with fibers of all lengths, of one block and of several."""
    config = bench.config
    height, outputs = config.tile_rows, config.crossbar.outputs
    most = config.crossbar.inputs // config.chunk
    return [bench.layer(most, outputs, outputs, [height, 1, height], 0.6),
            bench.layer(1, 2 * config.chunk + 1, config.chunk, [height, height]),
            bench.layer(most, outputs + 1, outputs, [1, height], 1.0),
            bench.layer(max(most - 1, 1), 1, outputs, [height] * 5, 0.1)]


@cocotb.test()
@cocotb.parametrize(gaps=[0.0, 0.5], stalls=[0.0, 0.5])
async def matches_golden(dut: Any, gaps: float, stalls: float) -> None:
    """Layers of all kinds, one after another, give the golden results."""
    bench: Any = await _Array.start(dut)
    sink = await bench.run(_layers(bench), gaps, stalls)
    assert len({psum for item in sink.values for psum in item["psums"]}) > 10


@cocotb.test()
async def keeps_its_pace(dut: Any) -> None:
    """A tile's results come 2 cycles after its last psum, one in each cycle."""
    bench: Any = await _Array.start(dut)
    config = bench.config
    height, outputs = config.tile_rows, config.crossbar.outputs
    layer = bench.layer(1, outputs, outputs, [height, height], 1.0)
    for chunk in layer.rows:
        chunk["values"] = [(1 << config.timesteps) - 1] * config.beat_values
    moves = cocotb.start_soon(_psum_cycles(bench, 2 * height * outputs * config.timesteps))
    words = torch.full((height, config.chunk), (1 << config.timesteps) - 1)
    psums = IMCEngine(config.crossbar, bench._images(config.chunk)).run(words)
    layer.results = _results(psums, height) * 2
    sink = await bench.run([layer])
    size, psum_cycles = height * outputs, await moves
    for tile in range(2):
        cycles = sink.cycles[tile * size:(tile + 1) * size]
        assert {later - now for now, later in itertools.pairwise(cycles)} <= {1}
        last = psum_cycles[(tile + 1) * size * config.timesteps - 1]
        assert cycles[0] - last == 2, f"{cycles[0] - last} cycles"


async def _psum_cycles(bench: Any, count: int) -> list[int]:
    """Return in which cycles psums leave the macros."""
    found: list[int] = []
    while len(found) < count:
        await bench.edge()
        if bench.read("moving"):
            found.append(cycle())
    return found


@cocotb.test()
async def adds_up_its_counters(dut: Any) -> None:
    """Each busy cycle counts as one activity; ``clear`` sets all to zero."""
    bench: Any = await _Array.start(dut)
    config = bench.config
    layer = bench.layer(1, 1, config.chunk, [config.tile_rows] * 2)
    await bench.run([layer])
    await bench.edge(3)
    counters = bench.read("counters")
    cycles = counters.pop("cycles")
    assert cycles == sum(counters.values()) and counters["match"] and counters["stall_column"]
    assert counters["stall_column"] >= len(layer.cells)
    assert bench.read("effort")["verify_reads"] >= len(layer.cells)
    bench.write("i_busy", 1)
    await bench.edge(10)
    assert bench.read("busy") and bench.read("counters")["idle"] > counters["idle"]
    bench.write("i_busy", 0)
    bench.write("clear", 1)
    await bench.edge()
    bench.write("clear", 0)
    await bench.edge(4)
    assert not any(bench.read("counters").values())


def _broken(bench: Any, error: str) -> _Layer:
    config = bench.config
    layer = bench.layer(config.crossbar.inputs // config.chunk, 1, config.chunk, [1, 1])
    if error == "row_overflow":
        for beat in layer.rows:
            beat["last"] = 0
        layer.rows *= 2
    elif error == "row_index":
        for beat in layer.rows:
            beat["row"] = 1
    else:
        layer.tiles[0]["rows"] = 0
    return layer


@cocotb.test()
@cocotb.parametrize(error=["row_overflow", "row_index", "tile_rows"])
async def reports_errors(dut: Any, error: str) -> None:
    """What cannot be is told, stops the array, and does no harm after a reset."""
    bench: Any = await _Array.start(dut)
    layer = _broken(bench, error)
    sources = [bench.source(name) for name in ("i_cells", "i_tile", "i_row")]
    for source, items in zip(sources, (layer.cells, layer.tiles, layer.rows), strict=True):
        source.put(items)
    await bench.begin(layer)
    for _ in range(20_000):
        await bench.edge()
        if any(bench.read("error").values()):
            break
    found = bench.read("error")
    assert [name for name, value in found.items() if value] == [error], found
    await bench.edge()
    for name in ("i_cells", "i_tile", "i_row"):
        assert not int(getattr(dut, f"{name}__ready").value), f"{name} must stop"


@cocotb.test()
@cocotb.parametrize(share=[0.3, 0.9])
async def restarts_after_reset(dut: Any, share: float) -> None:
    """A reset in the middle forgets cells, tiles, rows and results that are at work."""
    bench: Any = await _Array.start(dut)
    config = bench.config
    first = bench.layer(2 if config.crossbar.inputs > config.chunk else 1, 2, config.chunk,
                        [config.tile_rows] * 3)
    cells, tiles, rows = (bench.source(name) for name in ("i_cells", "i_tile", "i_row"))
    tiles.put(first.tiles)
    rows.put(first.rows)
    await bench.begin(first)
    await cells.send(first.cells)
    await bench.edge(int(share * 200))
    assert bench.read("busy")
    await bench.reset(1)
    await bench.edge()
    assert not bench.read("busy") and not int(dut.o__valid.value)


@cocotb.test()
async def computes_after_resets(dut: Any) -> None:
    """After resets and errors a layer gives the golden results again."""
    bench: Any = await _Array.start(dut)
    config = bench.config
    await bench.run([bench.layer(config.crossbar.inputs // config.chunk, 3, config.chunk,
                                 [config.tile_rows])], 0.2, 0.2)
