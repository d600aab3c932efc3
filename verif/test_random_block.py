# SPDX-License-Identifier: Apache-2.0
"""A block behind a stem that sees a real image: what goes in, and how much fires."""

import dataclasses

import pytest
import torch

from spikeloom.models.data import fashion
from spikeloom.models.golden.layer import PoolLayer
from spikeloom.models.golden.network import IntegerNetwork
from spikeloom.models.nn.statten_shape import StattenShape
from spikeloom.verif.random_block import (
    attention_alone,
    colour_image,
    membrane_bits,
    membrane_layers,
    random_block,
)

SHAPE = StattenShape(side=32, inputs=3, classes=4, timesteps=4, chunk_steps=2, channels=32,
                     heads=2, depth=2, hidden_ratio=2)


@pytest.fixture(scope="module")
def block():
    return random_block(SHAPE, colour_image(0), 3)


def test_colour_image():
    image = colour_image(3, 33)
    assert image.shape == (1, 3, 33, 33) and image.dtype == torch.uint8
    red, green, blue = image[0].to(torch.int64)
    assert torch.equal(red[2:30, 2:30], fashion.load_test().images[3].to(torch.int64))
    assert int(red.sum()) == int(red[2:30, 2:30].sum()) > 0  # zeros around it
    assert torch.equal(green, red * 3 // 4) and torch.equal(blue, red // 2)


def test_layers(block):
    names = [layer.name for layer in block.network.layers]
    assert names == ["membrane.high", "position", "block0.qkv", "block0.attention",
                     "block0.projection", "block0.hidden", "block0.output", "head", "readout"]
    assert list(block.inputs.shape) == [1, 4, 32, 4 * 8, 4 * 8]


def test_enough_fires(block):
    trace = block.network.run(block.inputs)
    for name in ("position", "block0.qkv", "block0.attention", "block0.projection",
                 "block0.hidden", "head"):
        rate = block.rates[name]
        assert 0.1 <= rate <= 0.25, (name, rate)
        # The block alone fires as the whole network does.
        assert float(trace[name].spikes.double().mean()) == rate, name


def test_attention_alone(block):
    network, tokens = attention_alone(block)
    whole, alone = (trace["block0.attention"] for trace in (
        block.network.run(block.inputs), network.run(tokens)))
    assert torch.equal(alone.psums, whole.psums) and torch.equal(alone.maps, whole.maps)
    assert bool(whole.maps.any())


def test_membranes_of_all_values(block):
    """Each value of 12 bits, in another channel, pixel and timestep each time."""
    position = block.network.layers[1]
    values = torch.arange(-2048, 2048).repeat(2)[:4 * 64 * 32]
    values = torch.cat([values, 2047 - torch.arange(4 * 64 * 32 - len(values)) % 4096])
    membranes = values.reshape(4, 64, 32)
    head, readout = block.network.layers[-2:]
    assert isinstance(head, PoolLayer)
    network = dataclasses.replace(block.network, layers=(
        *membrane_layers(position), dataclasses.replace(head, pooled="position"), readout))
    assert isinstance(network, IntegerNetwork)
    trace = network.run(membrane_bits(membranes, position))
    assert torch.equal(trace["position"].currents, membranes)


@pytest.mark.parametrize("value", [2048, -2049])
def test_membrane_that_does_not_fit(block, value):
    with pytest.raises(ValueError, match=r"membranes must be in -2048\.\.2047, not "):
        membrane_bits(torch.full((4, 64, 32), value), block.network.layers[1])
