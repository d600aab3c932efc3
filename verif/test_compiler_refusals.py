# SPDX-License-Identifier: Apache-2.0
"""What cannot run is refused, with layer, field, value and limit; what just fits is not."""

import dataclasses
import re

import pytest
import torch

from spikeloom.gen.compiler.bounds import current_range
from spikeloom.gen.compiler.compile import compile_network
from spikeloom.gen.compiler.errors import CompileError
from spikeloom.gen.compiler.fields import pack_fields
from spikeloom.gen.compiler.plan import plan_network
from spikeloom.models.golden.layer import IntegerLayer
from spikeloom.models.golden.network import IntegerNetwork
from spikeloom.models.golden.source import IMAGE, Source
from spikeloom.rtl.config import AcceleratorConfig
from spikeloom.rtl.soc.descriptor import DESCRIPTOR_WORDS, descriptor_layout
from spikeloom.verif.random_networks import RANDOM_NETWORKS, RandomWeights

CONFIG = AcceleratorConfig(timesteps=4, chunk=16, laggy_adders=8, max_fan_in=1024, tppes=4,
                           max_columns=32, guard_bits=8)


def _network(name="two_sources", timesteps=4):
    return RANDOM_NETWORKS[name](RandomWeights(1), timesteps)


def _refused(network, text, config=CONFIG, **options):
    with pytest.raises(CompileError, match=re.escape(text)):
        compile_network(network, config, **options)


def _changed(**fields):
    return dataclasses.replace(CONFIG, **fields)


def test_fits():
    compile_network(_network(), CONFIG)


def test_timesteps():
    _refused(_network(timesteps=3), "two_sources: timesteps must be 4, as built, not 3; set "
             "timesteps=3")


def test_weight_bits():
    _refused(_network(), "a: weights must be in -8..7 (4 bits signed), not -16..15",
             _changed(weight_bits=4))


def test_fan_in():
    """Layer c has two sources of six taps, each tap a chunk of its own."""
    _refused(_network(), "c: chunks of a fiber must be at most 11 (max_fan_in / chunk), not 12; "
             "set max_fan_in=192", _changed(max_fan_in=11 * 16))
    assert "c" in plan_network(_network(), _changed(max_fan_in=192)).layers


def test_psum_limit_is_exact():
    """A psum that just fits is taken; one more is not."""
    def network(bias):
        weight = torch.full((1, 1, 1, 1), 127)
        source = Source(input=IMAGE, weight=weight, height=1, width=1)
        layer = IntegerLayer(name="only", sources=(source,), bias=torch.tensor([bias]),
                             output="readout", input_bits=8)
        return IntegerNetwork(name="one", timesteps=4, layers=(layer,), input_shape=(1, 1, 1))

    config = _changed(chunk=8, max_fan_in=8, guard_bits=5, max_columns=8)  # psums of 16 bits
    top = (1 << 15) - 1 - 127 * 255
    assert current_range(network(top).layers[0]) == (0, (1 << 15) - 1)
    compile_network(network(top), config)
    # the golden layer allows for 16 bits as well, so that the bias itself is legal
    _refused(network(top + 1), "only: psum with bias must be in -32768..32767 (16 bits signed), "
             "not 0..32768", config)


def test_bounds_hold_for_all_inputs():
    """No image gets past the bound, and it is reached by the one made for it."""
    for name in RANDOM_NETWORKS:
        network = _network(name)
        for layer in network.layers:
            low, high = current_range(layer)
            matrix = layer.weight_matrix()
            inputs = (matrix > 0).T.to(torch.int64)  # the worst for each channel
            top = 1
            if layer.input_bits:
                top = (1 << (layer.input_bits - layer.input_signed)) - 1
                bottom = -top - 1 if layer.input_signed else 0
                inputs = torch.where(inputs > 0, top, bottom)
            best = (inputs @ matrix).diagonal()
            assert max(int((best + layer.bias).max()), int(best.max())) == high
            assert low <= 0 <= high


def test_requantization_not_built():
    config = _changed(requantize=0)
    _refused(_network("residuals"), "a: requantization must be absent where the configuration "
             "has requantize=0, not present; set requantize=1", config)
    plan = plan_network(_network("residuals"), config)
    assert ("d", "residual") in [(error.layer, error.field) for error in plan.refusals]
    plan = plan_network(_network("integers"), config)
    assert ("b", "output of integers") in [(error.layer, error.field) for error in plan.refusals]
    compile_network(_network(), config)


def test_rows_of_a_tile():
    _refused(_network(), "a: lane passes of the input must be at most 1, the rows of a tile, "
             "not 2; set tppes=2 or higher", _changed(tppes=1))
    _refused(_network("integers", 4), "lane passes", _changed(tppes=1))


def test_columns():
    _refused(_network("residuals"), "must be at most 64 (weight_buffer_beats) where the output "
             "channels (18) are more than max_columns (16)",
             _changed(weight_buffer_beats=64, max_columns=16))


def test_memory():
    config = _changed(memory="on_chip", memory_words=256)
    with pytest.raises(CompileError, match="words of memory must be at most 256") as caught:
        compile_network(_network(), config)
    enough = _changed(memory="on_chip", memory_words=caught.value.value)
    program = compile_network(_network(), enough)
    assert not program.manifest.kept, "shared where there is no room to keep all"
    _refused(_network(), "words of memory", _changed(
        memory="on_chip", memory_words=caught.value.value - 1))
    _refused(_network(), "compile for fewer images than 1000", enough, images=1000)
    _refused(_network(), "images must be at least 1, not 0", images=0)


def test_all_refusals_are_told():
    """One layer's refusal does not hide that of another, and the others are planned."""
    plan = plan_network(_network(), _changed(weight_bits=4, tppes=1))
    assert [error.layer for error in plan.refusals] == ["a", "b", "c", "d", "e", "out"]
    plan = plan_network(_network(), _changed(tppes=1))
    assert [error.layer for error in plan.refusals] == ["a"]
    assert list(plan.layers) == ["b", "c", "d", "e", "out"]


def test_descriptor_fields():
    layout = descriptor_layout()
    assert layout.size == 37 * 32 <= DESCRIPTOR_WORDS * 32
    packed = pack_fields(layout, {"pool": 255, "sources": [{}, {"width": 65535}]}, "x")
    assert packed == 255 << 24 | 65535 << (29 * 32 + 7 * 16 + 32)
    with pytest.raises(CompileError, match=re.escape(
            "x: descriptor.sources[1].width must be in 0..65535, not 65536")):
        pack_fields(layout, {"sources": [{}, {"width": 65536}]}, "x")
    with pytest.raises(KeyError):
        pack_fields(layout, {"nope": 1}, "x")
