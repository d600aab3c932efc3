# SPDX-License-Identifier: Apache-2.0
"""Bench of the residual pool: random layers against the golden operation, from a slow memory."""

import itertools
from dataclasses import dataclass
from typing import Any

import cocotb
import torch
from torch import Tensor

from ..models.golden.residual_add import RESIDUAL_LIMITS
from ..models.golden.residual_pool import residual_pool
from ..rtl.soc.descriptor import Operation, descriptor_layout
from .bench import Bench
from .client_memory import ReadMemory
from .weight_traffic import blank

__all__ = ["computes_after_resets", "keeps_its_pace", "matches_golden", "restarts_after_reset"]


@dataclass(frozen=True)
class _Layer:
    """A layer: its descriptor, its tiles, what lies in memory, and what must come out."""

    fields: dict[str, Any]
    tiles: list[dict[str, int]]
    words: dict[int, int]
    results: list[dict[str, Any]]


def _split(values: list[int], size: int) -> list[list[int]]:
    return [values[first:first + size] for first in range(0, len(values), size)]


class _Pool(Bench):
    """The unit and its memory."""

    def layer(self, shape: tuple[int, int, int], window: tuple[int, int], stride: int,
              padding: tuple[int, int], kind: str, tile_bits: int, rows: int,
              block_columns: int = 0, extreme: bool = False) -> _Layer:
        """Return a layer over random residuals of ``shape``, or the extreme ones."""
        config, (channels, height, width) = self.config, shape
        generator = torch.Generator().manual_seed(self.rng.getrandbits(32))
        low, high = RESIDUAL_LIMITS
        values = torch.randint(low, high + 1, (config.timesteps, 1, *shape), generator=generator)
        if extreme:
            values = torch.where(values < low // 2, low, high)
        out = residual_pool(values, kind, window, stride, padding)[:, 0]
        block_columns = block_columns or channels
        blocks = [range(first, min(first + block_columns, channels))
                  for first in range(0, channels, block_columns)]
        address = self.rng.getrandbits(20)
        words = self._stored(values[:, 0].flatten(2), blocks, 1 << tile_bits, address)
        positions = _split([*range(out[0, 0].numel())], rows)
        fields = blank(descriptor_layout()) | {
            "operation": Operation.LAYER.value, "residual_pool": 1,
            "pool_sum": int(kind == "sum"), "tile_bits": tile_bits, "columns": channels,
            "block_columns": block_columns, "blocks": len(blocks), "tiles": len(positions),
            "out_height": out.shape[2], "out_width": out.shape[3]}
        fields["sources"][0] |= {
            "address": address, "height": height, "width": width, "pass_pitch": height * width,
            "kernel_height": window[0], "kernel_width": window[1], "stride": stride,
            "padding_top": padding[0], "padding_left": padding[1]}
        tiles = [{"rows": len(tile), "opens": 1, "closes": 1} for _ in blocks
                 for tile in positions]
        return _Layer(fields, tiles, words, self._results(out.flatten(2), blocks, positions))

    def _stored(self, values: Tensor, blocks: list[range], size: int, address: int
                ) -> dict[int, int]:
        """Return the words of residuals [T, N, positions], in the order of the neurons."""
        config, image = self.config, b""
        for block in blocks:
            for tile in _split([*range(values.shape[2])], size):
                for column, position in itertools.product(block, tile):
                    item = b"".join(int(value).to_bytes(2, "little", signed=True)
                                    for value in values[:, column, position])
                    image += item.ljust(config.residual_bits // 8, b"\xa5")
        size = config.memory_bits // 8
        return {address + place // size: int.from_bytes(image[place:place + size], "little")
                for place in range(0, len(image), size)}

    def _results(self, out: Tensor, blocks: list[range], positions: list[list[int]]
                 ) -> list[dict[str, Any]]:
        return [{"psums": out[:, column, position].tolist(), "row": row,
                 "column_end": int(row == len(tile) - 1), "last": int(column == block[-1]),
                 "tile": {"rows": len(tile), "opens": 1, "closes": 1}}
                for block in blocks for tile in positions for column in block
                for row, position in enumerate(tile)]

    async def run(self, layers: list[_Layer], memory: ReadMemory, gaps: float = 0.0,
                  stalls: float = 0.0) -> Any:
        """Compute layers one after another and compare all results; return the sink."""
        tiles, sink = self.source("i_tile", gaps, burst=3), self.sink("o", stalls, burst=3)
        for layer in layers:
            begun = len(sink.cycles)
            memory.words = layer.words
            tiles.put(layer.tiles)
            await self.begin(layer)
            found = (await sink.take(begun + len(layer.results), timeout=2000))[begun:]
            for number, (result, want) in enumerate(zip(found, layer.results, strict=True)):
                assert result == want, f"result {number} must be {want}, not {result}"
            await self.edge(3)
            assert not self.read("busy"), "busy must be low when all results are out"
        return sink

    async def begin(self, layer: _Layer) -> None:
        """Show a layer to the unit and start it."""
        self.write("layer", layer.fields)
        self.write("start", 1)
        await self.edge()
        self.write("start", 0)


def _layers(bench: Any) -> list[_Layer]:
    """Return layers with all kinds of windows, blocks and tiles."""
    rows, chunk = bench.config.tile_rows, bench.config.chunk
    most = rows.bit_length() - 1
    return [
        bench.layer((3, 6, 6), (3, 3), 2, (1, 1), "max", most, rows),
        bench.layer((2, 5, 7), (3, 2), 1, (1, 0), "max", 0, max(1, rows - 1), extreme=True),
        bench.layer((chunk + 3, 3, 4), (2, 3), 1, (1, 2), "sum", most, 1, chunk),
        bench.layer((2 * chunk, 4, 3), (4, 3), 1, (0, 0), "sum", max(0, most - 1), rows, chunk,
                    extreme=True),
        bench.layer((1, 1, 1), (1, 1), 1, (0, 0), "max", most, rows),
        bench.layer((2, 7, 5), (1, 1), 2, (0, 0), "max", most, rows),
    ]


@cocotb.test()
@cocotb.parametrize(gaps=[0.0, 0.5], stalls=[0.0, 0.5])
async def matches_golden(dut: Any, gaps: float, stalls: float) -> None:
    """Layers of all kinds, one after another, give the golden results."""
    bench: Any = await _Pool.start(dut)
    memory = ReadMemory(bench, pause=gaps, latency=lambda: bench.rng.randint(1, 9))
    await bench.run(_layers(bench), memory, gaps, stalls)


@cocotb.test()
async def keeps_its_pace(dut: Any) -> None:
    """A member, or a memory word, takes one cycle."""
    bench: Any = await _Pool.start(dut)
    words = max(1, bench.config.residual_bits // bench.config.memory_bits)
    layer = bench.layer((4, 4, 4), (2, 2), 2, (0, 0), "max", 0, bench.config.tile_rows)
    sink = await bench.run([layer], ReadMemory(bench))
    gaps = [later - now for now, later in itertools.pairwise(sink.cycles)]
    assert set(gaps) <= {4 * words}, gaps


@cocotb.test()
@cocotb.parametrize(share=[0.1, 0.6])
async def restarts_after_reset(dut: Any, share: float) -> None:
    """After a reset in the middle a layer gives the golden results."""
    bench: Any = await _Pool.start(dut)
    memory = ReadMemory(bench, latency=lambda: 3)
    layer = bench.layer((4, 6, 6), (3, 3), 2, (1, 1), "max", 0, bench.config.tile_rows)
    memory.words = layer.words
    tiles = bench.source("i_tile")
    tiles.put(layer.tiles[:2])
    await bench.begin(layer)
    await bench.edge(int(share * 300))
    assert bench.read("busy")
    await bench.reset(1)
    await bench.edge()
    assert not bench.read("busy") and not int(dut.o__valid.value)


@cocotb.test()
async def computes_after_resets(dut: Any) -> None:
    """After resets a layer gives the golden results again."""
    bench: Any = await _Pool.start(dut)
    await bench.run(_layers(bench)[:2], ReadMemory(bench), 0.2, 0.2)
