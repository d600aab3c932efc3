# SPDX-License-Identifier: Apache-2.0
"""Neurons that spike once: the closed form against the potential itself, step by fine step."""

import math

import pytest
import torch

from spikeloom.models.nn import ttfs_kernels
from spikeloom.models.nn.ttfs_grid import rounded, steps_per_tau
from spikeloom.models.nn.ttfs_neuron import FirstSpikeLayer, min_pool

STEP = 1 / 256
KERNELS = ("linear", "exponential")
SHAPES = ((9, 3, 2, 1), (6, 3, 1, 1), (5, 2, 1, 0), (4, 4, 1, 0))  # side, kernel, stride, padding


def layer_and_times(kernel, shape=SHAPES[0], window=6.0, seed=0):
    """A layer with weights of both signs; times with ties, zeros and silent inputs."""
    side, size, stride, padding = shape
    generator = torch.Generator().manual_seed(seed)
    layer = FirstSpikeLayer(6, 5, size, window=window, kernel=kernel, stride=stride,
                            padding=padding)
    weight = torch.randn(layer.weight.shape, generator=generator) * 0.15 + 0.06
    layer.weight.data = (weight * 64).round() / 64
    times = torch.rand(3, 6, side, side, generator=generator) * 2
    times[:, 1] = (times[:, 1] * 4).round() / 4
    times[torch.rand(times.shape, generator=generator) < 0.2] = 0
    times[torch.rand(times.shape, generator=generator) < 0.2] = math.inf
    return layer, times


def windows(times, layer):
    """Inputs of each neuron, [B, inputs, places], padding silent, in float64."""
    size, far = layer.weight.shape[-1], 1e6
    moved = times.double().clamp(max=far) - far
    rows = torch.nn.functional.unfold(moved, size, padding=layer.padding, stride=layer.stride)
    return rows + far


def stepped(layer, times):
    """When the potential is first seen at the threshold, looking every `STEP`."""
    rows, weight = windows(times, layer), layer.weight.detach().double().flatten(1)
    found = torch.full((len(times), len(weight), rows.shape[2]), math.inf, dtype=torch.float64)
    for number in range(1, round(layer.window / STEP) + 1):
        elapsed = (number * STEP - rows).clamp(min=0)
        response = elapsed if layer.kernel == "linear" else 1 - (-elapsed).exp()
        crossed = (weight @ response >= 1) & found.isinf()
        found[crossed] = number * STEP
    return found


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("shape", SHAPES)
def test_closed_form_is_the_first_crossing(kernel, shape):
    layer, times = layer_and_times(kernel, shape)
    expected = stepped(layer, times)
    found = layer(times).detach().double().flatten(2)
    late = found > layer.window - STEP  # may cross behind the last look
    assert torch.equal(found.isinf() | late, expected.isinf() | late)
    both = ~(found.isinf() | expected.isinf())
    assert both.float().mean() > 0.3
    behind = (expected - found)[both]
    # found lies within the step before; a potential that only just touches the threshold
    # between two looks may be seen later, or not at all
    inside = (behind > -1e-4) & (behind <= STEP + 1e-4)
    assert inside.float().mean() > 0.995 and (behind > -1e-4).all()


def test_causal_set_may_hold_all_inputs():
    layer = FirstSpikeLayer(2, 1, 1, window=6.0, kernel="linear")
    layer.weight.data = torch.tensor([0.5, 0.5]).view(1, 2, 1, 1)
    assert layer(torch.tensor([0.0, 1.0]).view(1, 2, 1, 1)).item() == 1.5


@pytest.mark.parametrize("kernel, expected", [("linear", 3.0), ("exponential", math.log(2))])
def test_an_early_crossing_is_final(kernel, expected):
    """An inhibitory input behind the spike changes nothing, one before it does."""
    layer = FirstSpikeLayer(2, 1, 1, window=6.0, kernel=kernel)
    layer.weight.data = torch.tensor([2.0, -5.0]).view(1, 2, 1, 1)
    if kernel == "linear":
        layer.weight.data[0, 0] = 1 / 3
    for second, spike in ((expected + 0.1, expected), (expected - 0.1, math.inf)):
        found = layer(torch.tensor([0.0, second]).view(1, 2, 1, 1)).item()
        assert found == pytest.approx(spike)


@pytest.mark.parametrize("kernel", KERNELS)
def test_a_spike_behind_the_window_is_none(kernel):
    layer, times = layer_and_times(kernel)
    found = layer(times)
    layer.window = 1.0
    cut = layer(times)
    assert (cut.isinf() != found.isinf()).any()
    assert torch.equal(cut, found.masked_fill(found > 1, math.inf))


