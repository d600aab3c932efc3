# SPDX-License-Identifier: Apache-2.0
"""Networks with attention and pooling of residuals on the whole accelerator: every value."""

import dataclasses

import pytest
import torch

from spikeloom.gen.compiler.compile import compile_network
from spikeloom.rtl.config import AcceleratorConfig, AttentionConfig
from spikeloom.verif.program_run import run_program
from spikeloom.verif.random_attention import attention_network
from spikeloom.verif.random_networks import RandomWeights, random_images
from spikeloom.verif.verilator_transport import BusTiming, VerilatorTransport

FOUR = AcceleratorConfig(
    timesteps=4, chunk=8, weight_bits=6, tppes=3, laggy_adders=2, beat_values=2, max_fan_in=512,
    memory_bits=32, max_columns=64, weight_buffer_beats=1024, burst_words=4, guard_bits=8,
    match_fifo_depth=2, column_fifo_depth=2, fetch_depth=2, attention=AttentionConfig(
        channels=16, head_channels=8, adders=4, tokens=12, chunk_steps=4, chunks=4, rows=2))
FIVE = dataclasses.replace(FOUR, timesteps=5, tppes=4, memory_bits=128, attention=AttentionConfig(
    channels=24, head_channels=4, adders=2, tokens=12, chunk_steps=5, chunks=1, rows=4))
SLOW = BusTiming(latency=30, pace=100, stall=60)


def _run(config, network, images, timing=None):
    program = compile_network(network, config, keep_all=True)
    engines = [step.engine for step in program.manifest.steps]
    assert engines.count("attention") == 1 and engines.count("residual_pool") == 2
    with VerilatorTransport(config, timing=timing or BusTiming(latency=2)) as transport:
        report = run_program(program, network, images, transport, timeout=3000)
    assert report.error == "" and report.divergence is None, f"{report.error} {report.divergence}"
    assert report.exact and all(layer.exact for layer in report.layers)
    return {layer.name: layer for layer in report.layers}


@pytest.mark.parametrize("steps, timing", [(1, None), (2, SLOW), (4, None)])
def test_four_steps(steps, timing):
    network = attention_network(RandomWeights(3), 4, steps)
    layers = _run(FOUR, network, random_images(network, 1, 5), timing)
    assert layers["attend"].engine == "attention" and layers["attend"].counters["match"]
    assert layers["stem"].engine == layers["head"].engine == "residual_pool"


def test_five_steps_of_spikes():
    network = attention_network(RandomWeights(4), 5, 5, spikes=True)
    generator = torch.Generator().manual_seed(6)
    images = torch.randint(0, 2, (2, 5, *network.input_shape), generator=generator,
                           dtype=torch.uint8)
    _run(FIVE, network, images)
