# SPDX-License-Identifier: Apache-2.0
"""Integer networks: the golden graph against plain convolutions."""

from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from spikeloom.models.golden.errors import GoldenError, NetworkError
from spikeloom.models.golden.network import Trace
from spikeloom.verif.made_networks import (
    Made,
    alive,
    chain,
    integers,
    shortcuts,
    small_images,
    swap,
)

ONE = torch.ones(1, 1, dtype=torch.int64)
MAP = torch.zeros(1, 1, 1, 4, 4, dtype=torch.bool)


def tensor(*values):
    return torch.tensor(values, dtype=torch.int64)


def reference_current(layer, maps, residual):
    """Compute one timestep of a layer with convolutions in float64."""
    y = layer.bias.view(-1, 1, 1).double()
    for source in layer.sources:
        pooled = functional.avg_pool2d(maps[source.input], source.sum_pool) * source.sum_pool ** 2
        y = y + functional.conv2d(pooled, source.weight.double(), stride=source.stride,
                                  padding=source.padding, groups=source.groups)
    if layer.requantize:
        multiplier, shift = (table.view(-1, 1, 1).double() for table in layer.requantize)
        y = torch.floor(y * multiplier / 2 ** shift + 0.5).clamp(-32768, 32767)
    return y if residual is None else (y + residual).clamp(-32768, 32767)


def reference(network, images):
    """Run a network; return the stored maps of its layers, by timestep, and the logits."""
    steps = range(network.timesteps)
    maps, kept = {"image": [images.double() for _ in steps]}, {}
    for layer in network.layers:
        kept[layer.name] = ys = [
            reference_current(layer, {name: x[step] for name, x in maps.items()},
                              kept[layer.residual][step] if layer.residual else None)
            for step in steps]
        if layer.output == "spikes":
            membrane, fired = torch.zeros_like(ys[0]), []
            for y in ys:
                u = torch.floor((membrane + y) / 2)
                fired.append(functional.max_pool2d((u >= layer.threshold.view(-1, 1, 1)).double(),
                                                   layer.pool))
                membrane = torch.where(u >= layer.threshold.view(-1, 1, 1), 0, u)
            if layer.drop_single:
                fired = [x * (sum(fired) > 1) for x in fired]
            maps[layer.name] = fired
        elif layer.output == "integers":
            low = -(1 << layer.out_bits - 1) if layer.out_signed else 0
            maps[layer.name] = [ys[0].clamp(low, low + (1 << layer.out_bits) - 1) for _ in steps]
    return maps, sum(ys).flatten(1).long()


@pytest.mark.parametrize("make", [chain, shortcuts, integers])
def test_network_computes_its_layers(make):
    network = alive(make())
    images = small_images(network, 6)
    trace = network.run(images)
    maps, logits = reference(network, images)
    for layer, seen in zip(network.layers[:-1], trace.layers, strict=False):
        assert seen.name == layer.name
        assert torch.equal(seen.maps.double(), torch.stack(maps[layer.name])), layer.name
        assert len(seen.maps.unique()) > 1, f"{layer.name} must be alive"
        assert seen.maps.shape[2:] == layer.outputs
    assert torch.equal(trace.logits, logits) and len(logits.unique()) > 6
    assert trace.layers[-1].maps is None and trace.layers[-1].spikes is None
    assert torch.equal(network.predict(images, batch=4), trace.logits.argmax(1))
    assert network.weight_bits == 8 and 0 < network.sparsity < 1


def test_every_feature_changes_the_result():
    """The networks above would not notice a feature that has no effect on them."""
    network, images = alive(shortcuts()), small_images(shortcuts(), 12)
    expected = network.run(images)
    a = network.layers[1]
    for index, fields in ((0, {"drop_single": False}), (1, {"sources": a.sources[:1]}),
                          (1, {"requantize": (a.requantize[0], a.requantize[1] + 1)}),
                          (2, {"residual": None}), (3, {"residual": None}),
                          (3, {"drop_single": False}),
                          (4, {"sources": network.layers[4].sources[1:]})):
        found = swap(network, index, **fields).run(images)
        assert not torch.equal(found.layers[index].maps, expected.layers[index].maps), fields


