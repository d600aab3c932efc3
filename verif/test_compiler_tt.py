# SPDX-License-Identifier: Apache-2.0
"""Networks of tensor-train cores, compiled, give what the integer networks give."""

import re
from dataclasses import replace

import pytest

from spikeloom.gen.compiler.compile import compile_network
from spikeloom.gen.compiler.errors import CompileError
from spikeloom.gen.compiler.plan import plan_network
from spikeloom.gen.presets import load_config
from spikeloom.models.nn.quantization import integer_network
from spikeloom.models.nn.tensor_train_recipe import merged
from spikeloom.models.nn.unmerged import choose_exponents, unmerge
from spikeloom.models.zoo.tt_variants import VARIANTS
from spikeloom.verif.reference_machine import ReferenceMachine
from spikeloom.verif.tt_networks import SHAPE, frames, network_of, pictures

CONFIG = load_config("tt", ["chunk=16", "max_columns=16", "weight_buffer_beats=1024"])
SMALL = replace(SHAPE, blocks=((6, 2), (6, 1)))


def made(mode, way, seen=frames, bits=8):
    shape = replace(SMALL, frames=seen is frames)
    network = network_of(mode, shape)
    if way == "merged":
        return integer_network("small", merged(network, bits))
    return integer_network("small", unmerge(network, choose_exponents(network, seen(30).images),
                                            bits))


@pytest.mark.parametrize(("mode", "way"), [
    ("dense", "merged"), ("htt", "merged"), ("stt", "unmerged"), ("ptt", "unmerged"),
    ("htt", "unmerged")])
def test_program_gives_what_the_integer_network_gives(mode, way):
    seen = pictures if mode == "ptt" else frames
    network, images = made(mode, way, seen), seen(1).images
    program = compile_network(network, CONFIG, keep_all=True)
    machine = ReferenceMachine(CONFIG, program.content)
    machine.memory.load(program.manifest.input_address, program.encode_images(images.numpy()))
    machine.run(1)
    trace, memory = network.run(images), machine.memory.content
    assert program.read_result(memory, 0)[0].tolist() == trace.logits[0].tolist()
    steps = 0
    for layer in network.layers[:-1]:
        maps = trace[layer.name].maps[:, 0]
        if layer.output == "integers" and not layer.out_each_step:
            maps = maps[0]
        steps += layer.out_each_step
        found = program.read_map(memory, layer.name)
        assert found.shape == maps.shape and (found == maps.numpy()).all(), layer.name
    assert bool(steps) == (mode != "dense" or seen is frames)


def test_masks_are_in_the_descriptors():
    plan = plan_network(made("htt", "merged"), CONFIG)
    program = compile_network(plan.network, CONFIG)
    layers = ReferenceMachine(CONFIG, program.content).descriptors[1:]
    silent = {layer.name: fields["silent_steps"] for layer, fields
              in zip(plan.network.layers, layers, strict=True)}
    assert silent["block1a"] == silent["block2b"] == [12, 3]
    assert silent["stem"] == silent["readout"] == [0, 0]


@pytest.mark.parametrize(("change", "message"), [
    ({"each_step": 0}, "block1a_g1: output of integers of each timestep must be absent .*step=1"),
    ({"tppes": 7}, "block1a_g1: lane passes of the output must be at most 7, .*not 8; set tppes=8"),
    ({"guard_bits": 0}, "block1_shortcut: psum with bias must be in .* bits signed"),
])
def test_what_is_not_built_is_refused(change, message):
    config = replace(CONFIG, **change)
    refusals = plan_network(made("ptt", "unmerged"), config).refusals
    found = [str(error) for error in refusals]
    assert any(re.search(message, text) for text in found), found
    with pytest.raises(CompileError):
        compile_network(made("ptt", "unmerged"), config)


def test_names():
    assert len(VARIANTS) == 4 + 4 * 6
    for name, variant in VARIANTS.items():
        assert name == variant.name and name.startswith(variant.recipe.name)
    assert {"tt_digits_dense_int4", "tt_quadrants_htt_unmerged",
            "tt_digits_ptt_unmerged_int4"} < set(VARIANTS)


@pytest.mark.parametrize("name", VARIANTS)
def test_trained_networks_fit_the_preset(name):
    network = VARIANTS[name].load()
    assert network.name == name and network.timesteps == 4
    assert not plan_network(network, load_config("tt")).refusals
