# SPDX-License-Identifier: Apache-2.0
"""Bench of the serial LIF: the neurons of the parallel one, timestep by timestep."""

from collections.abc import Iterable
from typing import Any

import cocotb

from .bench import Bench
from .plif_corners import CORNERS
from .tb_plif import golden_words, placed, random_neurons

__all__ = ["covers_corner", "matches_golden", "restarts_after_reset"]


def _timesteps(neurons: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"psum": psum} | {name: value for name, value in neuron.items() if name != "psums"}
            for neuron in neurons for psum in neuron["psums"]]


@cocotb.test()
@cocotb.parametrize(gaps=[0.0, 0.5], stalls=[0.0, 0.5])
async def matches_golden(dut: Any, gaps: float, stalls: float) -> None:
    """Every neuron fires as the golden one and keeps its place, whatever the stalls."""
    bench = await Bench.start(dut)
    neurons = random_neurons(bench, 200)
    source, sink = bench.source("i", gaps, burst=3), bench.sink("o", stalls, burst=3)
    source.put(_timesteps(neurons))
    assert await sink.take(len(neurons)) == golden_words(neurons)
    await bench.edge(10)
    assert len(sink.values) == len(neurons), "a word was repeated"


@cocotb.test()
@cocotb.parametrize(corner=[cocotb.Param(name, name=name) for name in CORNERS])
async def covers_corner(dut: Any, corner: str) -> None:
    """The neurons of each named corner case fire as the golden ones."""
    bench = await Bench.start(dut)
    neurons = placed(CORNERS[corner](bench.config), bench.rng, bench.config)
    source, sink = bench.source("i", 0.2), bench.sink("o", 0.2)
    source.put(_timesteps(neurons))
    assert await sink.take(len(neurons)) == golden_words(neurons)


@cocotb.test()
async def restarts_after_reset(dut: Any) -> None:
    """A reset in the middle of a neuron drops it; those after it are right."""
    bench = await Bench.start(dut)
    if bench.config.timesteps == 1:
        return
    await bench.source("i").send(_timesteps(random_neurons(bench, 1))[:-1])
    await bench.edge()
    assert int(dut.busy.value), "a neuron must be at work"
    await bench.reset(1)
    await bench.edge()
    assert not int(dut.busy.value), "reset must drop it"
    neurons = random_neurons(bench, 20)
    source, sink = bench.source("i"), bench.sink("o")
    source.put(_timesteps(neurons))
    assert await sink.take(20) == golden_words(neurons)
