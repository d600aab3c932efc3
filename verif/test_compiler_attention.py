# SPDX-License-Identifier: Apache-2.0
"""Attention and pooling of residuals, compiled: the reference machine against the golden model."""

import dataclasses
import re

import numpy as np
import pytest
import torch

from spikeloom.gen.compiler.compile import compile_network
from spikeloom.gen.compiler.errors import CompileError
from spikeloom.gen.compiler.plan import plan_network
from spikeloom.gen.compiler.predict import predict_layer
from spikeloom.gen.compiler.report import check_report, check_table
from spikeloom.gen.presets import load_config
from spikeloom.gen.session.session import StepTrace
from spikeloom.models.golden import row_walker
from spikeloom.models.nn.quantization import fold_network, integer_network
from spikeloom.rtl.config import AcceleratorConfig, AttentionConfig
from spikeloom.rtl.soc.descriptor import Operation
from spikeloom.verif.divergence import first_divergence, golden_steps
from spikeloom.verif.random_attention import attention_network
from spikeloom.verif.random_networks import RandomWeights, random_images
from spikeloom.verif.reference_machine import ReferenceMachine
from spikeloom.verif.reference_tiles import walk
from spikeloom.verif.statten_networks import SHAPES, alive, inputs

ATTENTION = AttentionConfig(channels=16, head_channels=8, adders=4, tokens=64, chunk_steps=4,
                            chunks=4, rows=2)
CONFIG = AcceleratorConfig(
    timesteps=4, chunk=8, weight_bits=8, tppes=7, laggy_adders=2, beat_values=2, max_fan_in=512,
    memory_bits=32, max_columns=64, weight_buffer_beats=1024, guard_bits=8, attention=ATTENTION)


def _compare(network, config, images):
    """Run a network on the reference machine and compare what it leaves in memory."""
    program = compile_network(network, config, images=1, keep_all=True)
    machine = ReferenceMachine(config, program.content)
    machine.memory.load(program.manifest.input_address, program.encode_images(images))
    machine.run(1)
    memory = machine.memory.content
    golden = golden_steps(network, network.run(torch.from_numpy(images)), images, 0)
    traced = {}
    for step in program.manifest.steps:
        logits = program.read_result(memory)[0] if step.output == "readout" else None
        traced[step.name] = StepTrace(
            map=program.read_map(memory, step.name) if step.map else None,
            residual=program.read_residual(memory, step.name) if step.residual else None,
            logits=logits)
    assert first_divergence(program, golden, traced) is None
    return program


@pytest.mark.parametrize("steps, memory_bits, max_columns", [
    (1, 32, 64), (2, 64, 64), (4, 128, 8)])
def test_random_network(steps, memory_bits, max_columns):
    config = dataclasses.replace(CONFIG, memory_bits=memory_bits, weight_buffer_beats=64)
    network = attention_network(RandomWeights(steps), 4, steps)
    program = _compare(network, config, random_images(network, 1, steps).numpy())
    engines = {step.name: step.engine for step in program.manifest.steps}
    assert (engines["stem"], engines["attend"]) == ("residual_pool", "attention")
    blocks = {step.name: step.blocks for step in program.manifest.steps}
    assert blocks["attend"] == 1 and blocks["first"] == blocks["stem"] == blocks["place"]


def test_spikes_as_input():
    config = dataclasses.replace(CONFIG, timesteps=5, attention=dataclasses.replace(
        ATTENTION, chunk_steps=5, chunks=1))
    network = attention_network(RandomWeights(2), 5, 5, spikes=True)
    images = np.random.default_rng(1).integers(0, 2, (1, 5, *network.input_shape), np.uint8)
    _compare(network, config, images)
    for wrong in (images + 1, images[:, :4], images.astype(np.int64)):
        with pytest.raises(ValueError, match="images must be uint8"):
            compile_network(network, config).encode_images(wrong)


@pytest.mark.parametrize("name", SHAPES)
def test_transformer(name):
    """Untrained spiking transformers of all modes."""
    shape = SHAPES[name]
    config = load_config("statten", [
        f"timesteps={shape.timesteps}", f"attention.chunk_steps={shape.timesteps}",
        f"attention.chunks={shape.timesteps}"])
    network = integer_network(name, fold_network(alive(shape)))
    _compare(network, config, inputs(shape, 1, 3).numpy())