def test_trace_holds_what_the_hardware_sees():
    network = alive(shortcuts())
    images = small_images(network)
    trace = network.run(images)
    c, d = network.layers[3], network.layers[4]
    assert trace["d"].rows.shape == (4, 2 * 4, 4 * 6 + 6) and d.row_length == 30
    assert torch.equal(trace["d"].rows[..., 24:], d.sources[1].rows(trace["b"].maps))
    for layer in network.layers:
        seen = trace[layer.name]
        product = seen.rows.double() @ layer.weight_matrix().double()
        assert torch.equal(seen.psums.double(), product), layer.name
    assert torch.equal(trace["c"].currents, (trace["c"].psums + c.bias + trace["b"].currents)
                       .clamp(-32768, 32767))
    stem = trace["stem"]  # one product, the same at each timestep, drives the neurons
    assert stem.psums.shape == stem.spikes.shape == (4, 2 * 9 * 9, 6)
    assert stem.psums.stride(0) == stem.rows.stride(0) == 0
    assert torch.equal(trace.logits, trace["out"].currents.sum(0))


def test_prediction_is_the_first_of_equals():
    logits = tensor([3, 5, 5], [7, 7, 7], [-1, -2, -1])
    assert Trace(layers=(), logits=logits).predictions.tolist() == [1, 0, 0]


