# SPDX-License-Identifier: Apache-2.0
"""Trainable parts: neuron, pruning, folding, quantization; and that training repeats."""

from dataclasses import replace

import pytest
import torch

from spikeloom.models.golden.layer import IMAGE
from spikeloom.models.golden.plif import LIF, plif
from spikeloom.models.nn.layers import LayerConfig, SourceConfig, SpikingLayer, SpikingNetwork
from spikeloom.models.nn.neuron import LIFNeuron
from spikeloom.models.nn.pruning import MagnitudePruner, PruningSchedule, sparsity
from spikeloom.models.nn.quantization import (
    FakeQuantizedLayer,
    fold,
    fold_network,
    integer_network,
)
from spikeloom.models.nn.rounding import fake_quantize
from spikeloom.models.nn.training import Augmentation, TrainingConfig, accuracy, augment, train

LIFS = [LIF(), LIF(gain=3, shift=2), LIF(reset="soft"), LIF(shift=2, decay_input=False)]


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def source(given, inputs, side, **fields):
    return SourceConfig(input=given, inputs=inputs, height=side, width=side, **fields)


def flat(given, inputs, side, **fields):
    """Return the source of a linear layer."""
    return source(given, inputs, side, kernel=(side, side), padding=(0, 0), **fields)


def chain(lif):
    return (
        LayerConfig(name="conv1", sources=(source(IMAGE, 1, 12),), outputs=6, pool=2, lif=lif),
        LayerConfig(name="conv2", sources=(source("conv1", 6, 6),), outputs=8, pool=2, lif=lif),
        LayerConfig(name="fc1", sources=(flat("conv2", 8, 3),), outputs=16, lif=lif),
        LayerConfig(name="fc2", sources=(flat("fc1", 16, 1),), outputs=4, lif=None))


def shortcuts(lif):
    """Return spike shortcuts, a projection, membrane shortcuts, pooled means, dropped words."""
    point = {"kernel": (1, 1), "padding": (0, 0)}
    return (
        LayerConfig(name="stem", sources=(source(IMAGE, 1, 12, stride=2),), outputs=6, lif=lif),
        LayerConfig(name="a", outputs=6, lif=lif, drop_single=True, sources=(
            source("stem", 6, 6), source("stem", 6, 6, identity=True))),
        LayerConfig(name="b", outputs=8, lif=lif, keep_residual=True, sources=(
            source("a", 6, 6, stride=2), source("stem", 6, 6, stride=2, **point))),
        LayerConfig(name="c", outputs=8, lif=lif, residual="b", keep_residual=True,
                    sources=(source("b", 8, 3, kernel=(1, 3), padding=(0, 1)),)),
        LayerConfig(name="d", outputs=8, lif=lif, residual="c",
                    sources=(source("c", 8, 3),)),
        LayerConfig(name="e", outputs=8, lif=lif,
                    sources=(source("d", 8, 3, kernel=(2, 2), padding=(0, 0)),)),
        LayerConfig(name="out", outputs=4, lif=None, sources=(
            source("e", 8, 2, kernel=(1, 1), padding=(0, 0), mean_pool=2),)))


def small_network(lif=LIFS[0], layers=chain):
    torch.manual_seed(3)
    network = SpikingNetwork([SpikingLayer(config) for config in layers(lif)], 4)
    with torch.no_grad():  # batch statistics that fire some neurons
        for layer in network:
            if layer.norm is not None:
                layer.norm.bias.fill_(0.5)
        network(small_images(64).float() / 256)
    return network


def small_images(count):
    return torch.randint(0, 256, (count, 12, 12), dtype=torch.uint8, generator=generator(5))


@pytest.mark.parametrize("lif", LIFS)
def test_trainable_neuron_fires_as_the_golden_one(lif):
    currents = torch.randint(-300, 500, (6, 50, 4), generator=generator())
    expected = plif(currents, torch.zeros(4).long(), torch.full((4,), 128), lif)
    spikes = LIFNeuron(lif)(currents.double() / 128)
    assert torch.equal(spikes.bool(), expected) and 0.1 < spikes.mean() < 0.9
    assert torch.equal(LIFNeuron(lif)(currents[:1].double().expand(4, -1, -1) / 128).bool(),
                       plif(currents[:1].expand(4, -1, -1), torch.zeros(4).long(),
                            torch.full((4,), 128), lif))


