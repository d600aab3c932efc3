# SPDX-License-Identifier: Apache-2.0
"""Networks of neurons that spike once: the trained one against the integer one."""

import math
from dataclasses import replace

import pytest
import torch

from spikeloom.models.golden.ttfs_layers import TTFSDelay, TTFSFirst, TTFSNeurons
from spikeloom.models.golden.ttfs_network_file import load_ttfs, save_ttfs
from spikeloom.models.golden.ttfs_neuron import ttfs_conv
from spikeloom.models.nn.ttfs_grid import power_of_two, steps_per_tau
from spikeloom.models.nn.ttfs_network import FirstSpikeNetwork, FirstSpikeShape, channel_shuffle
from spikeloom.models.nn.ttfs_neuron import FirstSpikeLayer
from spikeloom.models.nn.ttfs_quantization import integer_first_spike

SHAPES = {
    "base": FirstSpikeShape(skip="none", width=4),
    "res": FirstSpikeShape(skip="addition", width=4, windows=(6.0, 12.0, 15.875)),
    "shuffle": FirstSpikeShape(skip="concatenation", width=4),
    "delay": FirstSpikeShape(skip="concatenation", delay=True, width=4),
}


def network_and_images(name, kernel="linear", seed=0):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = FirstSpikeNetwork(replace(SHAPES[name], kernel=kernel))
        for layer in network.spiking:
            few = 1 / layer.weight[0].numel()
            layer.weight.data = 3 * few + 0.6 * few ** 0.5 * torch.randn(layer.weight.shape)
        for parameter in network.delays:
            parameter.data = torch.rand(parameter.shape) * 2.5 - 0.25
        network.norm.weight.data = torch.rand(network.norm.weight.shape) - 0.3
        network.norm.bias.data = torch.rand(network.norm.bias.shape) - 0.3
        images = (torch.rand(8, 28, 28) * 256).to(torch.uint8)
        images[:, :10] = 0
        network.train()
        network(images / 256)  # statistics of the norm
    return network.eval(), images


@pytest.mark.parametrize("kernel", ["linear", "exponential"])
@pytest.mark.parametrize("name", SHAPES)
@torch.no_grad()
def test_integer_times_approach_the_trained_ones(name, kernel):
    network, images = network_and_images(name, kernel)
    seen = network.times(images / 256)
    shift = 7
    integer = integer_first_spike(name, network, shift, time_bits=12)
    steps = steps_per_tau(kernel, shift)
    trace = integer.run(images[:, None].to(torch.int64))
    names = {"skip1": "delay1", "skip2": "delay2"} if name == "delay" else {}
    for layer, times in seen.items():
        found = trace.times[names.get(layer, layer)].double()
        found = torch.where(found == integer.silent, math.inf, found / steps)
        found = found.view(times.shape)
        if layer == "linear":  # which has no silence
            times = times.masked_fill(times >= network.shape.windows[2], math.inf)
        both = ~(found.isinf() | times.isinf())
        assert both.any()
        assert (found.isinf() != times.isinf()).double().mean() < 0.02
        assert (found - times)[both].abs().median() < 0.06, layer
    assert len(seen) == {"base": 6, "res": 10, "shuffle": 8, "delay": 8}[name]


def on_the_grid(name, kernel, resolution):
    """Spike times of a network on the grid, and of the integer one, in steps by layer."""
    network, images = network_and_images(name, kernel)
    network.resolution = resolution
    bits = 8 + max(0, resolution - 4)
    integer = integer_first_spike(name, network, resolution, bits)
    with torch.no_grad():
        seen, scores = network.times(images / 256), network(images / 256)
    trace = integer.run(images[:, None].to(torch.int64))
    steps, found = steps_per_tau(kernel, resolution), {}
    for layer, times in seen.items():
        whole = (times * steps).round()
        torch.testing.assert_close(times, whole / steps)  # on the grid
        if layer == "linear":
            assert whole.max() <= integer.layers[-1].window + 1
            whole = whole.masked_fill(whole > integer.layers[-1].window, math.inf)
        found[layer] = whole.clamp(max=integer.silent).to(torch.int64)
    expected = {layer: trace.times[layer.replace("skip", "delay") if name == "delay" else layer]
                for layer in found}
    return found, expected, scores.argmax(1), trace.classes


@pytest.mark.parametrize("resolution", [3, 4, 5])
@pytest.mark.parametrize("name", SHAPES)
def test_times_on_the_grid_are_those_of_the_integer_network(name, resolution):
    found, expected, scores, classes = on_the_grid(name, "linear", resolution)
    for layer, times in found.items():
        assert times.unique().numel() > 2
        assert torch.equal(times.flatten(), expected[layer].flatten()), layer
    assert torch.equal(scores, classes)


