# SPDX-License-Identifier: Apache-2.0
"""Layers on crossbars: what is stored, what is refused, and the whole program run."""

import dataclasses
import json
import re

import numpy as np
import pytest
import torch

from spikeloom.gen.cli import main
from spikeloom.gen.compiler.compile import compile_network
from spikeloom.gen.compiler.crossbars import on_crossbars
from spikeloom.gen.compiler.errors import CompileError
from spikeloom.gen.compiler.plan import plan_network
from spikeloom.gen.compiler.program import Program
from spikeloom.gen.presets import load_config
from spikeloom.models.golden.conductance import Device
from spikeloom.models.zoo import registry
from spikeloom.rtl.config import AcceleratorConfig, CrossbarConfig
from spikeloom.verif.random_networks import RANDOM_NETWORKS, RandomWeights, random_images
from spikeloom.verif.reference_machine import ReferenceMachine

CROSSBAR = CrossbarConfig(
    rows=32, columns=96, cell_bits=2, fraction_bits=3, adc_shift=3, adc_bits=8, weight_bits=6,
    tiles=9, timesteps=3, beat_values=4, columns_per_adc=4)
CONFIG = AcceleratorConfig(
    timesteps=3, chunk=16, weight_bits=6, tppes=6, laggy_adders=8, beat_values=4, max_fan_in=512,
    memory_bits=32, max_columns=32, weight_buffer_beats=1024, burst_words=4, guard_bits=8,
    crossbar=CROSSBAR)
DEVICE = Device(sigma=0.1, stuck_low=0.01, stuck_high=0.01, offset_sigma=3.0, seed=5)


def changed(config=CONFIG, crossbar=None, **fields):
    parts = dataclasses.replace(config.crossbar, **crossbar or {})
    return dataclasses.replace(config, crossbar=parts, **fields)


def network_of(name="two_sources", timesteps=3):
    return RANDOM_NETWORKS[name](RandomWeights(1), timesteps)


CONFIGS = {
    "differential": CONFIG,
    "offset": changed(crossbar=dict(encoding="offset", cell_bits=3)),
    "sign": changed(crossbar=dict(encoding="sign", adc_bits=5, adc_shift=4)),
    "blocks": changed(chunk=8, max_columns=8, memory_bits=128, crossbar=dict(columns=64)),
    "lanes": changed(timesteps=4, max_fan_in=1024, memory_bits=64, crossbar=dict(
        timesteps=4, rows=64, tiles=16)),
}


@pytest.mark.parametrize("name", RANDOM_NETWORKS)
@pytest.mark.parametrize("config", CONFIGS)
def test_programs_give_what_the_golden_network_gives(name, config):
    """The reference machine knows the cells from the image alone."""
    config = CONFIGS[config]
    network = on_crossbars(network_of(name, config.timesteps), config, device=DEVICE)
    assert all(layer.crossbars for layer in network.layers)
    images = random_images(network, 1, 3)
    program = compile_network(network, config, keep_all=True)
    machine = ReferenceMachine(config, program.content)
    machine.memory.load(program.manifest.input_address, program.encode_images(images.numpy()))
    machine.run(1)
    memory, trace = machine.memory.content, network.run(images)
    for layer in network.layers:
        golden = trace[layer.name]
        if golden.maps is not None:
            maps = golden.maps[:, 0]
            expected = maps[0] if layer.output == "integers" else maps
            assert np.array_equal(program.read_map(memory, layer.name), expected), layer.name
        if layer.keep_residual:
            found = program.read_residual(memory, layer.name)
            height, width = layer.maps
            expected = golden.currents.view(config.timesteps, height, width, -1).permute(0, 3, 1, 2)
            assert np.array_equal(found, expected[..., :found.shape[2], :found.shape[3]])
    assert program.read_result(memory)[0].tolist() == trace.logits[0].tolist()


def test_ideal_crossbars_are_exact():
    network = network_of()
    images = random_images(network, 2, 3)
    placed = on_crossbars(network, changed(crossbar=dict(adc_bits=10)))
    assert torch.equal(placed.run(images).logits, network.run(images).logits)
    assert on_crossbars(network, CONFIG, "none") is network


def test_some_layers():
    """The others run on the array, also where residuals tie them to one on crossbars."""
    network = on_crossbars(network_of("residuals"), CONFIG, ["b", "c"], DEVICE)
    program = compile_network(network, CONFIG, keep_all=True)
    assert [step.name for step in program.manifest.steps if step.engine == "crossbar"] == ["b", "c"]
    images = random_images(network, 1, 4)
    machine = ReferenceMachine(CONFIG, program.content)
    machine.memory.load(program.manifest.input_address, program.encode_images(images.numpy()))
    machine.run(1)
    assert program.read_result(machine.memory.content)[0].tolist() == (
        network.run(images).logits[0].tolist())
    assert {layer["block_columns"] for layer in machine.descriptors[2:-1]} == {16}


