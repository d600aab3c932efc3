# SPDX-License-Identifier: Apache-2.0
"""A layer on crossbars: ideal it is the matrix product, real it is what engines give."""

import re
from dataclasses import replace

import pytest
import torch

from spikeloom.models.golden.bit_planes import bit_planes
from spikeloom.models.golden.conductance import Device, make_images
from spikeloom.models.golden.crossbar_layer import CrossbarLayer
from spikeloom.models.golden.errors import GoldenError
from spikeloom.models.golden.imc_engine import IMCEngine, Reading
from spikeloom.models.golden.lane_word import pack
from spikeloom.rtl.config import ENCODINGS, CrossbarConfig
from spikeloom.verif.made_networks import chain, small_images, swap

REAL = Device(sigma=0.1, stuck_low=0.03, stuck_high=0.02, offset_sigma=9.0, seed=4)


def config_of(**fields):
    """Return macros for 48 inputs that never clip."""
    return CrossbarConfig(**dict(rows=16, columns=96, tiles=3, timesteps=3, cell_bits=2,
                                 fraction_bits=4, adc_shift=4, adc_bits=10) | fields)


def made(config, inputs=37, outputs=17, block=10, device=None, seed=1):
    """Return a layer whose inputs are on wordlines in a random order, and its weights."""
    generator = torch.Generator().manual_seed(seed)
    lines = -(-inputs // config.rows) * config.rows
    positions = torch.randperm(lines, generator=generator)[:inputs]
    weights = torch.randint(-100, 101, (inputs, outputs), generator=generator)
    dense = torch.zeros(lines, outputs, dtype=torch.int64)
    dense[positions] = weights
    tiles = lines // config.rows
    device = device or Device()
    images = tuple(tuple(make_images(part, config, replace(device, seed=number))[:tiles])
                   for number, part in enumerate(dense.split(block, 1)))
    return CrossbarLayer(config=config, positions=positions, images=images, outputs=outputs,
                         block_outputs=block), weights


def spikes_of(layer, rows=9, seed=2):
    generator = torch.Generator().manual_seed(seed)
    shape = (layer.config.timesteps, rows, len(layer.positions))
    spikes = torch.rand(shape, generator=generator) < torch.rand(rows, 1, generator=generator)
    spikes[:, 0], spikes[:, 1] = False, True
    return spikes


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_ideal_is_the_matrix_product(encoding):
    layer, weights = made(config_of(encoding=encoding))
    spikes = spikes_of(layer)
    assert torch.equal(layer.psums(spikes), spikes.long() @ weights)
    integers = torch.randint(-32, 32, (1, 5, 37), generator=torch.Generator().manual_seed(3))
    assert torch.equal(layer.psums(integers, 6, True), integers @ weights)
    assert torch.equal(layer.psums(integers + 32, 7, False), (integers + 32) @ weights)


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("fields", [{}, dict(adc_bits=3), dict(adc_shift=6, cell_bits=1)],
                         ids=["wide", "clipped", "coarse"])
def test_real_cells_are_those_of_engines(encoding, fields):
    """Each block is an `IMCEngine` of as many tiles, lane words laid on its wordlines."""
    layer, _ = made(config_of(encoding=encoding, **fields), block=6, device=REAL)
    spikes = spikes_of(layer)
    integers = torch.randint(-16, 16, (1, 5, 37), generator=torch.Generator().manual_seed(3))
    psums, sums = layer.psums(spikes), layer.psums(integers, 5, True)
    for number, block in enumerate(layer.images):
        engine = IMCEngine(layer.config, block)
        outputs = slice(6 * number, min(6 * number + 6, 17))
        found = engine.run(_laid(layer, pack(spikes)))[..., :outputs.stop - outputs.start]
        assert torch.equal(psums[..., outputs], found)
        words = bit_planes(integers[0], 3, 2, 5, True)
        low, high = (engine.run(_laid(layer, word), Reading(planes=True, signed=top))[0]
                     for word, top in zip(words, (False, True), strict=True))
        assert torch.equal(sums[0, :, outputs], (low + 8 * high)[:, :outputs.stop - outputs.start])


def _laid(layer, words):
    laid = torch.zeros(len(words), 48, dtype=torch.int64)
    laid[:, layer.positions] = words
    return laid


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_bounds_hold(encoding):
    layer, _ = made(config_of(encoding=encoding, adc_bits=6), device=REAL)
    spikes = spikes_of(layer, 300)
    low, high = layer.bounds()
    psums = layer.psums(spikes)
    assert (psums >= low).all() and (psums <= high).all()
    for signed in (False, True):
        integers = torch.randint(0, 64, (1, 200, 37)) - 32 * signed
        least, most = layer.bounds(6, signed)
        sums = layer.psums(integers, 6, signed)
        assert (sums >= least).all() and (sums <= most).all()
        assert (least <= low).all() and (most >= high).all()


def test_bounds_are_reached():
    """With differential weights of one sign all on, and all off."""
    config = config_of()
    weights = torch.full((48, 1), 100)
    layer = CrossbarLayer(config=config, positions=torch.arange(48), outputs=1, block_outputs=1,
                          images=(tuple(make_images(weights, config)),))
    assert [int(x) for x in layer.bounds()] == [0, 4800]
    assert [int(x) for x in layer.bounds(4, False)] == [0, 4800 * 63]
    assert [int(x) for x in layer.bounds(3, True)] == [-4 * 4800, 4800 * 3]


@pytest.mark.parametrize("fields, text", [
    (dict(block_outputs=13), "block_outputs must be an int in 1..12, not 13"),
    (dict(block_outputs=8), "images must be of 3 blocks, not 2"),
    (dict(positions=torch.arange(48)[::2].repeat(2)), "positions must differ from one another"),
    (dict(positions=torch.arange(12, 49)), "positions must be in 0..47, not 48"),
    (dict(config=config_of(noise_bits=2)), "noise_bits of a layer's crossbars must be an int in"),
    (dict(config=config_of(rows=32)), "cells of the image must be of shape (32, 96)"),
])
def test_refusals(fields, text):
    layer, _ = made(config_of())
    with pytest.raises(GoldenError, match=re.escape(text)):
        replace(layer, **fields)


def test_rows_are_checked():
    layer, _ = made(config_of())
    with pytest.raises(GoldenError, match="rows must have 37 positions, not 36"):
        layer.psums(torch.zeros(3, 2, 36, dtype=torch.bool))
    with pytest.raises(GoldenError, match="spikes must be 0 or 1, not 2"):
        layer.psums(torch.full((3, 2, 37), 2))


def test_in_a_network():
    """A layer's crossbars take the place of its product; others' sizes are refused."""
    network, images = chain(), small_images(chain(), 3)
    exact = network.run(images)
    config = config_of(columns=128, tiles=3)
    layers = []
    for layer in network.layers:
        cells = tuple(make_images(layer.weight_matrix(), config)[:-(-layer.row_length // 16)])
        layers.append(replace(layer, crossbars=CrossbarLayer(
            config=config, positions=torch.arange(layer.row_length), images=(cells,),
            outputs=layer.channels, block_outputs=layer.channels)))
    placed = replace(network, layers=tuple(layers))
    assert torch.equal(placed.run(images).logits, exact.logits)
    rough = swap(placed, 0, crossbars=replace(layers[0].crossbars, config=replace(
        config, adc_bits=3, adc_shift=8)))
    assert not torch.equal(rough.run(images)["conv1"].psums, exact["conv1"].psums)
    with pytest.raises(GoldenError, match="conv1: positions of crossbars must be 9, not 36"):
        swap(network, 0, crossbars=layers[1].crossbars)
    with pytest.raises(GoldenError, match="conv1: timesteps of crossbars must be an int in 3..3"):
        swap(network, 0, crossbars=replace(layers[0].crossbars, config=replace(
            config, timesteps=4)))
