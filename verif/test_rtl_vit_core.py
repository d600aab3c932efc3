# SPDX-License-Identifier: Apache-2.0
"""The vision transformer core in Verilator against the golden network."""

from dataclasses import replace

import pytest
import torch

from spikeloom.gen.trex.program import ProgramError, compile_vit
from spikeloom.models.golden.vit_shape import VitShape
from spikeloom.models.nn.vit import TwinVit
from spikeloom.rtl.config import VitCoreConfig
from spikeloom.verif.vit_run import run_network

SHAPE = VitShape(pattern="ARCS", tokens=5, channels=8, heads=2, hidden=12, features=6, classes=3,
                 pool="last")
CONFIG = VitCoreConfig(max_channels=8, max_tokens=5, values=512, parameters=512, instructions=64,
                       macro_rows=64, macro_columns=64, tiles=4, beat_values=4)


def random_network(pattern="ARCS"):
    """Return a network with random weights, and inputs that use its whole range."""
    torch.manual_seed(5)
    inputs = torch.randint(-128, 128, (3, SHAPE.tokens, SHAPE.features))
    twin = TwinVit(replace(SHAPE, pattern=pattern), 6)
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter += torch.randn_like(parameter) * 0.3
    twin.quantize(inputs)
    return twin.integer("random"), inputs


def test_bench():
    network, inputs = random_network()
    run_network(network, inputs, CONFIG)


@pytest.mark.parametrize("fields, text", [
    (dict(values=100), "values must be at most 100, not 435"),
    (dict(max_tokens=4), "tokens must be at most 4, not 5"),
    (dict(tiles=1), "rows of weights must be at most 64, not 68 and more"),
    (dict(adc_bits=3), "inputs of a layer must be at most 2 for 3-bit ADCs, not 6"),
])
def test_networks_that_do_not_fit_are_refused(fields, text):
    network, _ = random_network()
    with pytest.raises(ProgramError, match=f"^{text}$"):
        compile_vit(network, replace(CONFIG, **fields))
