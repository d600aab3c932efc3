# SPDX-License-Identifier: Apache-2.0
"""Weights as lists in program images: which format is chosen, what is stored, what is refused."""

import dataclasses
import re
import zlib

import msgspec
import numpy as np
import pytest

from spikeloom.gen.compiler.compile import compile_network
from spikeloom.gen.compiler.errors import CompileError
from spikeloom.gen.compiler.fibers import fiber_weights, lay_source
from spikeloom.gen.compiler.fields import pack_fields
from spikeloom.gen.compiler.plan import plan_network
from spikeloom.gen.compiler.predict import predict_layer
from spikeloom.gen.compiler.program import Program
from spikeloom.gen.compiler.report import check_report
from spikeloom.models.golden.network import IntegerNetwork
from spikeloom.models.golden.source import IMAGE
from spikeloom.rtl.config import AcceleratorConfig
from spikeloom.rtl.soc.descriptor import DESCRIPTOR_WORDS, descriptor_layout
from spikeloom.verif.payload import unpack
from spikeloom.verif.random_networks import RANDOM_NETWORKS, RandomWeights
from spikeloom.verif.reference_machine import ReferenceMachine
from spikeloom.verif.reference_memory import MachineError

CONFIG = AcceleratorConfig(pe="scan", rows_per_pe=4, tppes=4, chunk=64, laggy_adders=8,
                           max_columns=64, each_step=1)
CONFIGS = {
    "scan": CONFIG,
    "bcast": dataclasses.replace(CONFIG, pe="bcast"),
    "blocks": dataclasses.replace(CONFIG, chunk=8, max_columns=8, memory_bits=64, probes=1),
    "narrow": dataclasses.replace(CONFIG, memory_bits=32, weight_bits=6, beat_values=4,
                                  weight_buffer_beats=64, guard_bits=4),
}


def _network(density):
    """Return layers with an image, with many rows, with long columns, with few outputs."""
    made = RandomWeights(1, density)
    image = (3, 8, 8)
    wide = made.layer("wide", made.source(IMAGE, image, 64, (1, 1)), input_bits=8)
    rows = made.layer("rows", made.source("wide", wide.outputs, 64, (1, 1)))
    long = made.layer("long", made.source("rows", rows.outputs, 64, (8, 8)))
    out = made.layer("out", made.source("long", long.outputs, 10, (1, 1)), output="readout")
    return IntegerNetwork(name="formats", timesteps=4, layers=(wide, rows, long, out),
                          input_shape=image)


def _formats(density, config=CONFIG):
    plan = plan_network(_network(density), config)
    assert not plan.refusals
    return {name: layer.weights.delta_bits for name, layer in plan.layers.items()}


def test_the_format_follows_from_the_weights():
    sparse, dense = _formats(0.01), _formats(1.0)
    assert sparse["long"] >= 6, "long gaps want long deltas"
    assert dense["out"] == 0, "without gaps no delta is needed"
    assert dense["rows"] is None, "hits set the pace, and bitmasks take fewer words"


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("density", [0.02, 0.3, 0.8])
def test_the_fewest_cycles_are_chosen_then_the_fewest_words(name, density):
    config = CONFIGS[name]
    for plan in plan_network(_network(density), config).layers.values():
        found = []
        for weights in plan.formats:
            stays = (plan.order.tiles == 1 or weights.largest_block(plan.order.block_columns)
                     <= config.weight_buffer_beats)
            if stays or plan.order.blocks == 1:
                other = dataclasses.replace(plan, weights=weights, stream_weights=not stays)
                found.append((predict_layer(other, config), other.weight_words,
                              weights.delta_bits is None, weights.delta_bits))
        best = min(found)
        assert (predict_layer(plan, config), plan.weight_words) == best[:2]
        assert plan.weights.delta_bits == best[3]


