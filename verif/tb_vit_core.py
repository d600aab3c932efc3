# SPDX-License-Identifier: Apache-2.0
"""Bench of the vision transformer core: random networks, programmed and run, against the golden."""

import random
from typing import Any

import cocotb
import torch
from amaranth import unsigned

from ..gen.trex.program import compile_vit
from ..models.golden.programmer import program as program_cells
from .bench import Bench
from .crossbar_traffic import as_table
from .payload import width
from .random_vit import random_network
from .streams import StreamSource, pauses
from .vit_host import input_words, load_words, targets

__all__ = ["matches_golden", "restarts_after_reset"]

_HELD: list[torch.Tensor] = []  # tables, which outlast tests and resets


class _Core(Bench):
    """The core with a network, and drivers that take packed words."""

    def words(self, name: str, pause: float) -> StreamSource:
        """Return a driver of an input stream for packed words."""
        gaps = pauses(random.Random(self.rng.getrandbits(64)), pause, 1.0)
        return StreamSource(self.dut, name, unsigned(width(self._payload(name))), gaps)

    async def take_network(self, pattern: str, pool: str, gaps: float) -> None:
        """Program the cells that differ, and load the rest."""
        self.network, self.inputs = random_network(pattern, pool)
        self.program = compile_vit(self.network, self.config)
        self.loader = self.words("i_load", gaps)
        tables = [as_table(image, self.config.crossbar) for image in self.program.images]
        if not _HELD:
            _HELD.extend(map(torch.zeros_like, tables))
        cells = list(targets(self.config, self.program, _HELD))
        want = {"pulses": 0, "verify_reads": 0, "failures": 0}
        for tile, table in enumerate(tables):
            rows = table[:max(0, self.program.rows - tile * self.config.macro_rows)]
            done = program_cells(_HELD[tile][:len(rows)], rows, self.config.crossbar)
            differs = rows != _HELD[tile][:len(rows)]
            for name in want:
                want[name] += int(getattr(done, name)[differs].sum())
            _HELD[tile][:len(rows)] = done.values
        await self.words("i_program", gaps).send(cells)
        await self.loader.send(load_words(self.config, self.program))
        while int(self.dut.programming.value):
            await self.edge()
        assert self.read("effort") == want, f"effort must be {want}, not {self.read('effort')}"

    async def begin(self, tokens: torch.Tensor) -> None:
        """Load an input and start."""
        await self.loader.send(input_words(self.config, self.program, tokens))
        self.dut.start.value = 1
        await self.edge()
        self.dut.start.value = 0

    async def run(self, sink: Any) -> None:
        """Run all inputs, and compare their logits."""
        for index, logits in enumerate(self.network.run(self.inputs).logits.tolist()):
            await self.begin(self.inputs[index])
            first = len(sink.values)
            found = (await sink.take(first + len(logits), timeout=2_000_000))[first:]
            assert found == logits, (
                f"logits of input {index} must be {logits}, not {found}")
            await self.edge(200)
            assert not int(self.dut.busy.value), "the core must be done"
            assert not int(self.dut.step.value), "the next instruction must be the first"


@cocotb.test()
@cocotb.parametrize((("pattern", "pool", "stalls"), [("ARCS", "last", 0.0), ("AR", "mean", 0.5)]))
async def matches_golden(dut: Any, pattern: str, pool: str, stalls: float) -> None:
    """The logits of several inputs, one after the other, are the golden ones."""
    bench: Any = await _Core.start(dut)
    await bench.take_network(pattern, pool, stalls)
    await bench.run(bench.sink("o", stalls, burst=3))


@cocotb.test()
async def restarts_after_reset(dut: Any) -> None:
    """A reset in mid-run drops the run; memories and macros keep what they hold."""
    bench: Any = await _Core.start(dut)
    await bench.take_network("AR", "mean", 0.0)
    sink = bench.sink("o", 0.0)
    await bench.begin(bench.inputs[0])
    await bench.edge(1500)
    assert int(dut.busy.value) and not sink.values, "the core must be at work"
    await bench.reset(1)
    await bench.edge()
    assert not int(dut.busy.value), "reset must stop the core"
    bench.loader = bench.words("i_load", 0.0)
    await bench.loader.send(load_words(bench.config, bench.program))
    await bench.run(sink)
