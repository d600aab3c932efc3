# SPDX-License-Identifier: Apache-2.0
"""Compiled networks, run by the reference machine, give what the golden network gives."""

import functools

import numpy as np
import pytest
import torch

from spikeloom.gen.compiler.compile import compile_network
from spikeloom.gen.compiler.errors import CompileError
from spikeloom.gen.presets import load_config
from spikeloom.models.golden import row_walker
from spikeloom.models.zoo import registry
from spikeloom.rtl.config import AcceleratorConfig
from spikeloom.rtl.soc.descriptor import Operation
from spikeloom.verif.random_networks import RANDOM_NETWORKS, RandomWeights, fits, random_images
from spikeloom.verif.reference_machine import ReferenceMachine
from spikeloom.verif.reference_tiles import walk

BASE = dict(timesteps=3, chunk=16, weight_bits=5, tppes=6, laggy_adders=8, beat_values=4,
            max_fan_in=1024, memory_bits=32, max_columns=32, weight_buffer_beats=1024,
            burst_words=4, guard_bits=8, each_step=1)
CONFIGS = {
    "resident": AcceleratorConfig(**BASE),
    "blocks": AcceleratorConfig(**BASE | dict(
        chunk=8, max_columns=8, memory_bits=64, timesteps=4, tppes=4, beat_values=8)),
    "streamed": AcceleratorConfig(**BASE | dict(
        weight_buffer_beats=64, timesteps=5, memory_bits=128, tppes=3, weight_bits=8)),
    "one_value": AcceleratorConfig(**BASE | dict(
        timesteps=8, beat_values=1, tppes=9, weight_bits=7, chunk=24, max_columns=24)),
    "one_row": AcceleratorConfig(**BASE | dict(timesteps=8, tppes=1)),
    "scan": AcceleratorConfig(**BASE, pe="scan", rows_per_pe=2, probes=2),
    "scan_blocks": AcceleratorConfig(**BASE | dict(
        pe="scan", rows_per_pe=4, probes=1, chunk=8, max_columns=8, memory_bits=64, timesteps=4,
        tppes=4, beat_values=8, weight_bits=8)),
    "bcast": AcceleratorConfig(**BASE | dict(
        pe="bcast", rows_per_pe=1, probes=4, memory_bits=128, timesteps=8)),
    "bcast_streamed": AcceleratorConfig(**BASE | dict(
        pe="bcast", rows_per_pe=4, probes=2, weight_buffer_beats=64, timesteps=5, memory_bits=64,
        tppes=2)),
}


def _run(network, config, images, **options):
    program = compile_network(network, config, images=len(images), **options)
    machine = ReferenceMachine(config, program.content, keep_tiles=True)
    machine.memory.load(program.manifest.input_address, program.encode_images(images.numpy()))
    machine.run(len(images))
    return program, machine


def _compare(network, config, images, **options):
    """Run images and compare each map, residual, psum and logit."""
    program, machine = _run(network, config, images, **options)
    memory, trace = machine.memory.content, network.run(images)
    for image in range(len(images)):
        logits, winner = program.read_result(memory, image)
        assert logits.tolist() == trace.logits[image].tolist()
        assert winner == int(trace.predictions[image])
    final = len(images) - 1  # maps are those of the last image
    steps = {step.name: index for index, step in enumerate(program.manifest.steps)}
    for layer in network.layers if program.manifest.kept else []:
        golden = trace[layer.name]
        if golden.maps is not None:
            maps = golden.maps[:, final]
            same = layer.output == "integers" and not layer.out_each_step
            expected = maps[0] if same else maps
            assert np.array_equal(program.read_map(memory, layer.name), expected), layer.name
        if layer.keep_residual:
            found = program.read_residual(memory, layer.name)
            height, width = layer.maps
            currents = golden.currents.view(network.timesteps, len(images), height, width, -1)
            expected = currents[:, final].permute(0, 3, 1, 2)
            assert np.array_equal(
                found, expected[..., :found.shape[2], :found.shape[3]]), layer.name
        _compare_psums(layer, golden, [tile for tile in machine.tiles if tile.image == final
                                       and tile.descriptor == steps[layer.name]], len(images))
    return program, machine