@pytest.mark.parametrize("name", SHAPES)
def test_times_on_the_grid_are_nearly_so_with_the_exponential_kernel(name):
    """Only floors of the integer current, never modelled one by one, make a difference."""
    found, expected, _, _ = on_the_grid(name, "exponential", 4)
    assert torch.equal(found["stem"], expected["stem"])
    for layer, times in found.items():
        off = (times.flatten() - expected[layer].flatten()).abs()
        assert (off > 0).double().mean() < 0.03, layer
        assert (off > 1).double().mean() < 0.01, layer


def test_gradients_pass_the_grid():
    network, images = network_and_images("delay")
    network.train()
    network.resolution = 4
    mean = network.norm.running_mean.clone()
    network(images / 256).sum().backward()
    for field, parameter in network.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), field
        assert parameter.grad.any(), field
    assert torch.equal(network.norm.running_mean, mean)


def test_stem_is_the_published_order_norm_then_pool():
    network, images = network_and_images("base")
    with torch.no_grad():
        network.norm.weight.abs_()
        x = network.norm(network.stem(images[:, None] / 256)).relu()
        expected = torch.nn.functional.max_pool2d(x, 2).clamp(max=6)
        torch.testing.assert_close(network.times(images / 256)["stem"], expected)


def test_neurons_with_integer_weights_fire_at_the_next_step():
    """No rounding but that of time: the step behind the closed form, exactly."""
    generator = torch.Generator().manual_seed(1)
    weight = torch.randint(-12, 24, (5, 3, 3, 3), generator=generator)
    times = torch.randint(0, 60, (4, 3, 9, 9), generator=generator)
    times[torch.rand(times.shape, generator=generator) < 0.2] = 255
    found = ttfs_conv(times, weight, stride=2, padding=1, kernel="linear", tau_shift=4,
                      threshold_shift=6, guard_bits=8, window=96, silent=255)
    layer = FirstSpikeLayer(3, 5, 3, window=6.0, stride=2, padding=1)
    layer.weight.data = weight / 64
    exact = layer(torch.where(times == 255, math.inf, times / 16)).detach() * 16
    fired = ~exact.isinf()
    assert 0.3 < fired.double().mean() < 1 and torch.equal(fired, found < 255)
    behind = found[fired] - exact[fired]
    assert behind.min() > -1e-3 and behind.max() < 1 + 1e-3


def test_scales_use_all_eight_bits():
    assert power_of_two(torch.tensor([0.25, -127 / 128])) == 7
    assert power_of_two(torch.tensor([128 / 128])) == 6
    assert power_of_two(torch.tensor([-3.0, 0.0])) == 5
    network, _ = network_and_images("delay")
    for layer in integer_first_spike("delay", network).layers:
        if isinstance(layer, TTFSFirst | TTFSNeurons):
            assert 64 <= int(layer.weight.abs().max()) <= 127


def test_delays_have_five_bits():
    network, _ = network_and_images("delay")
    for parameter in network.delays:
        parameter.data = torch.tensor([-0.5, 0.53, 1.9, 7.0])
    layers = integer_first_spike("delay", network).layers
    assert [layer.delays.tolist() for layer in layers
            if isinstance(layer, TTFSDelay)] == [[0, 8, 30, 31]] * 2


def test_windows_fit_the_time_word():
    network, _ = network_and_images("res")
    for bits, windows in ((8, [96, 96, 96, 192, 192, 254]), (7, [96, 96, 96, 126, 126, 126])):
        integer = integer_first_spike("res", network, time_bits=bits)
        assert [layer.window for layer in integer.layers
                if isinstance(layer, TTFSFirst | TTFSNeurons)] == windows


def test_steps_of_the_time_constant():
    assert steps_per_tau("linear", 4) == 16
    assert math.exp(-1 / steps_per_tau("exponential", 4)) == pytest.approx(15 / 16)


def test_stored_network_is_the_same(tmp_path):
    network, images = network_and_images("delay")
    integer = integer_first_spike("delay", network)
    save_ttfs(tmp_path / "delay.npz", integer)
    pixels = images[:, None].to(torch.int64)
    expected, found = integer.run(pixels), load_ttfs(tmp_path / "delay.npz").run(pixels)
    assert torch.equal(expected.decisions, found.decisions)
    assert torch.equal(expected.classes, found.classes)


def test_shuffle_interleaves_halves():
    x = torch.arange(6).view(1, 6, 1, 1)
    assert channel_shuffle(x).flatten().tolist() == [0, 3, 1, 4, 2, 5]
