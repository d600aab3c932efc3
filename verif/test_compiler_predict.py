# SPDX-License-Identifier: Apache-2.0
"""Predicted cycles of layers whose rows come slowly, counted by hand."""

import pytest

from spikeloom.gen.compiler.plan import plan_network
from spikeloom.gen.compiler.predict import predict_layer
from spikeloom.models.golden.network import IntegerNetwork
from spikeloom.models.golden.source import IMAGE
from spikeloom.rtl.config import AcceleratorConfig
from spikeloom.verif.random_networks import RandomWeights


@pytest.mark.parametrize("memory, depth, slot", [
    ("axi", 2, 14), ("axi", 4, 7), ("axi", 32, 1), ("on_chip", 2, 4), ("on_chip", 8, 1)])
def test_slots_on_their_way_set_the_pace(memory, depth, slot):
    """A silent slot is one word of bitmask, or what is left of the way when so many share it."""
    made, image = RandomWeights(1, 1.0), (1, 8, 8)
    first = made.layer("first", made.source(IMAGE, image, 4, (1, 1)), input_bits=8)
    windows = made.layer("windows", made.source("first", first.outputs, 2, (3, 3)))
    out = made.layer("out", made.source("windows", windows.outputs, 2, (6, 6)), output="readout")
    network = IntegerNetwork(name="windows", timesteps=4, layers=(first, windows, out),
                             input_shape=image)
    config = AcceleratorConfig(memory=memory, fetch_depth=depth, tppes=4)
    plan = plan_network(network, config).layers["windows"]
    rows = plan.order.height * plan.order.width
    assert (rows, plan.tile_rows) == (36, 4)
    assert predict_layer(plan, config, 0.0) == 150 + plan.weight_words + rows * 9 * slot
