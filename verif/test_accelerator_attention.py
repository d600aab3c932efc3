# SPDX-License-Identifier: Apache-2.0
"""Networks with attention and pooling of residuals on the whole accelerator: every value.

One build serves the random networks of four timesteps and a trained one.
"""

import dataclasses

import pytest
import torch

from spikeloom.gen.compiler.compile import compile_network
from spikeloom.models.golden.ftp_array import count_matches
from spikeloom.models.golden.lane_word import pack
from spikeloom.models.golden.layer import AttentionLayer, IntegerLayer
from spikeloom.models.zoo.registry import get
from spikeloom.rtl.config import AcceleratorConfig, AttentionConfig
from spikeloom.verif.layer_events import attention_work
from spikeloom.verif.program_run import run_program
from spikeloom.verif.random_attention import attention_network
from spikeloom.verif.random_networks import RandomWeights, random_images
from spikeloom.verif.verilator_transport import BusTiming, VerilatorTransport

FOUR = AcceleratorConfig(
    timesteps=4, chunk=8, weight_bits=8, tppes=3, laggy_adders=2, beat_values=2, max_fan_in=512,
    memory_bits=32, max_columns=96, weight_buffer_beats=1024, burst_words=4, guard_bits=8,
    match_fifo_depth=2, column_fifo_depth=2, fetch_depth=2, attention=AttentionConfig(
        channels=32, head_channels=8, adders=4, tokens=16, chunk_steps=4, chunks=4, rows=2))
FIVE = dataclasses.replace(
    FOUR, timesteps=5, tppes=4, weight_bits=6, memory_bits=128, attention=AttentionConfig(
        channels=24, head_channels=4, adders=2, tokens=12, chunk_steps=5, chunks=1, rows=4))
SLOW = BusTiming(latency=30, pace=100, stall=60)


def _run(config, network, images, timing=None):
    """Run a network and return its report; every layer must be exact."""
    program = compile_network(network, config, keep_all=True)
    engines = [step.engine for step in program.manifest.steps]
    assert engines.count("attention") == 1 and engines.count("residual_pool") == 2
    with VerilatorTransport(config, timing=timing or BusTiming(latency=2)) as transport:
        report = run_program(program, network, images, transport, timeout=3000)
    assert report.error == "" and report.divergence is None, f"{report.error} {report.divergence}"
    assert report.exact and all(layer.exact for layer in report.layers)
    assert len(report.predictions) == len(images)
    return report


@pytest.mark.parametrize("steps, timing", [(1, None), (2, SLOW), (4, None)])
def test_four_steps(steps, timing):
    network = attention_network(RandomWeights(3), 4, steps)
    report = _run(FOUR, network, random_images(network, 1, 5), timing)
    layers = {layer.name: layer for layer in report.layers}
    assert layers["attend"].engine == "attention" and layers["attend"].counters["match"]
    _check_counts(report, network, random_images(network, 1, 5))
    assert layers["stem"].engine == layers["head"].engine == "residual_pool"


def test_trained_transformer_on_a_real_image():
    """STAtten's stem, block and head, trained; `make sim` and `make regress` run more."""
    recipe = get("statten_digits")
    network, test = recipe.load(), recipe.load_test()
    report = _run(FOUR, network, test.images[:1])
    assert report.predictions == [int(test.labels[0])]
    _check_counts(report, network, test.images[:1])


def _check_counts(report, network, images):
    """What the energy is counted from must be what the hardware counted."""
    trace, layers = network.run(images), {layer.name: layer for layer in report.layers}
    for layer in network.layers:
        rows, counters = trace[layer.name].rows, layers[layer.name].counters
        if isinstance(layer, AttentionLayer):
            assert counters["match"] == attention_work(layer, rows, FOUR).entries
        elif isinstance(layer, IntegerLayer) and not layer.input_bits:
            assert counters["match"] == count_matches(pack(rows), layer.weight_matrix())


@pytest.mark.long
def test_five_steps_of_spikes():
    network = attention_network(RandomWeights(4), 5, 5, spikes=True)
    generator = torch.Generator().manual_seed(6)
    images = torch.randint(0, 2, (2, 5, *network.input_shape), generator=generator,
                           dtype=torch.uint8)
    _run(FIVE, network, images)
