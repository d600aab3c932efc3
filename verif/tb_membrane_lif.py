# SPDX-License-Identifier: Apache-2.0
"""Bench of the LIF with membrane memory: neurons that interleave, against the golden op."""

import itertools
import random
from typing import Any

import cocotb
import torch

from ..models.golden.plif import LIF, plif
from .bench import Bench

__all__ = ["covers_corner", "keeps_its_pace", "matches_golden", "restarts_after_reset"]

Step = dict[str, int]
Model = dict[str, int]

_MODELS: list[Model] = [
    {"gain": gain, "shift": shift, "decay_input": decay, "soft_reset": soft}
    for (gain, shift), decay, soft in itertools.product(
        ((1, 1), (15, 4), (3, 0), (1, 15)), (0, 1), (0, 1))]


def _neuron(rng: random.Random, config: Any, neuron: int, timesteps: int) -> list[Step]:
    """Return the timesteps of one neuron, of any magnitude, alike often enough to matter."""
    reach = 1 << rng.randint(0, config.psum_bits - 1)
    silent = rng.random()
    fixed = {"neuron": neuron, "bias": rng.randrange(-reach, reach) // 4,
             "threshold": rng.randrange(-reach // 4, reach)}
    return [fixed | {"psum": 0 if rng.random() < silent else rng.randrange(-reach, reach),
                     "timestep": t, "last": int(t == timesteps - 1)} for t in range(timesteps)]


def _extreme(sign: int, config: Any) -> list[list[Step]]:
    """Return neurons whose membranes grow as far as they can, up or down."""
    high = (1 << (config.psum_bits - 1)) - 1
    value = high if sign > 0 else -high - 1
    threshold = -high - 1 if sign > 0 else high
    return [[{"neuron": neuron, "psum": value, "bias": value, "threshold": limit, "timestep": t,
              "last": int(t == config.timesteps - 1)} for t in range(config.timesteps)]
            for neuron, limit in enumerate((threshold, high)[:config.neurons])]


def _interleaved(rng: random.Random, neurons: list[list[Step]]) -> list[Step]:
    """Return all timesteps in a random order that keeps each neuron's own."""
    left = [list(steps) for steps in neurons]
    order = [index for index, steps in enumerate(left) for _ in steps]
    if rng.random() < 0.7:
        rng.shuffle(order)
    return [left[index].pop(0) for index in order]


def _golden(steps: list[Step], model: Model) -> list[dict[str, int]]:
    """Return the words in the order in which the last timesteps come."""
    lif = LIF(gain=model["gain"], shift=model["shift"], decay_input=bool(model["decay_input"]),
              reset="soft" if model["soft_reset"] else "hard")
    found, psums = [], {}
    for step in steps:
        history = psums.setdefault(step["neuron"], [])
        history.append(step["psum"])
        if step["last"]:
            spikes = plif(torch.tensor(history)[:, None], torch.tensor([step["bias"]]),
                          torch.tensor([step["threshold"]]), lif)[:, 0].tolist()
            found.append({"word": sum(spike << t for t, spike in enumerate(spikes)),
                          "neuron": step["neuron"]})
            del psums[step["neuron"]]
    return found


async def _run(bench: Bench, steps: list[Step], model: Model, source: Any, sink: Any) -> None:
    bench.write("lif", model)
    wanted, begun = _golden(steps, model), len(sink.values)
    source.put(steps)
    found = (await sink.take(begun + len(wanted)))[begun:]
    for number, (word, want) in enumerate(zip(found, wanted, strict=True)):
        assert word == want, f"word {number} must be {want}, not {word}"
    await bench.edge(3)


@cocotb.test()
@cocotb.parametrize(gaps=[0.0, 0.5], stalls=[0.0, 0.5])
async def matches_golden(dut: Any, gaps: float, stalls: float) -> None:
    """Neurons in any order and of any length fire as the golden ones, with all models."""
    bench = await Bench.start(dut)
    config, rng = bench.config, bench.rng
    source, sink = bench.source("i", gaps, burst=3), bench.sink("o", stalls, burst=3)
    for model in _MODELS:
        neurons = [_neuron(rng, config, neuron, rng.randint(1, config.timesteps))
                   for neuron in rng.sample(range(config.neurons), min(config.neurons, 6))]
        await _run(bench, _interleaved(rng, neurons), model, source, sink)
    lanes = {item["word"] >> t & 1 for item in sink.values for t in range(config.timesteps)}
    assert lanes == {0, 1}, "the stimulus must make neurons both fire and stay silent"


@cocotb.test()
@cocotb.parametrize(sign=[1, -1])
async def covers_corner(dut: Any, sign: int) -> None:
    """Membranes at both ends of their range, with each model."""
    bench = await Bench.start(dut)
    source, sink = bench.source("i"), bench.sink("o", 0.2)
    for model in _MODELS:
        steps = list(itertools.chain(*_extreme(sign, bench.config)))
        await _run(bench, steps, model, source, sink)


@cocotb.test()
async def keeps_its_pace(dut: Any) -> None:
    """Latency 1 and a timestep per cycle, of one neuron in a row too, as the docstring says."""
    bench = await Bench.start(dut)
    source, sink = bench.source("i"), bench.sink("o")
    await bench.edge(2)
    steps = list(itertools.chain(*(
        _neuron(bench.rng, bench.config, bench.rng.randrange(bench.config.neurons),
                bench.config.timesteps) for _ in range(20))))
    await _run(bench, steps, _MODELS[0], source, sink)
    lasts = [now for now, step in zip(source.cycles, steps, strict=True) if step["last"]]
    assert {out - into for into, out in zip(lasts, sink.cycles, strict=True)} == {1}
    assert {later - now for now, later in itertools.pairwise(source.cycles)} == {1}


@cocotb.test()
async def restarts_after_reset(dut: Any) -> None:
    """A reset drops the word that waits; neurons after it begin anew."""
    bench = await Bench.start(dut)
    neuron = _neuron(bench.rng, bench.config, 0, bench.config.timesteps)
    source = bench.source("i")
    await source.send(neuron)
    await bench.edge(3)
    assert int(dut.o__valid.value), "a word must wait"
    await bench.reset(1)
    await bench.edge()
    assert not int(dut.o__valid.value), "reset must drop the word"
    await _run(bench, neuron, _MODELS[1], source, bench.sink("o"))