def test_cells_in_memory():
    """Bits 0 to 14 the conductance, 15 the sign; offsets behind the rows; blocks are padded."""
    config = changed(memory_bits=128, chunk=8, max_columns=8, weight_bits=5, crossbar=dict(
        encoding="sign", weight_bits=5, columns=36, columns_per_adc=9, rows=20, tiles=16))
    network = on_crossbars(network_of(), config, ["d"], DEVICE)
    program = compile_network(network, config)
    step, layer = program.step("d"), network.layers[3]
    first, words = step.weights
    content = program.content[16 * first:16 * (first + words)]
    lines = sum(source.kernel[0] * source.kernel[1] * 2 for source in layer.sources) * 8
    assert (lines, step.blocks) == (32, 3)
    block = -(-(lines + 2) * 36 * 2 // 16) * 16
    assert len(content) == 3 * block
    for number, (one, two) in enumerate(layer.crossbars.images):
        cells = np.frombuffer(content[number * block:(number + 1) * block], "<u2").astype(int)
        rows, rest = cells[:34 * 36].reshape(34, 36), cells[34 * 36:]
        assert not rest.any()
        for image, part in ((one, rows[:21]), (two, rows[21:])):
            count = len(part) - 1
            assert np.array_equal(part[:-1] & 0x7FFF, image.cells[:count])
            assert np.array_equal(part[:-1, ::2][:, :16] >> 15, image.negative[:count, :16])
            assert not (part[:, 1::2] >> 15).any() and not (part[-1] >> 15).any()
            assert np.array_equal(part[-1], image.offsets & 63)
    assert any((image.offsets < 0).any() for block in layer.crossbars.images for image in block)
    assert layer.crossbars.images[0][0].negative.any()


def test_each_layer_has_cells_of_its_own():
    """Whichever others go, and the same for the same seed."""
    network = network_of()
    every = on_crossbars(network, CONFIG, device=DEVICE)
    alone = on_crossbars(network, CONFIG, ["d"], DEVICE)
    index = [layer.name for layer in network.layers].index("d")
    blocks = every.layers[index].crossbars.images
    for one, other in zip(blocks, alone.layers[index].crossbars.images, strict=True):
        assert torch.equal(one[0].cells, other[0].cells)
    assert len(blocks) == 2
    assert not torch.equal(blocks[0][0].offsets, blocks[1][0].offsets)
    for seed in (4, 6, DEVICE.seed + (1 << 20)):
        others = on_crossbars(network, CONFIG, ["d"], dataclasses.replace(DEVICE, seed=seed))
        found = others.layers[index].crossbars.images[0][0]
        assert not torch.equal(found.offsets, blocks[0][0].offsets)
        assert not torch.equal(found.cells, blocks[0][0].cells)


def test_all_are_those_that_fit():
    config = changed(crossbar=dict(tiles=4))
    network = on_crossbars(network_of(), config)
    assert [layer.name for layer in network.layers if not layer.crossbars] == ["c", "e"]
    program = compile_network(network, config)
    assert [step.name for step in program.manifest.steps if step.engine != "crossbar"] == [
        "image", "c", "e"]


@pytest.mark.parametrize("layers, config, text", [
    (["c"], changed(crossbar=dict(tiles=4)), ("c: wordlines must be at most 128 "
     "(crossbar.tiles * crossbar.rows), not 192; set crossbar.tiles=6 or higher")),
    (["z"], CONFIG, "two_sources: crossbars must be layers of it (a, b, c, d, e, out), not z"),
    (["a"], dataclasses.replace(CONFIG, crossbar=None),
     "a: crossbars must be absent where the configuration has none, not asked for"),
    (["a"], changed(guard_bits=0, crossbar=dict(adc_bits=6)), ("a: psum with bias must be in "
     "-16384..16383 (15 bits signed), not -32761..40104; set guard_bits")),
])
def test_refusals(layers, config, text):
    with pytest.raises(CompileError, match=re.escape(text)):
        on_crossbars(network_of(), config, layers)


def test_weights_that_no_cells_hold():
    """Differential cells of 4 bits hold magnitudes up to 15, not 16."""
    config = changed(weight_bits=5, crossbar=dict(weight_bits=5, columns=64))
    low, high = config.crossbar.weight_limits
    assert (low, high) == (-15, 15)
    with pytest.raises(CompileError, match=re.escape(
            "a: weights must be in -15..15 with crossbar.encoding = differential, not -16..15")):
        on_crossbars(network_of(), config, ["a"])


def test_cells_for_another_configuration():
    network = on_crossbars(network_of(), CONFIG)
    with pytest.raises(CompileError, match="a: crossbars must be those of the configuration"):
        compile_network(network, changed(crossbar=dict(adc_bits=7)))


def test_a_plan_says_where_layers_run(tmp_path, capsys):
    network = on_crossbars(network_of(), CONFIG, ["a", "d"])
    plan = plan_network(network, CONFIG)
    assert [name for name, layer in plan.layers.items() if layer.engine == "crossbar"] == ["a", "d"]
    program = compile_network(network, CONFIG)
    program.save(tmp_path)
    assert Program.load(tmp_path / "two_sources.bin").manifest == program.manifest


def test_command_line(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ["check", "dual_sparse_cnn", "--config", "imc", "--json"]
    assert main([*words, "--crossbars", "conv1,fc2", "--sigma", "0.1"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert [layer["engine"] for layer in report["layers"]] == [
        "crossbar", "loas", "loas", "loas", "crossbar"]
    assert main([*words, "--crossbars", "none"]) == 0
    assert {layer["engine"] for layer in json.loads(capsys.readouterr().out)["layers"]} == {"loas"}
    for given, text in ((["--crossbars", "conv"], "crossbars must be layers of it"),
                        (["--sigma", "-1"], "sigma must be at least 0, not -1.0"),
                        (["--seed", "-1"], "seed must be in 0..2147483647, not -1")):
        assert main([*words, *given]) == 2
        assert text in capsys.readouterr().err
    assert main(["compile", "dual_sparse_cnn", "--config", "imc", "--stuck-low", "0.01"]) == 0
    manifest = json.loads((tmp_path / "out/programs/dual_sparse_cnn.json").read_text())
    assert {step["engine"] for step in manifest["steps"][1:]} == {"crossbar"}


@pytest.mark.parametrize("name", registry.NETWORKS)
def test_zoo_fits_the_preset(name):
    """Every layer of every network goes to the crossbars of the preset."""
    network = on_crossbars(registry.get(name).load(), load_config("imc"))
    assert all(layer.crossbars for layer in network.layers)
