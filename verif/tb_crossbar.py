# SPDX-License-Identifier: Apache-2.0
"""Bench of the crossbar macro: reads, pulses and verify reads against the golden ops."""

import itertools
from typing import Any

import cocotb
import torch
from torch import Tensor

from ..models.golden.crossbar import crossbar
from ..models.golden.programmer import pulse
from ..models.golden.read_noise import ReadNoise
from .bench import Bench
from .crossbar_traffic import CORNERS, as_table, image_of, random_image, random_lines

__all__ = ["covers_corner", "keeps_its_pace", "matches_golden", "moves_by_pulses",
           "reads_built_in_table", "restarts_after_reset"]

_HELD: dict[str, Tensor] = {}  # conductances, which outlast tests and resets


class _Macro(Bench):
    """The macro, and what it is to give."""

    tile: int
    noise: ReadNoise

    @classmethod
    async def start(cls, dut: Any) -> "_Macro":
        """Start as the last tile, with what earlier tests left."""
        bench: Any = await super().start(dut)
        config = bench.config
        bench.tile = config.tiles - 1
        bench.write("tile", bench.tile)
        await bench.reset()
        bench.noise = ReadNoise(config, bench.tile)
        _HELD.setdefault("table", torch.zeros(config.rows + 1, config.columns, dtype=torch.int64))
        return bench

    def pulses(self, target: Tensor) -> list[dict[str, int]]:
        """Return the pulses that bring all cells to their targets."""
        config: Any = self.config
        strongest, found = (1 << config.pulse_bits) - 1, []
        while bool((target != _HELD["table"]).any()):
            amplitudes = (target - _HELD["table"]).clamp(-strongest, strongest)
            found += [_request(row, column, amplitude=int(amplitudes[row, column]))
                      for row, column in amplitudes.nonzero().tolist()]
            _HELD["table"] = pulse(_HELD["table"], amplitudes, config)
        return found

    def codes(self, lines: Tensor) -> list[list[int]]:
        """Return the golden beats of codes."""
        config: Any = self.config
        none = torch.zeros(config.rows, config.outputs, dtype=torch.bool)
        codes = crossbar(lines, image_of(_HELD["table"], none, config), config, self.noise)
        beats = codes.reshape(len(codes), config.adcs, -1).transpose(1, 2)
        return beats.reshape(-1, config.adcs).tolist()


def _request(row: int, column: int, amplitude: int | None = None) -> dict[str, int]:
    return {"row": row, "column": column, "verify": int(amplitude is None),
            "amplitude": abs(amplitude or 0), "down": int((amplitude or 0) < 0)}


def _words(lines: Tensor) -> list[int]:
    return [sum(int(bit) << row for row, bit in enumerate(line)) for line in lines]


def _check(found: list, wanted: list) -> None:
    for number, (beat, want) in enumerate(zip(found, wanted, strict=True)):
        assert beat == want, f"codes of beat {number} must be {want}, not {beat}"


async def _read(bench: Any, lines: Tensor, source: Any, sink: Any) -> None:
    wanted = bench.codes(lines)
    begun = len(sink.values)
    source.put(_words(lines))
    _check((await sink.take(begun + len(wanted)))[begun:], wanted)


@cocotb.test()
@cocotb.parametrize(gaps=[0.0, 0.5], stalls=[0.0, 0.5])
async def matches_golden(dut: Any, gaps: float, stalls: float) -> None:
    """A random image is loaded and read, then a part of it changed and read again."""
    bench: Any = await _Macro.start(dut)
    program, source = bench.source("i_program", gaps), bench.source("i", gaps, burst=3)
    sink = bench.sink("o", stalls, burst=3)
    table = as_table(random_image(bench.rng, bench.config), bench.config)
    await program.send(bench.pulses(table))
    await _read(bench, random_lines(bench.rng, bench.config, 20), source, sink)
    changed = torch.rand(table.shape) < 0.05
    table[changed] = torch.randint(0, 1 << bench.config.cell_word_bits, (int(changed.sum()),))
    await program.send(bench.pulses(table))
    await _read(bench, random_lines(bench.rng, bench.config, 10), source, sink)
    codes = {code for beat in sink.values for code in beat}
    assert {0, (1 << bench.config.adc_bits) - 1} < codes, "some codes must clip, some must not"


