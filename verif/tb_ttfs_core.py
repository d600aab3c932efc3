# SPDX-License-Identifier: Apache-2.0
"""Bench of the time-to-first-spike core: small networks with every operation, and bad frames."""

import dataclasses
from typing import Any

import cocotb
import numpy as np
import torch

from ..models.golden.ttfs_layers import TTFSFirst, TTFSNeurons
from ..models.golden.ttfs_network import TTFSNetwork
from ..rtl.ttfs.frame_reader import TTFSError
from .bench import Bench
from .random_ttfs import SHAPES, random_images, random_network
from .ttfs_host import TTFSHost

__all__ = ["counts_empty_steps_as_one_cycle", "gives_no_class_if_none_spikes", "matches_golden",
           "refuses_bad_frames", "restarts_after_reset", "takes_another_network",
           "walks_only_what_rises"]

_LOAD, _RUN = 1, 2


def _network(bench: Bench, shape: str, **fields: Any) -> TTFSNetwork:
    config = bench.config
    return random_network(
        shape, seed=bench.rng.randrange(1 << 16), time_bits=config.time_bits, tau_shift=2,
        guard_bits=config.guard_bits, weight_bits=config.weight_bits,
        kernel=None if config.kernel == "both" else config.kernel,
        most_delay=(1 << config.delay_bits) - 1,
        **{"channels": 6, "side": 10, "classes": 2 * config.lanes + 1} | fields)


async def _start(dut: Any, pauses: float = 0.0) -> tuple[Bench, TTFSHost]:
    bench = await Bench.start(dut)
    return bench, TTFSHost(bench, pauses)


@cocotb.test()
@cocotb.parametrize(shape=[cocotb.Param(name, name=name) for name in SHAPES], pauses=[0.0, 0.4])
async def matches_golden(dut: Any, shape: str, pauses: float) -> None:
    """Class, decision and every spike time are those of the golden network."""
    bench, host = await _start(dut, pauses)
    network = _network(bench, shape, inputs=2 if shape == "base" else 1)
    program = await host.load(network)
    images = random_images(network, 2, bench.rng.randrange(99))
    results = await host.check(network, program, images)
    for whole, early in zip(results[::2], results[1::2], strict=True):
        assert whole.times.keys() == program.graph.maps.keys()
        assert not whole.undecided, "the network must decide"
        assert early.counters["cycles"] < whole.counters["cycles"]
        assert early.counters["steps"] == early.decision
    spikes = np.concatenate([times.ravel() for times in results[0].times.values()])
    assert network.silent in spikes and len(set(spikes.tolist())) > 5


@cocotb.test()
async def takes_another_network(dut: Any) -> None:
    """A network loaded over another leaves nothing of it."""
    bench, host = await _start(dut)
    for shape in ("delay", "res", "base"):
        network = _network(bench, shape)
        program = await host.load(network)
        await host.check(network, program, random_images(network, 1))


def _timed(network: TTFSNetwork, time: int, window: int, rising: str = "") -> TTFSNetwork:
    """Return the network with all first spikes at one time, to neurons that never fire.

    Only those of layer ``rising`` have weights: the potentials of a linear kernel grow, but the
    threshold is far.
    """
    first, *rest = network.layers
    assert isinstance(first, TTFSFirst)
    first = dataclasses.replace(first, weight=first.weight * 0, shift=0, window=window,
                                bias=torch.full_like(first.bias, time))
    others = [dataclasses.replace(
        layer, weight=torch.full_like(layer.weight, int(layer.name == rising)), window=window,
        kernel="linear" if rising else layer.kernel, threshold_shift=12)
        for layer in rest if isinstance(layer, TTFSNeurons)]
    return dataclasses.replace(network, layers=(first, *others))


async def _count(bench: Bench, host: TTFSHost, network: TTFSNetwork) -> dict[str, int]:
    """Run an image that stays undecided to the end; return its counters."""
    whole, early = await host.check(network, await host.load(network), random_images(network, 1))
    assert whole.undecided and whole.predicted == 0 and early.counters == whole.counters
    return whole.counters