@pytest.mark.parametrize("lif", LIFS)
def test_surrogate_gradient_is_that_of_the_unrolled_equations(lif):
    currents = torch.randn(5, 7, dtype=torch.float64, generator=generator(), requires_grad=True)
    weights = torch.randn(5, 7, dtype=torch.float64, generator=generator(1))
    (LIFNeuron(lif)(2 * currents) * weights).sum().backward()
    expected, currents.grad = currents.grad, None
    membrane, loss = torch.zeros(7, dtype=torch.float64), torch.zeros((), dtype=torch.float64)
    keep = 0.5 ** lif.shift
    for current, weight in zip(2 * currents, weights, strict=True):
        u = membrane * keep + current * lif.gain * (keep if lif.decay_input else 1)
        spike = (u >= 1).double()
        # the triangle of width 2 is the derivative of this, whatever its value
        d = (u - 1).clamp(-1, 1)
        loss = loss + ((d - d.sign() * d * d / 2) * weight).sum()
        membrane = u * (1 - spike) if lif.reset == "hard" else u - spike
    loss.backward()
    torch.testing.assert_close(expected, currents.grad)


def test_pruning_follows_the_cubic_schedule():
    schedule = PruningSchedule(start=2, stop=10, interval=4, sparsity=0.8)
    assert [schedule.due(step) for step in range(12)] == [s in (2, 6, 10) for s in range(12)]
    assert [round(schedule.at(step), 4) for step in (0, 2, 6, 10, 99)] == [0, 0, 0.7, 0.8, 0.8]
    weights = [torch.nn.Parameter(torch.randn(5, 4, generator=generator())),
               torch.nn.Parameter(0.1 * torch.randn(20, generator=generator()))]
    magnitudes = torch.cat([w.detach().abs().flatten() for w in weights])
    pruner = MagnitudePruner(weights, schedule)
    pruner.step(6)
    assert sparsity(weights) == 0.7
    kept = torch.cat([w.detach().flatten() for w in weights]) != 0
    assert magnitudes[kept].min() > magnitudes[~kept].max()  # over all layers
    with torch.no_grad():
        weights[0] += 1
    pruner.step(7)
    assert sparsity(weights) == 0.7
    MagnitudePruner(weights).step(10)
    assert sparsity(weights) == 0.7


@pytest.mark.parametrize(("fields", "message"), [
    ({"start": 10}, "start must be in 0..9, not 10"),
    ({"sparsity": 1.0}, "sparsity must be in 0..1, not 1.0"),
    ({"interval": 0}, "interval must be at least 1, not 0")])
def test_schedule_errors(fields, message):
    with pytest.raises(ValueError, match=message):
        replace(PruningSchedule(start=0, stop=10, interval=1, sparsity=0.5), **fields)


def test_rounding_has_the_gradient_of_the_identity_within_the_range():
    x = torch.tensor([[0.3, -0.37, 9.0], [0.3, -0.37, 9.0]], requires_grad=True)
    y = fake_quantize(x, torch.tensor([1 / 4, 1 / 16]), 15)
    assert y.tolist() == [[0.25, -0.25, 3.75], [0.3125, -0.375, 0.9375]]
    y.sum().backward()
    assert x.grad is not None and x.grad.tolist() == [[1, 1, 0]] * 2