@cocotb.test()
@cocotb.parametrize(corner=[cocotb.Param(name, name=name) for name in CORNERS])
async def covers_corner(dut: Any, corner: str) -> None:
    """The reads of each named corner case give the golden codes."""
    bench: Any = await _Macro.start(dut)
    program, source, sink = bench.source("i_program"), bench.source("i", 0.2), bench.sink("o", 0.2)
    table, lines = CORNERS[corner](bench.rng, bench.config)
    await program.send(bench.pulses(table))
    await _read(bench, lines, source, sink)
    highest, codes = (1 << bench.config.adc_bits) - 1, sink.values
    if corner == "saturation":
        assert codes[0] == [highest] * bench.config.adcs
    if corner == "below_zero":
        assert set(itertools.chain(*codes)) == {0}


@cocotb.test()
@cocotb.parametrize(stalls=[0.0, 0.5])
async def moves_by_pulses(dut: Any, stalls: float) -> None:
    """Random pulses, too strong ones among them, move cells as golden; verify reads tell it."""
    bench: Any = await _Macro.start(dut)
    config, rng = bench.config, bench.rng
    program, sink = bench.source("i_program", stalls), bench.sink("o_verify", stalls)
    requests, wanted = [], []
    strongest = (1 << config.pulse_bits) - 1
    for _ in range(60):
        row, column = rng.randint(0, config.rows), rng.randrange(config.columns)
        for _ in range(rng.choice((0, 1, 3, 12))):
            amplitude = rng.choice((strongest, -strongest, rng.randint(-strongest, strongest)))
            requests.append(_request(row, column, amplitude))
            cell = _HELD["table"][row, column]
            _HELD["table"][row, column] = pulse(cell, torch.tensor(amplitude), config)
        requests.append(_request(row, column))
        wanted.append(int(_HELD["table"][row, column]))
    program.put(requests)
    assert await sink.take(len(wanted)) == wanted
    full = (1 << config.cell_word_bits) - 1
    assert {0, full} <= set(wanted), "some cells must saturate"
    for (now, later), pair in zip(itertools.pairwise(program.cycles),
                                  itertools.pairwise(requests), strict=True):
        assert later - now == 2 - any(request["verify"] for request in pair) or stalls


@cocotb.test()
async def reads_built_in_table(dut: Any) -> None:
    """What the unit was built with is there after power-up, without any programming."""
    bench: Any = await _Macro.start(dut)
    _HELD["table"] = torch.tensor(bench.parameters["table"])
    await _read(bench, random_lines(bench.rng, bench.config, 40), bench.source("i"),
                bench.sink("o", 0.3))


@cocotb.test()
async def keeps_its_pace(dut: Any) -> None:
    """Latency and throughput as the component's docstring says."""
    bench: Any = await _Macro.start(dut)
    source, sink = bench.source("i"), bench.sink("o")
    await bench.edge(2)
    lines = random_lines(bench.rng, bench.config, 30)
    await _read(bench, lines, source, sink)
    active, share = lines.sum(1).tolist(), bench.config.columns_per_adc
    firsts = sink.cycles[::share]
    assert [out - into for into, out in zip(source.cycles, firsts, strict=True)] == [
        count + 3 for count in active]
    assert [later - now for now, later in itertools.pairwise(source.cycles)] == [
        count + share + 2 for count in active[:-1]]


@cocotb.test()
async def restarts_after_reset(dut: Any) -> None:
    """A reset drops the read at work and starts the noise anew; conductances stay."""
    bench: Any = await _Macro.start(dut)
    source = bench.source("i")
    await source.send(_words(random_lines(bench.rng, bench.config, 2)[1:]))
    await bench.edge(bench.config.rows + 5)
    assert int(dut.o__valid.value), "codes must wait"
    await bench.reset(1)
    await bench.edge()
    assert not int(dut.o__valid.value)
    bench.noise = ReadNoise(bench.config, bench.tile)
    await _read(bench, random_lines(bench.rng, bench.config, 6), source, bench.sink("o"))
