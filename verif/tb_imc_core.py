# SPDX-License-Identifier: Apache-2.0
"""Bench of the in-memory-computing core: row vectors in, spikes of their neurons out."""

from typing import Any

import cocotb
import torch
from torch import Tensor

from ..models.golden.imc_core import IMCCore
from ..models.golden.imc_engine import Reading
from ..models.golden.plif import LIF
from .tb_imc_engine import EngineBench, readings, vector, vectors

__all__ = ["keeps_its_pace", "matches_golden", "reads_built_in_tables", "restarts_after_reset"]

_MODELS = [LIF(), LIF(gain=3, shift=2, reset="soft", decay_input=False), LIF(reset="soft")]


class _Core(EngineBench):
    """The core, what its macros and neurons hold, and its golden twin."""

    bias: Tensor
    threshold: Tensor

    async def set_neurons(self, source: Any) -> None:
        """Store biases and thresholds near the psums of some vector, so that some neurons fire."""
        config = self.config
        twin = IMCCore(config, self.images())
        psums = twin.run(vector(self.rng, config, config.inputs, 0.4)[None])[0, 0]
        reach = max(int(psums.abs().max()), 4)
        self.bias = torch.tensor([self.rng.randint(-reach // 4, reach // 4)
                                  for _ in range(config.outputs)])
        self.threshold = psums // 2 + 1
        await source.send([
            {"output": output, "bias": int(bias), "threshold": int(threshold)}
            for output, (bias, threshold) in enumerate(zip(
                self.bias, self.threshold, strict=True))])
        await self.edge()

    async def compute(self, rows: list[Tensor], lif: LIF, reading: Reading, source: Any,
                      sink: Any) -> None:
        """Send vectors and compare the lane words of their neurons."""
        self.write("reading", self.settings(reading))
        self.write("lif", {"gain": lif.gain, "shift": lif.shift,
                           "decay_input": int(lif.decay_input),
                           "soft_reset": int(lif.reset == "soft")})
        begun, wanted = len(sink.values), []
        for words in rows:
            source.put(self.beats(words))
            spikes = self.twin.fire(words[None], self.bias, self.threshold, lif, reading)[:, 0]
            wanted += [{"word": sum(int(spike) << t for t, spike in enumerate(lanes)),
                        "neuron": neuron} for neuron, lanes in enumerate(spikes.T)]
        found = (await sink.take(begun + len(wanted)))[begun:]
        for number, (word, want) in enumerate(zip(found, wanted, strict=True)):
            assert word == want, f"word {number} must be {want}, not {word}"
        await self.edge(2)
        assert not self.read("busy"), "busy must be low when all words are out"


@cocotb.test()
@cocotb.parametrize(gaps=[0.0, 0.5], stalls=[0.0, 0.5])
async def matches_golden(dut: Any, gaps: float, stalls: float) -> None:
    """Spikes of timesteps and of integers, of all neuron models, on cells programmed before."""
    bench: Any = await _Core.start(dut)
    source, sink = bench.source("i", gaps, burst=3), bench.sink("o", stalls, burst=3)
    await bench.program(bench.source("i_program", gaps), bench.targets(3)[0])
    parameters = bench.source("i_neuron", gaps)
    for number, reading in enumerate(readings(bench.config)):
        await bench.set_neurons(parameters)
        await bench.compute(vectors(bench, 3), _MODELS[number % len(_MODELS)], reading, source,
                            sink)
    lanes = {item["word"] >> t & 1 for item in sink.values
             for t in range(bench.config.timesteps)}
    assert lanes == {0, 1}, "the stimulus must make neurons both fire and stay silent"


@cocotb.test()
async def keeps_its_pace(dut: Any) -> None:
    """Latency as the docstrings of engine and core say."""
    bench: Any = await _Core.start(dut)
    config, source, sink = bench.config, bench.source("i"), bench.sink("o")
    await bench.set_neurons(bench.source("i_neuron"))
    words = vector(bench.rng, config, config.inputs, 0.5)
    await bench.compute([words], _MODELS[0], Reading(lanes=1), source, sink)
    active = int((words & 1).reshape(config.tiles, -1).sum(1).max())
    beats = config.inputs // config.beat_values
    assert sink.cycles[0] - source.cycles[-1] == (
        beats + active + config.columns_per_adc + 6 + 2)


@cocotb.test()
async def reads_built_in_tables(dut: Any) -> None:
    """What the unit was built with is there after power-up, without any programming."""
    bench: Any = await _Core.start(dut)
    bench.hold(bench.parameters["tables"], bench.parameters["signs"])
    bench.bias, bench.threshold = torch.tensor(bench.parameters["neurons"]).T
    source, sink = bench.source("i"), bench.sink("o", 0.2)
    for reading in readings(bench.config):
        await bench.compute(vectors(bench, 3), _MODELS[0], reading, source, sink)


@cocotb.test()
async def restarts_after_reset(dut: Any) -> None:
    """A reset drops vectors and words, wherever they are; weights and neurons stay."""
    bench: Any = await _Core.start(dut)
    source, words = bench.source("i"), []
    await bench.program(bench.source("i_program"), bench.targets(2)[0])
    await bench.set_neurons(bench.source("i_neuron"))
    for cycles in (5, 60, 400):
        words = vector(bench.rng, bench.config, bench.config.inputs, 0.5)
        await source.send(bench.beats(words))
        await bench.edge(cycles)
        assert bench.read("busy")
        await bench.reset(1)
        await bench.edge()
        assert not bench.read("busy") and not int(dut.o__valid.value)
    bench.restart()
    await bench.compute([words], _MODELS[0], Reading(), source, bench.sink("o"))
