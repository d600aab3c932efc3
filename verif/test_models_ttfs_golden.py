# SPDX-License-Identifier: Apache-2.0
"""Golden operations on spike times: against plain loops, closed forms and cases by hand."""

import random

import pytest
import torch

from spikeloom.models.golden.errors import GoldenError
from spikeloom.models.golden.ttfs_neuron import KERNELS, TTFSState, ttfs_conv
from spikeloom.models.golden.ttfs_ops import (
    add_times,
    channel_shuffle,
    decide,
    delay,
    first_layer,
    min_pool,
)

SILENT = 63


def _ints(low, high, *shape, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(low, high + 1, shape, generator=generator)


def _one_neuron(events, kernel, k, f, guard, window):
    """Return the spike time of one neuron, in plain Python, from (time, weight) pairs."""
    charge = potential = 0
    for t in range(window):
        for time, weight in events:
            if time == t:
                charge += weight * (2**guard if kernel == "exponential" else 1)
        if kernel == "linear":
            moved = charge
        else:
            moved = charge // 2**k
            charge -= moved
        potential += moved
        if potential >= 2**f * (2**k if kernel == "linear" else 2**guard):
            return t + 1
    return SILENT


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("stride, padding", [(1, 1), (2, 1), (3, 0)])
def test_conv_is_one_neuron_many_times(kernel, stride, padding):
    times = _ints(0, SILENT, 2, 3, 6, 5)
    times[times > 40] = SILENT
    weight = _ints(-60, 127, 4, 3, 3, 3)
    found = ttfs_conv(times, weight, stride=stride, padding=padding, kernel=kernel, tau_shift=3,
                      threshold_shift=8, guard_bits=5, window=50, silent=SILENT)
    assert 0 < (found == SILENT).sum() < found.numel() and (found < SILENT).any()
    for b, n, y, x in torch.cartesian_prod(*map(torch.arange, found.shape)).tolist():
        events = []
        for c in range(3):
            for ky in range(3):
                for kx in range(3):
                    iy, ix = y * stride + ky - padding, x * stride + kx - padding
                    if 0 <= iy < 6 and 0 <= ix < 5:
                        events.append((int(times[b, c, iy, ix]), int(weight[n, c, ky, kx])))
        assert int(found[b, n, y, x]) == _one_neuron(events, kernel, 3, 8, 5, 50), (b, n, y, x)


def test_linear_kernel_is_its_closed_form_rounded_up():
    """Without a later input, t = ceil((theta * 2**k + sum w t_i) / sum w): the end of a step."""
    rng = random.Random(1)
    for _ in range(200):
        k, f = rng.randrange(1, 4), rng.randrange(3, 7)
        events = [(rng.randrange(5), rng.randrange(1, 60)) for _ in range(rng.randrange(1, 6))]
        total = sum(weight for _, weight in events)
        threshold = 2**(f + k)
        crossed = -(-(threshold + sum(weight * time for time, weight in events)) // total)
        if crossed <= 5:
            continue  # it may have crossed before the last input
        times = torch.tensor([time for time, _ in events]).view(1, -1, 1, 1)
        weights = torch.tensor([weight for _, weight in events]).view(1, -1, 1, 1)
        found = ttfs_conv(times, weights, stride=1, padding=0, kernel="linear", tau_shift=k,
                          threshold_shift=f, guard_bits=0, window=254, silent=255)
        assert int(found) == (crossed if crossed <= 254 else 255)


@pytest.mark.parametrize("guard", [4, 8])
def test_exponential_kernel_conserves_charge(guard):
    state = TTFSState(torch.Size([300]), "exponential", 4, 5, guard, 255)
    arrived = torch.zeros(300, dtype=torch.int64)
    for t in range(200):
        weights = _ints(-80, 90, 300, seed=t) * (_ints(0, 9, 300, seed=1000 + t) == 0)
        weights = weights * (t < 60)
        arrived += weights
        state.step(t, weights)
        assert torch.equal(state.charge + state.potential, arrived << guard)
    assert 0 <= int(state.charge.min()) and int(state.charge.max()) < 1 << 4, "no more to move"


def test_a_neuron_fires_once_and_within_its_window():
    times = torch.tensor([0, 3, 9]).view(1, 3, 1, 1)
    weights = torch.tensor([[8, 0, 0], [8, -9, 9], [0, 0, 8]]).view(3, 3, 1, 1)
    fields = dict(stride=1, padding=0, kernel="linear", tau_shift=2, threshold_shift=3,
                  guard_bits=0, silent=SILENT)
    found = ttfs_conv(times, weights, window=20, **fields).flatten().tolist()
    assert found == [4, 11, 13]  # inhibition holds the second back for a while
    found = ttfs_conv(times, weights, window=12, **fields).flatten().tolist()
    assert found == [4, 11, SILENT]


def test_first_layer_is_a_time():
    images = _ints(0, 255, 2, 1, 7, 6)
    weight, bias = _ints(-128, 127, 3, 1, 5, 5), _ints(-3000, 3000, 3)
    found = first_layer(images, weight, bias, shift=6, padding=2, window=40)
    sums = torch.nn.functional.conv2d(images.double(), weight.double(), bias.double(), padding=2)
    pooled = torch.nn.functional.max_pool2d((sums / 64).floor().relu(), 2).clamp(max=40)
    assert torch.equal(found, pooled.to(torch.int64))
    assert {0, 40} <= set(found.flatten().tolist())


def test_min_pool_ignores_padding():
    times = _ints(0, SILENT, 2, 3, 7, 6)
    padded = torch.nn.functional.pad(times, [1] * 4, value=SILENT)
    expected = -torch.nn.functional.max_pool2d(-padded.double(), 3, 2)
    assert torch.equal(min_pool(times, 3, 2, 1, SILENT), expected.to(torch.int64))


def test_delays_and_sums_saturate():
    times = torch.tensor([0, 40, 60, SILENT]).view(1, 1, 2, 2)
    assert delay(times, torch.tensor([4]), SILENT).flatten().tolist() == [4, 44, SILENT, SILENT]
    other = torch.tensor([5, 23, 2, 0]).view(1, 1, 2, 2)
    assert add_times(times, other, SILENT).flatten().tolist() == [5, SILENT, 62, SILENT]


def test_shuffle_interleaves():
    times = torch.arange(6).view(1, 6, 1, 1)
    assert channel_shuffle(times, 2).flatten().tolist() == [0, 3, 1, 4, 2, 5]
    assert channel_shuffle(times, 1).flatten().tolist() == list(range(6))


def test_the_lowest_of_the_first_wins():
    times = torch.tensor([[9, 3, 7, 3], [SILENT] * 4, [5, 6, 7, 5]])
    classes, first = decide(times, SILENT)
    assert classes.tolist() == [1, 0, 0] and first.tolist() == [3, SILENT, 5]


@pytest.mark.parametrize("text, call", [
    ("times must be in 0..63, not 64", lambda: delay(torch.full((1, 1, 1, 1), 64),
                                                     torch.tensor([0]), SILENT)),
    ("delays must be of shape", lambda: delay(torch.zeros(1, 2, 1, 1, dtype=torch.int64),
                                              torch.tensor([0]), SILENT)),
    ("groups must divide the channels", lambda: channel_shuffle(torch.zeros(1, 3, 1, 1), 2)),
    ("images must be in 0..255", lambda: first_layer(
        torch.full((1, 1, 2, 2), 256), torch.ones(1, 1, 1, 1, dtype=torch.int64),
        torch.zeros(1, dtype=torch.int64), shift=0, padding=0, window=9)),
    ("kernel must be one of", lambda: TTFSState(torch.Size([1]), "alpha", 1, 1, 1, 9)),
    ("window must be an int in 1..62", lambda: ttfs_conv(
        torch.zeros(1, 1, 1, 1, dtype=torch.int64), torch.ones(1, 1, 1, 1, dtype=torch.int64),
        stride=1, padding=0, kernel="linear", tau_shift=1, threshold_shift=1, guard_bits=0,
        window=63, silent=SILENT)),
])
def test_refusals_name_field_and_limit(text, call):
    with pytest.raises(GoldenError, match=text):
        call()