def test_elements_that_join_take_fibers_only():
    config = AcceleratorConfig(chunk=64, laggy_adders=8, max_columns=64)
    assert set(_formats(0.01, config).values()) == {None}
    plan = plan_network(_network(0.01), config)
    assert [len(layer.formats) for layer in plan.layers.values()] == [1] * 4


@pytest.mark.parametrize("name", CONFIGS)
def test_weights_of_an_image_are_those_of_the_network(name):
    config = CONFIGS[name]
    for network in [_network(0.05), *(build(RandomWeights(5), config.timesteps)
                                      for build in RANDOM_NETWORKS.values())]:
        program = compile_network(network, config)
        machine = ReferenceMachine(config, program.content)
        memory = machine.memory
        for layer, fields in zip(network.layers, machine.descriptors[-len(network.layers):],
                                 strict=True):
            step = program.step(layer.name)
            address, words = step.weights
            assert fields["weight_list"] == (step.delta_bits is not None)
            assert fields["delta_bits"] == (step.delta_bits or 0)
            sources = tuple(lay_source(layer.name, x, config) for x in layer.sources)
            expected = fiber_weights(sources, config.chunk).reshape(layer.channels, -1).tolist()
            found, end = [], address
            while step.delta_bits is not None and len(found) < layer.channels:
                count = min(fields["block_columns"], layer.channels - len(found))
                block, end = memory.read_list(end, count, len(expected[0]), step.delta_bits)
                found += block
            if step.delta_bits is not None:
                assert found == expected
                assert end == address + words