@cocotb.test()
async def counts_empty_steps_as_one_cycle(dut: Any) -> None:
    """A step in which nothing spikes and nothing moves takes one cycle, as many as there are."""
    bench, host = await _start(dut)
    network = _network(bench, "base")
    empty = network.silent - 2
    at_once, late = [await _count(bench, host, _timed(network, time, network.silent - 1))
                     for time in (0, empty)]
    assert late["cycles"] - at_once["cycles"] == late["steps"] - at_once["steps"] == empty
    assert late["events"] == at_once["events"] > 0


@cocotb.test()
async def walks_only_what_rises(dut: Any) -> None:
    """A step without spikes takes a cycle for each group that rises, and three more."""
    bench, host = await _start(dut)
    network = _network(bench, "base")
    short, long = [await _count(bench, host, _timed(network, 0, window, "conv1a"))
                   for window in (20, 90)]
    more = {name: long[name] - short[name] for name in long}
    channels, height, width = network.shapes["conv1a"]
    groups = height * width * -(-channels // bench.config.lanes)
    assert more["steps"] == 70 and more["updates"] == 70 * groups
    assert more["cycles"] == 70 * (groups + 3)


@cocotb.test()
async def gives_no_class_if_none_spikes(dut: Any) -> None:
    """The window of the classes may end before they spike: the image is undecided."""
    bench, host = await _start(dut)
    network = _network(bench, "base")
    last = network.layers[-1]
    assert isinstance(last, TTFSNeurons)
    last = dataclasses.replace(last, window=1)
    network = dataclasses.replace(network, layers=(*network.layers[:-1], last))
    results = await host.check(network, await host.load(network), random_images(network, 1))
    assert all(result.undecided for result in results)


@cocotb.test()
@cocotb.parametrize(error=[cocotb.Param(error.name, name=error.name.lower())
                           for error in TTFSError if error != TTFSError.NONE], pauses=[0.0, 0.4])
async def refuses_bad_frames(dut: Any, error: str, pauses: float) -> None:
    """An illegal frame stops the core: the port and one last frame say why; a reset helps."""
    bench, host = await _start(dut, pauses)
    config = bench.config
    network = _network(bench, "base")
    image = random_images(network, 1)
    program = await host.load(network)
    frame = program.image_frame(image[0].numpy())
    wrong_hash = program.frames[0].copy()
    wrong_hash[2] ^= 1
    bad = {
        "KIND": [np.array([bench.rng.choice([0, 3, _RUN | 1 << 16, _RUN | 4 << 8]), 0])],
        "REGION": [np.array([_LOAD | 6 << 8, 0, 0])],
        "ADDRESS": [np.array([_LOAD | 1 << 8, config.maps - 1, *[0] * 12])],
        "LENGTH": [bench.rng.choice([program.frames[2][:-1], np.array([_LOAD]),
                                     np.array([_LOAD | 1 << 8, 0])])],
        "IMAGE": [bench.rng.choice([frame[:-1], np.append(frame, 0), frame[:1]])],
        "CONFIGURATION": [wrong_hash],
    }
    if error == "NO_NETWORK":
        await bench.edge(10)
        host.source.clear()
        await bench.reset()
        await host.send(frame)
    else:
        await host.send(*bad[error])
    await host.send(frame)
    found = await host.receive()
    code = TTFSError[error].value
    assert found.tolist() == [code] and int(dut.error.value) == code
    await bench.edge(50)
    assert not int(dut.s_axis_tready.value), "the core must have stopped"
    assert host.sink.empty()
    host.source.clear()
    await bench.reset()
    assert int(dut.error.value) == 0
    await host.check(network, await host.load(network), image)


@cocotb.test()
async def restarts_after_reset(dut: Any) -> None:
    """A reset at any time of a run drops it."""
    bench, host = await _start(dut)
    network = _network(bench, "delay")
    image = random_images(network, 1)
    program = await host.load(network)
    await host.check(network, program, image)
    for cycles in (300, 1200, 2500, 4000):
        await host.send(program.image_frame(image[0].numpy(), early_exit=False, dump=True))
        await bench.edge(cycles)
        host.source.clear()
        await bench.reset()
        await bench.edge(5)
        host.sink.clear()
        assert not int(dut.m_axis_tvalid.value) and not int(dut.busy.value)
        await host.load(network)
        await host.check(network, program, image)