def test_dense_source_is_the_same():
    made = Made(1)
    for fields in ({"groups": 2}, {"sum_pool": 2, "padding": (1, 0)}, {"sum_pool": 3, "stride": 2},
                   {"groups": 4, "sum_pool": 2, "stride": 2, "padding": (1, 1)}):
        shape = (4, 4 // fields.get("groups", 1), 2, 1)
        source = made.source("x", shape, (6, 12), density=1, **fields)
        spikes = torch.from_numpy(made.rng.random((1, 2, 4, 6, 12)) < 0.5)
        dense = functional.conv2d(spikes[0].double(), source.dense_weight.double(),
                                  stride=source.pixel_stride, padding=source.pixel_padding)
        pooled = functional.avg_pool2d(spikes[0].double(), source.sum_pool) * source.sum_pool ** 2
        expected = functional.conv2d(pooled, source.weight.double(), stride=source.stride,
                                     padding=source.padding, groups=source.groups)
        assert torch.equal(dense, expected) and dense.shape[1:] == source.outputs
        assert source.rows(spikes).shape[2] == source.row_length == len(source.weight_matrix())


@pytest.mark.parametrize("extreme", [-128, 127])
def test_no_input_can_overflow_a_psum(extreme):
    layer, encoder = chain().layers[1], chain().layers[0]
    for part, value, bits in ((layer, True, 14), (encoder, 255, 20)):
        source, = part.sources
        full = replace(part, sources=(replace(source, weight=torch.full_like(source.weight,
                                                                             extreme)),))
        dtype = torch.bool if part is layer else torch.int64
        psums = full.psums(torch.full((1, 1, full.row_length), value, dtype=dtype))
        assert psums.unique().tolist() == [extreme * full.row_length * int(value)]
        assert full.psum_bits == bits


@pytest.mark.parametrize(("change", "message"), [
    (lambda n: replace(n, timesteps=17), "timesteps must be an int in 1..16, not 17"),
    (lambda n: replace(n, input_shape=(0, 8, 8)), r"input_shape\[0\] must be an int in 1"),
    (lambda n: replace(n, input_shape=(2, 8, 8)),
     r"conv1: inputs must be \(2, 8, 8\), as image gives, not \(1, 8, 8\)"),
    (lambda n: replace(n, layers=n.layers[:3]), "small must end in its one readout, not give"),
    (lambda n: replace(n, layers=()), "small must end in its one readout, not give out nothing"),
    (lambda n: replace(n, layers=n.layers[:2] + n.layers[3:]),
     r"fc2: source must be 'image' or an earlier layer \(conv1, conv2\), not 'fc1'"),
    (lambda n: swap(n, 3, source={"input": "conv2"}),
     r"fc2: inputs must be \(5, 2, 2\), as conv2 gives, not \(6, 1, 1\)"),
    (lambda n: swap(n, 1, source={"input": "conv2"}), "conv2: source must be .*, not 'conv2'"),
    (lambda n: swap(n, 0, input_bits=7), "conv1: input_bits must be 8, as image gives, not 7"),
    (lambda n: swap(n, 1, input_bits=8), "conv2: input_bits must be 0, as conv1 gives, not 8"),
    (lambda n: swap(n, 1, input_signed=True), "conv2: input_signed must be False, as conv1"),
    (lambda n: swap(n, 2, name="conv2"), "layer names of small must differ, .*not 'conv2'"),
    (lambda n: swap(n, 0, name="image"), "layer names of small .* nor 'image', not 'image'"),
    (lambda n: swap(n, 1, pool=0), "conv2: pool must be an int in 1..255, not 0"),
    (lambda n: swap(n, 1, pool=5), "conv2: pool must be an int in 1..4, not 5"),
    (lambda n: swap(n, 1, out_bits=17), "conv2: out_bits must be an int in 1..16, not 17"),
    (lambda n: swap(n, 1, output="pixels"), "conv2: output must be one of spikes, .*'pixels'"),
    (lambda n: swap(n, 1, lif=None), "conv2: lif must be given if the output is spikes"),
    (lambda n: swap(n, 1, output="integers"), "conv2: lif must be given .*; it is integers"),
    (lambda n: swap(n, 3, drop_single=True), "fc2: pool must be 1 and drop_single False"),
    (lambda n: swap(n, 1, lif=None, threshold=None, output="readout", pool=1),
     r"conv2: output maps of a readout must be \(1, 1\), not \(4, 4\)"),
    (lambda n: swap(n, 1, keep_residual=True), "conv2: keep_residual must come with requantize"),
    (lambda n: swap(n, 1, residual="conv1"),
     r"conv2: residual must be one of an earlier layer that keeps it \(none\), not 'conv1'"),
    (lambda n: swap(n, 1, requantize=(torch.full((5,), 1 << 16), torch.zeros(5).long())),
     r"conv2: multiplier must be in 0\.\.65535, not 65536"),
    (lambda n: swap(n, 1, requantize=(torch.ones(5).long(), torch.full((5,), 32))),
     r"conv2: shift must be in 0\.\.31, not 32"),
    (lambda n: swap(n, 1, bias=tensor(1)), r"conv2: bias must be of shape \(5,\), not \(1,\)"),
    (lambda n: swap(n, 1, bias=torch.zeros(5)), "conv2: bias must be int64, not torch.float32"),
    (lambda n: swap(n, 1, source={"weight": ONE}), "source conv1: weight must be int64 of rank 4"),
    (lambda n: swap(n, 1, source={"padding": (1, 256)}), "conv1: padding must be an int in 0"),
    (lambda n: swap(n, 1, source={"padding": (1,)}), "conv1: padding must be two numbers, not"),
    (lambda n: swap(n, 1, source={"sum_pool": 3}), "height must be a multiple of sum_pool .3., n"),
    (lambda n: swap(n, 1, source={"groups": 2}), r"source conv1: groups must divide .* \(5\), no"),
    (lambda n: swap(n, 1, source={"height": 0}), "source conv1: height must be an int in 1..4096"),
    (lambda n: swap(n, 2, source={"height": 1}), "kernel must be an int in 1..1, not 2"),
    (lambda n: swap(n, 1, sources=()), "conv2: sources must be 1..2, not 0"),
    (lambda n: swap(n, 1, sources=n.layers[1].sources + n.layers[2].sources),
     r"conv2: outputs of source conv2 must be \(5, 4, 4\), as of conv1, not \(6, 1, 1\)"),
    (lambda n: swap(n, 1, weight_bits=4), r"conv2: weight of source conv1\[.*\] must be in -8"),
    (lambda n: swap(n, 1, threshold=torch.full((5,), 1 << 13)),
     r"conv2: threshold\[0\] must be in -8192\.\.8191"),
    (lambda n: n.run(small_images(n).long()), r"images must be uint8\[B, 8, 8\], not torch.int64"),
    (lambda n: n.run(small_images(n)[..., 1:]), r"images must be uint8\[B, 8, 8\], not .*8, 7"),
    (lambda n: n.run(small_images(n))["fc3"], "layer must be one of conv1, .*, not 'fc3'"),
    (lambda n: n.layers[3].spikes(ONE[None]), "fc2: a layer of readout has no neurons"),
    (lambda n: n.layers[3].stored(ONE[None], 1), "fc2: a readout gives no maps"),
    (lambda n: n.layers[1].rows([MAP]), r"source conv1: input must be of shape \[T, B, 4, 4, 4\]"),
    (lambda n: n.layers[1].rows([]), "conv2: inputs must be 1, one for each source, not 0"),
    (lambda n: n.layers[1].currents(ONE[None], ONE[None]), "conv2: residual must be that of None"),
    (lambda n: n.layers[0].psums(torch.full((1, 1, 9), 256)),
     r"conv1: integers must be in 0\.\.255, not 256"),
])
def test_network_errors(change, message):
    with pytest.raises(GoldenError, match=message):
        change(chain())


def test_residual_of_another_shape_is_refused():
    made, network = Made(), shortcuts()
    wide = made.layer("wide", made.source("b", (5, 6, 3, 3), (3, 3), padding=(1, 1)), residual="b")
    with pytest.raises(NetworkError, match="wide: channels must be 6, as of b, whose residual"):
        replace(network, layers=(*network.layers[:3], wide, network.layers[-1]))
