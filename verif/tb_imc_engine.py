# SPDX-License-Identifier: Apache-2.0
"""Bench of the in-memory-computing engine: programming and row vectors against the golden ops."""

import itertools
import random
from typing import Any

import cocotb
import torch
from torch import Tensor

from ..models.golden.conductance import Image
from ..models.golden.imc_core import IMCCore
from ..models.golden.imc_engine import Reading
from ..models.golden.programmer import program
from .bench import Bench
from .crossbar_traffic import as_table, image_of, random_image

__all__ = ["EngineBench", "covers_corner", "counts_programming", "keeps_its_pace", "matches_golden",
           "leaves_macros_out", "reads_built_in_tables", "readings", "restarts_after_reset",
           "vector", "vectors"]

_HELD: dict[str, list[Tensor]] = {}  # tables and signs, which outlast tests and resets


class EngineBench(Bench):
    """The engine or the core, what its macros hold, and its golden twin."""

    twin: IMCCore

    @classmethod
    async def start(cls, dut: Any) -> "EngineBench":
        """Start with what earlier tests left."""
        bench: Any = await super().start(dut)
        config = bench.config
        if not _HELD:
            _HELD["tables"] = [torch.zeros(config.rows + 1, config.columns, dtype=torch.int64)
                               for _ in range(config.tiles)]
            _HELD["signs"] = [torch.zeros(config.rows, config.outputs, dtype=torch.bool)
                              for _ in range(config.tiles)]
        bench.restart()
        return bench

    def restart(self) -> None:
        """Begin anew with the twin, as after a reset."""
        self.twin = IMCCore(self.config, self.images())

    def hold(self, tables: list, signs: list) -> None:
        """Take over what the unit was built with."""
        _HELD["tables"] = [torch.tensor(table) for table in tables]
        _HELD["signs"] = [torch.tensor(words) for words in signs]
        self.twin.load(self.images())

    def images(self) -> list[Image]:
        """Return what the macros hold."""
        return [image_of(table, signs, self.config) for table, signs in zip(
            _HELD["tables"], _HELD["signs"], strict=True)]

    def targets(self, columns: int) -> tuple[list[dict[str, int]], dict[str, int]]:
        """Return targets for some whole columns of each macro, and the effort they take."""
        config, found = self.config, []
        effort = {"pulses": 0, "verify_reads": 0, "failures": 0}
        for tile in range(config.tiles):
            image = random_image(self.rng, config, tile)
            table, held = as_table(image, config), _HELD["tables"][tile]
            for column in self.rng.sample(range(config.columns), columns):
                output, unit = divmod(column, config.columns_per_output)
                signs = output < config.outputs and unit == 0
                done = program(held[:, column], table[:, column], config)
                for name in effort:
                    effort[name] += int(getattr(done, name).sum())
                held[:, column] = done.values
                for row in range(config.rows + 1):
                    negative = self.rng.getrandbits(1)
                    if signs and row < config.rows:
                        _HELD["signs"][tile][row, output] = bool(negative)
                    found.append({"tile": tile, "row": row, "column": column,
                                  "value": int(table[row, column]), "negative": negative})
        self.twin.load(self.images())
        return found, effort

    async def program(self, source: Any, targets: list[dict[str, int]]) -> None:
        """Send targets and wait until the last cell is done."""
        await source.send(targets)
        await self.edge()
        while self.read("programming"):
            await self.edge()

    def beats(self, words: Tensor) -> list[dict[str, Any]]:
        """Return the beats of one vector."""
        size = self.config.beat_values
        padded = [*words.tolist(), *[0] * (-len(words) % size)]
        starts = range(0, len(padded), size)
        return [{"words": padded[start:start + size], "last": int(start == starts[-1])}
                for start in starts]

    def settings(self, reading: Reading) -> dict[str, int]:
        """Return the port that says how vectors are read."""
        return {"last_lane": (reading.lanes or self.config.timesteps) - 1,
                "planes": int(reading.planes), "signed_input": int(reading.signed)}

    def expected(self, words: Tensor, reading: Reading) -> list[dict[str, int]]:
        """Return the golden psums of one vector, in the order in which they come."""
        psums = self.twin.run(words[None], reading)[:, 0]
        return [{"psum": int(psum), "output": output, "lane": lane,
                 "last": int(lane == len(psums) - 1 and output == self.config.outputs - 1)}
                for lane, row in enumerate(psums) for output, psum in enumerate(row)]

    async def multiply(self, vectors: list[Tensor], reading: Reading, source: Any,
                       sink: Any) -> None:
        """Send vectors and compare their psums."""
        self.write("reading", self.settings(reading))
        begun, wanted = len(sink.values), []
        for words in vectors:
            source.put(self.beats(words))
            wanted += self.expected(words, reading)
        found = (await sink.take(begun + len(wanted)))[begun:]
        for number, (psum, want) in enumerate(zip(found, wanted, strict=True)):
            assert psum == want, f"psum {number} must be {want}, not {psum}"
        await self.edge(2)
        assert not self.read("busy"), "busy must be low when all psums are out"