@pytest.mark.parametrize("kernel", KERNELS)
def test_gradients_are_those_of_the_closed_form(kernel):
    layer, times = layer_and_times(kernel)
    times.requires_grad_()
    found = layer(times)
    fired = ~found.isinf()
    factors = torch.randn(found.shape, generator=torch.Generator().manual_seed(1))
    (found[fired] * factors[fired]).sum().backward()

    exact = times.detach().double().requires_grad_()
    weight = layer.weight.detach().double().requires_grad_()
    rows = windows(exact, layer)[:, None]
    causal = rows < found.detach().double().flatten(2)[:, :, None]
    w = weight.flatten(1)[None, :, :, None] * causal
    if kernel == "linear":
        out = (1 + (w * rows.clamp(max=9)).sum(2)) / w.sum(2)
    else:
        out = ((w * rows.clamp(max=9).exp()).sum(2) / (w.sum(2) - 1)).log()
    chosen = fired.flatten(2)
    torch.testing.assert_close(out[chosen].detach().float(), found.flatten(2)[chosen].detach(),
                               rtol=1e-3, atol=1e-4)
    (out[chosen] * factors.flatten(2)[chosen]).sum().backward()
    for found_grad, grad in ((layer.weight.grad, weight.grad), (times.grad, exact.grad)):
        assert found_grad is not None and grad is not None
        torch.testing.assert_close(found_grad, grad.float(), rtol=0.02,
                                   atol=2e-3 * float(grad.abs().max()))


def test_grid_rounds_up_and_keeps_the_gradient():
    """Weights 0.5 and 0.25 cross at 1 / 0.75 tau: the 22nd step, with the slopes of the form."""
    layer = FirstSpikeLayer(2, 1, 1, window=6.0, jitter=1.0)
    layer.weight.data = torch.tensor([0.502, 0.2495]).view(1, 2, 1, 1)
    layer.resolution = 4
    times = torch.zeros(1, 2, 1, 1, requires_grad=True)
    found = layer.train()(times)
    assert found.item() == 22 / 16
    found.sum().backward()
    assert times.grad is not None and layer.weight.grad is not None
    torch.testing.assert_close(times.grad.flatten(), torch.tensor([2 / 3, 1 / 3]))
    torch.testing.assert_close(layer.weight.grad.flatten(), torch.full((2,), -16 / 9))


@pytest.mark.parametrize("kernel", KERNELS)
def test_patient_neurons_fire_behind_the_window_on_the_grid(kernel):
    layer = FirstSpikeLayer(1, 2, 1, window=2.0, kernel=kernel, patient=True)
    layer.weight.data = torch.tensor([-0.5, 4.0]).view(2, 1, 1, 1)
    layer.resolution = 4
    steps = steps_per_tau(kernel, 4)
    late, early = (layer(torch.zeros(1, 1, 1, 1)) * steps).flatten().tolist()
    assert late == pytest.approx(round(2 * steps) + 1)
    assert early == pytest.approx(4 if kernel == "linear" else 5)


@pytest.mark.parametrize("kernel", KERNELS)
def test_silence_has_no_gradient(kernel):
    layer = FirstSpikeLayer(3, 2, 1, window=6.0, kernel=kernel)
    layer.weight.data.fill_(-0.5)
    times = torch.tensor([0.0, 1.0, math.inf]).view(1, 3, 1, 1).requires_grad_()
    found = layer(times)
    assert found.isinf().all()
    found.clamp(max=6).sum().backward()
    assert times.grad is not None and not times.grad.any()
    assert layer.weight.grad is not None and not layer.weight.grad.any()


def test_reluctance_is_what_the_weights_lack():
    layer = FirstSpikeLayer(2, 2, 1, window=6.0)
    layer.weight.data = torch.tensor([[0.5, 0.25], [2.0, -0.5]]).view(2, 2, 1, 1)
    assert layer.reluctance(0.5).item() == 0.375


def test_min_pool_is_the_earliest_spike():
    times = torch.full((1, 1, 5, 5), math.inf)
    times[0, 0, 2, 2], times[0, 0, 1, 3] = 3, 2
    inf = math.inf
    assert min_pool(times)[0, 0].tolist() == [[inf, 2, 2], [inf, 2, 2], [inf, inf, inf]]


def test_rounding_has_the_gradient_of_nothing():
    x = torch.tensor([-1.3, 0.6, 2.0], requires_grad=True)
    assert rounded(x).tolist() == [-1, 1, 2]
    assert rounded(x, floor=True).tolist() == [-2, 0, 2]
    assert rounded(x, 0.25).tolist() == [-1.25, 0.5, 2]
    (rounded(x) * torch.tensor([1.0, 2.0, 3.0])).sum().backward()
    assert x.grad is not None and x.grad.tolist() == [1, 2, 3]


def test_sort_puts_equals_by_index():
    u = torch.tensor([[2.0, 0.0, math.inf, 2.0, 0.0], [1.0, 0.5, 0.25, 0.0, 0.125]]).numpy()
    assert ttfs_kernels.sort(u).tolist() == [[1, 4, 0, 3, 2], [3, 4, 2, 1, 0]]