def test_blocks_begin_with_a_new_word():
    """The first word of the second block is the same as if the block were all there is."""
    plan = plan_network(_network(0.05), CONFIGS["blocks"]).layers["rows"]
    weights, columns = plan.weights, plan.order.block_columns
    assert plan.order.blocks == 8 and weights.delta_bits is not None
    word_bytes = CONFIGS["blocks"].memory_bits // 8
    whole = plan.pack_weights()
    assert len(whole) == plan.weight_words * word_bytes
    alone = sum(-(-int(weights.column_beats[first:first + columns].sum())
                  // weights.list_format.beats_per_word) for first in range(0, 64, columns))
    assert plan.weight_words == alone > weights.words(64)


def test_a_block_too_long_for_the_buffer_is_refused():
    config = dataclasses.replace(CONFIG, weight_buffer_beats=64, max_columns=64, chunk=32)
    made = RandomWeights(1, 1.0)
    first = made.layer("first", made.source(IMAGE, (3, 8, 8), 70, (3, 3)), input_bits=8)
    out = made.layer("out", made.source("first", first.outputs, 2, first.outputs[1:]),
                     output="readout")
    network = IntegerNetwork(name="long", timesteps=4, layers=(first, out),
                             input_shape=(3, 8, 8))
    with pytest.raises(CompileError, match=re.escape(
            "first: beats of a weight block must be at most 64 (weight_buffer_beats) where the "
            "output channels (70) are more than max_columns (64), not 256")) as caught:
        compile_network(network, config)
    enough = 1 << (caught.value.value - 1).bit_length()
    compile_network(network, dataclasses.replace(config, weight_buffer_beats=enough))
    compile_network(network, dataclasses.replace(config, max_columns=70))


def test_what_is_chosen_is_told(tmp_path):
    plan = plan_network(_network(1.0), CONFIG)
    report = check_report(plan)
    program = compile_network(_network(1.0), CONFIG)
    for layer in report["layers"]:
        step = program.step(layer["name"])
        assert layer["delta_bits"] == step.delta_bits
        assert layer["weight_words"] == step.weights[1]
        assert layer["weight_bytes"] == 16 * step.weights[1]
        assert layer["predicted_cycles"] == step.cycles
    assert {layer["delta_bits"] for layer in report["layers"]} >= {None, 0}
    binary, _ = program.save(tmp_path)
    assert Program.load(binary).manifest == program.manifest


def _damaged(program, name, **fields):
    """Return the image with other fields in a layer's descriptor and a right checksum."""
    word_bytes = CONFIG.memory_bits // 8
    index = [step.name for step in program.manifest.steps].index(name)
    content = bytearray(program.content)
    start = 64 + index * 4 * DESCRIPTOR_WORDS
    layout = descriptor_layout()
    value = unpack(layout, int.from_bytes(content[start:start + 4 * DESCRIPTOR_WORDS], "little"))
    content[start:start + 4 * DESCRIPTOR_WORDS] = pack_fields(
        layout, value | fields, name).to_bytes(4 * DESCRIPTOR_WORDS, "little")
    content[-4:] = zlib.crc32(content[:-4]).to_bytes(4, "little")
    assert len(content) % word_bytes == 0
    return bytes(content)


@pytest.mark.parametrize("fields, text", [
    ({"delta_bits": 9}, "delta_bits must leave room for a beat in a word of 128 bits, not be 9"),
    ({"chunks": 1}, "position of a weight must be below 64, not"),
    ({"weight_words": 1}, "weight_words must be"),
    ({"weight_list": 0}, "bitmask|weight_words must be|read must be within"),
])
def test_contradictions_are_refused(fields, text):
    program = compile_network(_network(0.05), CONFIG)
    assert program.step("long").delta_bits is not None
    machine = ReferenceMachine(CONFIG, _damaged(program, "long", **fields))
    images = np.zeros((1, 3, 8, 8), np.uint8)
    machine.memory.load(program.manifest.input_address, program.encode_images(images))
    with pytest.raises(MachineError, match=text):
        machine.run(1)


def test_lists_are_refused_where_bitmasks_are_joined():
    config = AcceleratorConfig(chunk=64, laggy_adders=8, max_columns=64)
    program = compile_network(_network(0.05), config)
    machine = ReferenceMachine(config, _damaged(program, "wide", weight_list=1))
    with pytest.raises(MachineError, match="weight_list must be 0 with pe = loas, not 1"):
        machine.run(1)


def test_a_flipped_bit_of_the_weights_is_found():
    program = compile_network(_network(0.05), CONFIG)
    address, words = program.step("long").weights
    rng = np.random.default_rng(1)
    for place in rng.integers(address * 16, (address + words) * 16, 20).tolist():
        content = bytearray(program.content)
        content[place] ^= 1 << int(rng.integers(8))
        with pytest.raises(MachineError, match="CRC-32"):
            ReferenceMachine(CONFIG, bytes(content))


@pytest.mark.parametrize("pe, share", [("scan", 1.0), ("bcast", 1 - 0.75**16)])
def test_predicted_cycles(pe, share):
    """Counted by hand: what comes first, then the slowest of elements, rows, output, memory."""
    config = dataclasses.replace(CONFIG, pe=pe)
    plans = plan_network(_network(1.0), config).layers
    out = plans["out"]  # one row, ten columns of one chunk
    assert (out.weight_words, out.weights.column_beats.tolist()) == (54, [16] * 10)
    assert predict_layer(out, config, 0.0) == 150 + 54 + 160
    many = msgspec.structs.replace(out.order, columns=200, block_columns=200)
    assert predict_layer(dataclasses.replace(out, order=many), config, 0.0) == 150 + 54 + 200
    rows = plans["rows"]  # four tiles of 16 rows, four in each element; a quarter of them spikes
    assert (rows.tile_rows, rows.order.tiles) == (16, 4)
    weights = int(rows.weights.counts.sum())
    assert predict_layer(rows, config, 0.25) == int(
        150 + rows.weight_words + 4 * max(weights * share, rows.weights.column_beats.sum()))
    long = plans["long"]  # one row of 64 chunks, 4096 weights a column; fetched for one tile
    assert predict_layer(long, config, 0.0) == (
        150 + long.weight_words + int(long.weights.column_beats.sum()))