def vector(rng: random.Random, config: Any, length: int, density: float) -> Tensor:
    """Return the lane words of one row vector."""
    return torch.tensor([rng.randrange(1 << config.timesteps) if rng.random() < density else 0
                         for _ in range(length)])


def vectors(bench: Any, count: int) -> list[Tensor]:
    """Return row vectors of all lengths and densities; the longest and densest first."""
    config, rng = bench.config, bench.rng
    return [vector(rng, config, config.inputs, 1.0), *(
        vector(rng, config, rng.randint(1, config.inputs), rng.choice((0.0, 0.1, 0.4, 1.0)))
        for _ in range(count - 1))]


def readings(config: Any) -> list[Reading]:
    """Return all ways to read lane words."""
    return [Reading(), Reading(lanes=max(config.timesteps - 1, 1)), Reading(planes=True),
            Reading(planes=True, signed=True), Reading(lanes=1, planes=True, signed=True)]


@cocotb.test()
@cocotb.parametrize(gaps=[0.0, 0.5], stalls=[0.0, 0.5])
async def matches_golden(dut: Any, gaps: float, stalls: float) -> None:
    """Columns are programmed, vectors read as timesteps and as integers, again and again."""
    bench: Any = await EngineBench.start(dut)
    program_source, source = bench.source("i_program", gaps), bench.source("i", gaps, burst=3)
    sink = bench.sink("o", stalls, burst=3)
    for number, reading in enumerate(readings(bench.config)):
        if number % 3 == 0:
            await bench.program(program_source, bench.targets(2)[0])
        await bench.multiply(vectors(bench, 3), reading, source, sink)
    assert len({item["psum"] for item in sink.values}) > 10, "psums must differ"
    assert not bench.read("overflow")


@cocotb.test()
async def counts_programming(dut: Any) -> None:
    """Pulses, verify reads, failures and cycles are those of the golden op."""
    bench: Any = await EngineBench.start(dut)
    targets, effort = bench.targets(3)
    source = bench.source("i_program")
    await bench.program(source, targets)
    assert bench.read("effort") == effort, f"{bench.read('effort')} must be {effort}"
    assert effort["pulses"]
    same = [target | {"value": int(_HELD["tables"][target["tile"]][target["row"],
                                                                    target["column"]])}
            for target in targets]
    begun = len(source.cycles)
    await source.send(same)
    cycles = source.cycles[begun:]
    assert cycles[-1] - cycles[0] == len(same) - 1, "a cell that holds its target takes a cycle"
    await bench.edge()
    assert not bench.read("programming")


@cocotb.test()
@cocotb.parametrize(corner=[cocotb.Param(name, name=name) for name in (
    "silent", "full", "one_beat", "too_long", "one_position")])
async def covers_corner(dut: Any, corner: str) -> None:
    """Vectors of the named corner case give the golden psums."""
    bench: Any = await EngineBench.start(dut)
    config = bench.config
    program_source, source = bench.source("i_program"), bench.source("i")
    sink = bench.sink("o", 0.2)
    await bench.program(program_source, bench.targets(1)[0])
    every = torch.full((config.inputs,), (1 << config.timesteps) - 1)
    some = vector(bench.rng, config, config.inputs, 0.5)
    vectors = {
        "silent": [every, torch.zeros_like(every), some],
        "full": [every, every, some],
        "one_beat": [every[:config.beat_values], some[:1], some],
        "too_long": [every],
        "one_position": [every * (torch.arange(config.inputs) == place)
                         for place in (0, config.rows - 1, config.inputs - 1)],
    }[corner]
    if corner == "too_long":
        beats = bench.beats(every)
        await source.send([beat | {"last": 0} for beat in beats])
        await bench.edge()
        assert not bench.read("overflow")
        source.put([beats[0] | {"last": 0}, beats[-1]])
        wanted = bench.expected(every, Reading(lanes=1))
        assert await sink.take(len(wanted)) == wanted, "what is too long must be dropped"
        assert bench.read("overflow")
        await bench.edge(5)
    await bench.multiply(vectors, Reading(), source, sink)


