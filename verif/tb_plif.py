# SPDX-License-Identifier: Apache-2.0
"""Bench of the parallel LIF: random neurons and the corner cases by name, against the golden op."""

import itertools
import random
from collections.abc import Iterable
from typing import Any

import cocotb
import torch

from ..models.golden.plif import LIF, plif
from ..rtl.config import FTPConfig
from .bench import Bench
from .plif_corners import CORNERS, neuron

__all__ = ["covers_corner", "golden_words", "keeps_its_pace", "matches_golden", "placed",
           "random_neurons", "restarts_after_reset"]

Neuron = dict[str, Any]


def golden_words(neurons: Iterable[Neuron]) -> list[dict[str, Any]]:
    """Return the words that the golden op gives, each with its neuron's place."""
    words = []
    for item in neurons:
        model, channel = item["lif"], item["channel"]
        spikes = plif(
            torch.tensor(item["psums"])[:, None], torch.tensor([channel["bias"]]),
            torch.tensor([channel["threshold"]]),
            LIF(gain=model["gain"], shift=model["shift"], decay_input=bool(model["decay_input"]),
                reset="soft" if model["soft_reset"] else "hard"))
        word = sum(spike << t for t, spike in enumerate(spikes[:, 0].tolist()))
        words.append({"word": word, "place": item["place"]})
    return words


def _assert_mixed(words: list[dict[str, Any]], config: FTPConfig) -> None:
    """Check that the stimulus made neurons fire and stay silent; a bench of one kind is blind."""
    lanes = [item["word"] >> t & 1 for item in words for t in range(config.timesteps)]
    assert {0, 1} == set(lanes), "the stimulus must make neurons both fire and stay silent"


def placed(neurons: Iterable[Neuron], rng: random.Random, config: FTPConfig) -> list[Neuron]:
    """Return the neurons at random places."""
    return [item | {"place": {
        "row": rng.randrange(max(config.tppes, 2)), "column_end": rng.getrandbits(1),
        "last": rng.getrandbits(1), "drop_single": rng.getrandbits(1),
    }} for item in neurons]


def _random_neuron(rng: random.Random, config: FTPConfig) -> Neuron:
    """Return a neuron whose operands have any magnitude, alike often enough to matter."""
    largest = config.psum_bits - 1
    reach = 1 << rng.randint(0, largest)
    silent = rng.random()

    def draw(limit: int) -> int:
        return 0 if rng.random() < silent else rng.randrange(-limit, limit)

    threshold = rng.choice([reach, 1 << rng.randint(0, largest)])
    return neuron(
        [draw(reach) for _ in range(config.timesteps)], bias=draw(reach),
        threshold=rng.randrange(-threshold // 4, threshold), gain=rng.randint(1, 15),
        shift=rng.choice([0, 1, 2, 3, 4, rng.randint(0, 15)]),
        decay_input=rng.getrandbits(1), soft_reset=rng.getrandbits(1))


def random_neurons(bench: Bench, count: int) -> list[Neuron]:
    """Return random neurons at random places."""
    found = [_random_neuron(bench.rng, bench.config) for _ in range(count)]
    return placed(found, bench.rng, bench.config)


@cocotb.test()
@cocotb.parametrize(gaps=[0.0, 0.5], stalls=[0.0, 0.5])
async def matches_golden(dut: Any, gaps: float, stalls: float) -> None:
    """Every neuron fires as the golden one and keeps its place, whatever the stalls."""
    bench = await Bench.start(dut)
    neurons = random_neurons(bench, 400)
    expected = golden_words(neurons)
    _assert_mixed(expected, bench.config)
    source, sink = bench.source("i", gaps, burst=3), bench.sink("o", stalls, burst=3)
    source.put(neurons)
    assert await sink.take(len(neurons)) == expected
    await bench.edge(10)
    assert len(sink.values) == len(neurons), "a word was repeated"


@cocotb.test()
@cocotb.parametrize(corner=[cocotb.Param(name, name=name) for name in CORNERS])
async def covers_corner(dut: Any, corner: str) -> None:
    """The neurons of each named corner case fire as the golden ones."""
    bench = await Bench.start(dut)
    neurons = placed(CORNERS[corner](bench.config), bench.rng, bench.config)
    expected = golden_words(neurons)
    _assert_mixed(expected, bench.config)
    source, sink = bench.source("i", 0.2), bench.sink("o", 0.2)
    source.put(neurons)
    for got, want, item in zip(await sink.take(len(neurons)), expected, neurons, strict=True):
        assert got == want, f"{item} must give {want}, not {got}"


@cocotb.test()
async def keeps_its_pace(dut: Any) -> None:
    """Latency T + 1 and a neuron per cycle, as the component's docstring says."""
    bench = await Bench.start(dut)
    source, sink = bench.source("i"), bench.sink("o")
    await bench.edge(2)
    source.put(random_neurons(bench, 50))
    await sink.take(50)
    assert {out - into for into, out in zip(source.cycles, sink.cycles, strict=True)} == {
        bench.config.timesteps + 1}
    assert {later - now for now, later in itertools.pairwise(source.cycles)} == {1}


@cocotb.test()
async def restarts_after_reset(dut: Any) -> None:
    """A reset drops the word that waits and the neurons at work; those after it are right."""
    bench = await Bench.start(dut)
    await bench.source("i").send(random_neurons(bench, bench.config.timesteps + 1))
    await bench.edge(3)
    assert int(dut.o__valid.value) and int(dut.busy.value), "a word must wait"
    await bench.reset(1)
    await bench.edge()
    assert not int(dut.o__valid.value) and not int(dut.busy.value), "reset must drop all"
    neurons = random_neurons(bench, 20)
    source, sink = bench.source("i"), bench.sink("o")
    source.put(neurons)
    assert await sink.take(20) == golden_words(neurons)