def _compare_psums(layer, golden, tiles, images):
    """Compare the psums of the last image, tile by tile."""
    height, width = layer.maps
    psums = golden.psums.view(-1, images, height, width, layer.channels)[:, -1]
    seen, first = 0, dict.fromkeys({tile.tile.block for tile in tiles}, 0)
    columns = 0
    for block in sorted(first):
        for tile in (x for x in tiles if x.tile.block == block):
            y, x, lane_pass = np.array(tile.tile.rows).T
            count = tile.psums.shape[2]
            expected = psums[:, y, x, columns:columns + count]
            if not layer.input_bits:
                assert np.array_equal(tile.psums, expected), layer.name
                seen += tile.psums[0].size
        columns += count
    pooled = height // layer.pool * layer.pool * (width // layer.pool * layer.pool)
    assert columns == layer.channels
    assert layer.input_bits or seen == pooled * columns


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("name", RANDOM_NETWORKS)
def test_random_networks(name, config):
    config = CONFIGS[config]
    seed = len(name) + config.chunk
    network = RANDOM_NETWORKS[name](RandomWeights(seed), config.timesteps)
    if not fits(name, config):
        with pytest.raises(CompileError, match="b: lane passes of the output must be at most 1"):
            compile_network(network, config)
        return
    _compare(network, config, random_images(network, 2, seed))


def test_random_networks_fire():
    """Neither all nor none of the spikes, so that the comparison means something."""
    for name, build in RANDOM_NETWORKS.items():
        network = build(RandomWeights(3), 4)
        trace = network.run(random_images(network, 4, 3))
        for layer in network.layers[:-1]:
            share = float((trace[layer.name].maps != 0).double().mean())
            assert 0.02 < share < 0.98, (name, layer.name, share)


def test_each_way_is_taken():
    """The configurations do make layers resident, in blocks, and streamed."""
    ways = {False: set(), True: set()}
    for config in CONFIGS.values():
        for build in (build for name, build in RANDOM_NETWORKS.items() if fits(name, config)):
            network = build(RandomWeights(1), config.timesteps)
            ways[config.looks_up] |= {
                (step.blocks > 1, step.stream_weights)
                for step in compile_network(network, config).manifest.steps}
    assert ways[False] == ways[True] == {(False, False), (True, False), (False, True)}


@pytest.mark.parametrize("config", CONFIGS)
def test_golden_row_walker_walks_the_same_tiles(config):
    """The golden twin of the hardware's walker takes the descriptors and agrees on the tiles."""
    config = CONFIGS[config]
    for build in (build for name, build in RANDOM_NETWORKS.items() if fits(name, config)):
        program = compile_network(build(RandomWeights(1), config.timesteps), config)
        for layer in ReferenceMachine(config, program.content).descriptors:
            if Operation(layer["operation"]) != Operation.LAYER:
                continue
            golden = row_walker.walk(layer, config.tile_rows, config.chunk, config.max_chunks)
            for ours, theirs in zip(walk(layer), golden, strict=True):
                assert (len(ours.rows), ours.opens, ours.closes) == (
                    len(theirs.rows), theirs.opens, theirs.closes)


@functools.cache
def _digits():
    return registry.get("dual_sparse_cnn").load_test().images


@pytest.mark.parametrize("preset, keep_all", [
    ("loas", True), ("sparten", False), ("small", None), ("tiny", None), ("scan", None)])
def test_digits(preset, keep_all):
    network = registry.get("dual_sparse_cnn").load()
    _compare(network, load_config(preset), _digits()[:1 + (preset == "loas")], keep_all=keep_all)


def test_digits_on_the_smallest_accelerator():
    recipe = registry.get("digits_micro")
    _compare(recipe.load(), load_config("micro"), recipe.load_test().images[:2], keep_all=True)


def test_other_seeds():
    """More weights, sparse and dense, on one configuration."""
    for seed, density in ((11, 0.05), (12, 1.0)):
        network = RANDOM_NETWORKS["two_sources"](RandomWeights(seed, density), 3)
        with torch.no_grad():
            _compare(network, CONFIGS["resident"], random_images(network, 1, seed))