@cocotb.test()
async def reads_built_in_tables(dut: Any) -> None:
    """What the unit was built with is there after power-up, without any programming."""
    bench: Any = await EngineBench.start(dut)
    bench.hold(bench.parameters["tables"], bench.parameters["signs"])
    source, sink = bench.source("i"), bench.sink("o", 0.2)
    for reading in readings(bench.config):
        await bench.multiply(vectors(bench, 3), reading, source, sink)


@cocotb.test()
async def keeps_its_pace(dut: Any) -> None:
    """Latency and throughput as the component's docstring says."""
    bench: Any = await EngineBench.start(dut)
    config = bench.config
    source, sink = bench.source("i"), bench.sink("o")
    most_beats = config.inputs // config.beat_values
    share, outputs = config.columns_per_adc, config.outputs
    full = torch.full((config.inputs,), (1 << config.timesteps) - 1)
    for density, beats in itertools.product((0.0, 1.0, 0.1, 0.5), {most_beats, 1}):
        length = beats * config.beat_values
        words = (full[:length] * int(density) if density in (0, 1) else
                 vector(bench.rng, config, length, density))
        begun = len(sink.values)
        await bench.multiply([words], Reading(), source, sink)
        firsts = sink.cycles[begun::outputs]
        padded = torch.nn.functional.pad(words, (0, config.inputs - length))
        active = [int((padded >> t & 1).reshape(config.tiles, -1).sum(1).max())
                  for t in range(config.timesteps)]
        assert firsts[0] - source.cycles[-1] == beats + active[0] + share + 6
        for now, later, count in zip(firsts, firsts[1:], active[1:], strict=False):
            most = max(beats + 2, count + share + 2, share + outputs)
            assert later - now <= most
            assert later - now == most or density not in (0, 1)


@cocotb.test()
async def restarts_after_reset(dut: Any) -> None:
    """A reset drops vectors, error and counters, and starts the noise anew; weights stay."""
    bench: Any = await EngineBench.start(dut)
    source, program_source = bench.source("i"), bench.source("i_program")
    await bench.program(program_source, bench.targets(1)[0])
    for cycles in (5, 40, 90):
        await source.send(bench.beats(vector(bench.rng, bench.config, bench.config.inputs, 0.5)))
        await bench.edge(cycles)
        assert bench.read("busy")
        await bench.reset(1)
        await bench.edge()
        assert not bench.read("busy") and not int(dut.o__valid.value)
    assert not any(bench.read("effort").values())
    bench.restart()
    await bench.multiply(vectors(bench, 4), Reading(), source, bench.sink("o"))


@cocotb.test()
async def leaves_macros_out(dut: Any) -> None:
    """Macros that are left out do not count, whatever their offsets."""
    bench: Any = await EngineBench.start(dut)
    config = bench.config
    await bench.program(bench.source("i_program"), bench.targets(config.columns)[0])
    held = bench.images()
    source, sink = bench.source("i"), bench.sink("o")
    for used in range(config.tiles):
        bench.write("left_out", ((1 << config.tiles) - 1) & -(1 << used))
        words = torch.full((max(used * config.rows, 1),), (1 << config.timesteps) - 1)
        words[used * config.rows:] = 0
        nothing = image_of(torch.zeros_like(_HELD["tables"][0]),
                           torch.zeros_like(_HELD["signs"][0]), config)
        bench.twin.load([image if tile < used else nothing for tile, image in enumerate(held)])
        if config.noise_bits == 0:
            await bench.multiply([words], Reading(), source, sink)
    bench.write("left_out", 0)
    bench.twin.load(held)