def test_golden_row_walker_walks_the_same_tiles():
    program = compile_network(attention_network(RandomWeights(1), 4, 2), CONFIG)
    for layer in ReferenceMachine(CONFIG, program.content).descriptors:
        if Operation(layer["operation"]) == Operation.LAYER:
            golden = row_walker.walk(layer, CONFIG.tile_rows, CONFIG.chunk, CONFIG.max_chunks)
            ours = [*walk(layer)] * (1 + layer["attention"])
            assert [len(tile.rows) for tile in ours] == [len(tile.rows) for tile in golden]


def test_report_names_the_engines():
    network = attention_network(RandomWeights(1), 4, 2)
    report = check_report(plan_network(network, CONFIG))
    entries = {entry["name"]: entry for entry in report["layers"]}
    assert entries["attend"]["engine"] == "attention"
    assert entries["head"]["inputs"] == "residuals"
    assert entries["stem"]["engine"] == "residual_pool" and check_table(report).row_count == 8


@pytest.mark.parametrize("fields, member", [
    ({"memory_bits": 32}, 2), ({"memory_bits": 128}, 28 / 16),
    ({"memory_bits": 128, "memory": "on_chip"}, 1)])
def test_predicted_cycles_of_pooling(fields, member):
    """Two words of each member, or 16 members under way while the memory answers, or one each."""
    config = dataclasses.replace(CONFIG, **fields)
    plan = plan_network(attention_network(RandomWeights(1), 4, 2), config)
    channels, side = 12, (4, 3)  # 3x3 pixels each; then all of these
    assert predict_layer(plan.layers["stem"], config) == int(
        150 + channels * side[0] * side[1] * 9 * member)
    assert predict_layer(plan.layers["head"], config) == int(
        150 + channels * side[0] * side[1] * member)


@pytest.mark.parametrize("order, steps, density, token", [
    ("sums", 2, 0.25, (25, 25)),                 # to fetch and expand takes longest
    ("scores", 2, 0.25, (25, 25 + 3 * 12 * 2)),  # 2 slices of a head, with each of 12 tokens
    ("scores", 4, 0.25, (25, 25 + 3 * 12 * 4)),  # 4 steps of a chunk
])
def test_predicted_cycles_of_attention(order, steps, density, token):
    config = dataclasses.replace(CONFIG, attention=dataclasses.replace(ATTENTION, order=order))
    plan = plan_network(attention_network(RandomWeights(1), 4, steps), config)
    # 12 tokens of 5 chunks, 4 beats each and 1 more; sums set to zero; results of the last tile.
    cleared = 12 * 2 if order == "sums" else 0
    assert predict_layer(plan.layers["attend"], config, density) == int(
        150 + cleared + 12 * sum(token) + 2 * 12)


def _refused(text, network, config):
    with pytest.raises(CompileError, match=re.escape(text)):
        compile_network(network, config)


@pytest.mark.parametrize("fields, text", [
    ({"channels": 8}, "must be at most 8 (attention.channels), not 12; set attention.channels=12"),
    ({"tokens": 11}, "attend: tokens must be at most 11 (attention.tokens), not 12"),
    ({"chunk_steps": 1}, "attend: chunk_steps must be at most 1 (attention.chunk_steps), not 2"),
    ({"chunks": 1}, "attend: chunks of timesteps must be at most 1 (attention.chunks), not 2"),
    ({"adders": 2, "head_channels": 2},
     "attend: channels of a head must be at most 2 (attention.head_channels), not 4"),
])
def test_what_does_not_fit(fields, text):
    config = dataclasses.replace(CONFIG, attention=dataclasses.replace(
        ATTENTION, head_channels=8, **fields) if "head_channels" not in fields else
        dataclasses.replace(ATTENTION, **fields))
    _refused(text, attention_network(RandomWeights(1), 4, 2), config)


def test_without_the_unit():
    config = dataclasses.replace(CONFIG, attention=None)
    network = attention_network(RandomWeights(1), 4, 2)
    found = {error.layer: str(error) for error in plan_network(network, config).refusals}
    assert found["attend"].startswith("attend: attention must be absent where the configuration")
    assert "choose a configuration with [attention]" in found["stem"]
    beats = dataclasses.replace(CONFIG, beat_values=8, chunk=16, memory_bits=64,
                                attention=dataclasses.replace(ATTENTION, adders=8))
    _refused("attend: channels of a head must be a multiple of beat_values (8), not 4",
             network, beats)


def test_no_input_of_so_many_spikes():
    config = dataclasses.replace(CONFIG, timesteps=9, attention=dataclasses.replace(
        ATTENTION, chunk_steps=9, chunks=1))
    _refused("attention: timesteps must be at most 8 where the input is spikes, not 9",
             attention_network(RandomWeights(1), 9, 9, spikes=True), config)