def test_folding_is_the_batch_norm():
    layer = list(small_network(layers=shortcuts))[2].eval()
    weights, bias = fold(layer)
    spikes = [(torch.rand(3, 6, 6, 6, generator=generator()) < 0.5).float() for _ in range(2)]
    conv = torch.nn.functional.conv2d
    folded = (conv(spikes[0], weights[0], bias, stride=2, padding=1)
              + conv(spikes[1], weights[1], stride=2))
    torch.testing.assert_close(folded, layer.currents([x[None] for x in spikes])[0],
                               atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("layers", [chain, shortcuts])
@pytest.mark.parametrize("weight_bits", [2, 4, 8])
@pytest.mark.parametrize("lif", LIFS)
def test_fake_quantized_network_is_the_integer_network(lif, weight_bits, layers):
    quantized = fold_network(small_network(lif, layers).eval(), weight_bits).double()
    network = integer_network("small", quantized)
    images = small_images(20)
    with torch.no_grad():
        maps, logits = quantized.trace(images.double() / 256)
    trace = network.run(images)
    for seen in trace.layers[:-1]:
        assert torch.equal(maps[seen.name].bool(), seen.maps), seen.name
    assert 0 < trace.layers[1].maps.double().mean() < 1
    readout = list(quantized)[-1]
    assert isinstance(readout, FakeQuantizedLayer) and len(readout.exponent.unique()) == 1
    assert torch.equal(logits * 4 / readout.unit[0], trace.logits.double())


def test_residuals_in_integers_are_those_in_floating_point():
    quantized = fold_network(small_network(layers=shortcuts).eval()).double()
    network = integer_network("small", quantized)
    b, c = list(quantized)[2:4]
    images = small_images(20)
    trace = network.run(images)
    with torch.no_grad():
        maps, _ = quantized.trace(images.double() / 256)
        kept = b.currents([maps["a"], maps["stem"]])
        total = c.currents([maps["b"]], kept)
    for layer, expected in (("b", kept), ("c", total)):
        found = trace[layer].currents.unflatten(1, (20, 3, 3)).movedim(4, 2)
        assert torch.equal(found.double() / 1024, expected), layer
    assert trace["c"].currents.abs().max() > 500


def test_residuals_saturate_alike():
    network = small_network(layers=shortcuts).eval()
    with torch.no_grad():
        for layer in list(network)[2:5]:
            layer.norm.bias[:2] = torch.tensor([20, -20])
    quantized = fold_network(network).double()
    images = small_images(10)
    trace = integer_network("small", quantized).run(images)
    assert trace["d"].currents.min() == -32768 and trace["d"].currents.max() == 32767
    with torch.no_grad():
        maps, _ = quantized.trace(images.double() / 256)
    for name, x in maps.items():
        assert torch.equal(x.bool(), trace[name].maps), name


def test_shortcut_of_spikes_has_the_weight_of_a_threshold():
    a = integer_network("small", fold_network(small_network(layers=shortcuts))).layers[1]
    assert a.sources[1].groups == 6 and a.sources[1].weight.shape == (6, 1, 1, 1)
    assert torch.equal(a.sources[1].weight.flatten(), a.threshold)


def test_silenced_neurons_fire_twice_or_not_at_all():
    network = small_network(layers=shortcuts).eval()
    with torch.no_grad():
        maps, _ = network.trace(small_images(30).float() / 256)
    counts = {name: set(x.sum(0).unique().tolist()) for name, x in maps.items()}
    assert 1 not in counts["a"] and counts["a"] & {2, 3, 4} and 1 in counts["stem"]


@pytest.mark.parametrize(("sources", "fields", "message"), [
    ((source("x", 4, 4), source("x", 4, 4, identity=True)), {"keep_residual": True},
     "a: a layer with residuals must have no identity source"),
    ((source("x", 4, 4, mean_pool=2), source("x", 4, 2)), {}, "a: sources must all be images"),
])
def test_layers_that_cannot_be_quantized(sources, fields, message):
    config = LayerConfig(name="a", sources=sources, outputs=4, **fields)
    with pytest.raises(ValueError, match=message):
        FakeQuantizedLayer(config)


@pytest.mark.parametrize("layers", [chain, shortcuts])
def test_pruned_channel_gets_tables_that_fit(layers):
    network = small_network(layers=layers)
    with torch.no_grad():
        for weight in network.weights:
            weight[0] = 0
    for layer in integer_network("small", fold_network(network)).layers:
        assert layer.sources[0].weight[0].eq(0).all()


def test_float_network_has_no_integers():
    with pytest.raises(TypeError, match="conv1 must be a FakeQuantizedLayer, not SpikingLayer"):
        integer_network("small", small_network())


def test_augmentation_moves_images_and_keeps_them_in_range():
    images = torch.zeros(200, 28, 28, dtype=torch.uint8)
    images[:, 10:18, 10:18] = 255
    moved = augment(images, Augmentation(), generator())
    assert moved.dtype == torch.uint8 and len(moved.flatten(1).unique(dim=0)) == 200
    size = moved.double().sum((1, 2)) / images[0].sum()
    assert 0.7 < size.min() and size.max() < 1.4
    still = Augmentation(degrees=0, scale=0, shear=0, shift=0)
    assert torch.equal(augment(images, still, generator()), images)
    images[:, :, 12:] = 0
    flipped = augment(images, replace(still, flip=True), generator())
    mirrored = (flipped == images.flip(2)).all(2).all(1)
    assert 60 < mirrored.sum() < 140 and torch.equal(flipped[~mirrored], images[~mirrored])


def test_training_learns_and_repeats():
    images = small_images(96)
    labels = torch.arange(96) % 4
    for digit in range(4):
        images[labels == digit, 3 * digit:3 * digit + 3] = 255
    config = TrainingConfig(epochs=4, rate=1e-2, batch=16, augmentation=Augmentation(shift=0.5))
    states, progress = [], []
    for _ in range(2):
        network = small_network()
        pruner = MagnitudePruner(network.weights, PruningSchedule(
            start=6, stop=16, interval=2, sparsity=0.6))
        train(network, images, labels, config, generator(), pruner,
              lambda *now: progress.append(now))
        states.append(network.state_dict())
    assert [step for step, _, _ in progress] == [*range(24), *range(24)]
    assert progress[0][1] == config.steps(96) == 24
    assert accuracy(network, images, labels) > 0.9
    assert sparsity(network.weights) == pytest.approx(0.6, abs=0.01)
    assert all(torch.equal(states[0][field], states[1][field]) for field in states[0])


def test_epoch_of_fewer_images():
    config = TrainingConfig(epochs=2, rate=1e-3, batch=16, images=40)
    assert config.steps(96) == 4 and config.steps(20) == 2
    steps = []
    train(small_network(), small_images(96), torch.zeros(96).long(), config, generator(),
          report=lambda step, *_: steps.append(step))
    assert steps == [0, 1, 2, 3]
