# SPDX-License-Identifier: Apache-2.0
"""Small accelerators for small networks: exact, and what they leave out is refused."""

import dataclasses
import re

import pytest
import torch

from spikeloom.gen.compiler.compile import compile_network
from spikeloom.gen.compiler.errors import CompileError
from spikeloom.models.golden.network import IntegerNetwork
from spikeloom.models.golden.source import IMAGE
from spikeloom.models.zoo import digits_micro
from spikeloom.rtl.config import AcceleratorConfig, ConfigError, LimitsConfig
from spikeloom.verif.program_run import run_program
from spikeloom.verif.random_networks import RANDOM_NETWORKS, RandomWeights, random_images
from spikeloom.verif.verilator_transport import VerilatorTransport

LIMITS = LimitsConfig(address_bits=12, side=7, kernel=3, outputs=10, sources=1, pool=1, integers=0,
                      gain=1, leak=3, counters=0, serial=1, buffers=0, checks=0)
SMALL = AcceleratorConfig(
    timesteps=4, chunk=8, weight_bits=5, tppes=1, inner_join="fast_fast", laggy_adders=2,
    beat_values=1, max_fan_in=144, memory="on_chip", memory_words=2048, memory_bits=32,
    max_columns=10, fetch_depth=2, column_fifo_depth=2, burst_words=2, weight_buffer_beats=64,
    counter_bits=16, requantize=0, limits=LIMITS)
IMAGE_SHAPE = (2, 7, 6)
# Serial, but for networks of all kinds.
SERIAL = dataclasses.replace(
    SMALL, tppes=4, inner_join="fast_laggy", beat_values=2, guard_bits=8, max_fan_in=1024,
    memory_words=(1 << 14) - 1, max_columns=32, weight_buffer_beats=1024,
    limits=LimitsConfig(address_bits=14, serial=1, counters=0))


def network(**changes):
    """Return a network that reads spikes: two convolutions and a readout."""
    weights = RandomWeights(3)
    a = weights.layer("a", weights.source(IMAGE, IMAGE_SHAPE, 10, (3, 3), padding=(1, 1),
                                          stride=2), reach=6)
    b = weights.layer("b", weights.source("a", a.outputs, 9, (3, 3)), **changes)
    out = weights.layer("out", weights.source("b", b.outputs, 4, b.outputs[1:]),
                        output="readout")
    return IntegerNetwork(name="small", timesteps=4, layers=(a, b, out), input_shape=IMAGE_SHAPE,
                          input_bits=0)


def spikes(count):
    """Return spikes of each timestep."""
    generator = torch.Generator().manual_seed(5)
    return (torch.rand((count, 4, *IMAGE_SHAPE), generator=generator) < 0.3).to(torch.uint8)


def several():
    """Return a network with bit planes, pooling, two sources and several blocks of weights."""
    return RANDOM_NETWORKS["two_sources"](RandomWeights(7), 4)


def digits(count):
    """Return inputs of the trained network."""
    return digits_micro.RECIPE.load_test().images[:count]


@pytest.mark.parametrize(("config", "made", "images"), [
    (SMALL, network, spikes), (SERIAL, several, lambda count: random_images(several(), count, 5)),
    (SERIAL, digits_micro.RECIPE.load, digits),
], ids=["small", "serial", "digits"])
def test_network_is_exact(config, made, images):
    program = compile_network(made(), config, images=2, keep_all=True)
    with VerilatorTransport(config) as transport:
        report = run_program(program, made(), images(3), transport, timeout=120,
                             every_image=True)
    assert report.error == "" and report.divergence is None, f"{report.error} {report.divergence}"
    assert report.exact and all(layer.exact for layer in report.layers)


@pytest.mark.parametrize(("limit", "text"), [
    ({"side": 6}, "a: side must be at most 6 (limits.side), not 7; set limits.side=7"),
    ({"kernel": 2}, "a: kernel must be at most 2 (limits.kernel), not 3; set limits.kernel=3"),
    ({"outputs": 9}, "a: outputs must be at most 9 (limits.outputs), not 10"),
    ({"leak": 0}, "a: leak must be at most 0 (limits.leak), not 1"),
])
def test_larger_networks_are_refused(limit, text):
    config = dataclasses.replace(SMALL, limits=dataclasses.replace(LIMITS, **limit))
    with pytest.raises(CompileError, match=re.escape(text)):
        compile_network(network(), config)


@pytest.mark.parametrize(("changes", "text"), [
    ({"memory": "axi"}, "memory must be on_chip, of 32 bits, with limits.serial, not axi of 32"),
    ({"memory_words": 4096}, "memory_words must be below 2 ** limits.address_bits (4096)"),
    ({"requantize": 1}, "requantize must be 0 with limits.serial, not 1"),
    ({"limits": 3}, "limits must be a table of parameters, not 3"),
])
def test_illegal_configurations(changes, text):
    with pytest.raises(ConfigError, match=re.escape(text)):
        dataclasses.replace(SMALL, **changes)
