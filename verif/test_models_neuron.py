# SPDX-License-Identifier: Apache-2.0
"""Golden neuron, pooling and convolution: each against a plain statement of what it means."""

from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from spikeloom.models.golden.conv import lift, lower, output_size, weight_matrix
from spikeloom.models.golden.errors import GoldenError
from spikeloom.models.golden.ftp_array import ftp_matmul
from spikeloom.models.golden.max_pool import max_pool
from spikeloom.models.golden.plif import LIF, plif

repeatable = settings(derandomize=True, deadline=None, max_examples=50)
seeds = st.integers(0, 2**32)
ONE = torch.ones(1, 1, dtype=torch.int64)


def tensor(*values):
    return torch.tensor(values, dtype=torch.int64)


# Neuron

def exact_spikes(currents, threshold, lif):
    """Fire one neuron with rational numbers."""
    membrane, spikes = Fraction(0), []
    for current in currents:
        if lif.decay_input:
            membrane = (membrane + lif.gain * current) / 2**lif.shift
        else:
            membrane = membrane / 2**lif.shift + lif.gain * current
        spikes.append(membrane >= threshold)
        if spikes[-1]:
            membrane = Fraction(0) if lif.reset == "hard" else membrane - threshold
    return spikes


lifs = st.builds(LIF, gain=st.integers(1, 15), shift=st.integers(0, 15),
                 reset=st.sampled_from(["hard", "soft"]), decay_input=st.booleans())


@settings(repeatable, max_examples=300)
@given(seeds, lifs, st.integers(1, 16))
def test_floor_fires_on_the_steps_of_infinite_precision(seed, lif, timesteps):
    rng = np.random.default_rng(seed)
    currents = torch.from_numpy(rng.integers(-40, 100, (timesteps, 8)))
    bias = torch.from_numpy(rng.integers(-20, 20, 8))
    threshold = torch.from_numpy(rng.integers(-3, 100 * lif.gain >> lif.shift // 2, 8) + 1)
    spikes = plif(currents, bias, threshold, lif)
    for n in range(8):
        x = (currents[:, n] + bias[n]).tolist()
        assert spikes[:, n].tolist() == exact_spikes(x, int(threshold[n]), lif)


def test_neuron_by_hand():
    x = tensor(10, 10, 10, -30, 40)[:, None]
    # hard: 5, 7, 8 fires, -15, 12 fires; the shift is a floor, also of negative numbers
    assert plif(x, tensor(0), tensor(8), LIF())[:, 0].tolist() == [0, 0, 1, 0, 1]
    assert plif(tensor(-1, 1)[:, None], tensor(0), tensor(0), LIF())[:, 0].tolist() == [0, 1]
    # soft: 5 fires (0 left), 5 fires; a bias counts at each step
    soft = LIF(reset="soft")
    assert plif(tensor(8, 8, -8)[:, None], tensor(2), tensor(5), soft)[:, 0].tolist() == [1, 1, 0]
    # equal to the threshold fires, also at zero current
    assert plif(tensor(0)[:, None], tensor(0), tensor(0), LIF()).item()


@pytest.mark.parametrize(("call", "message"), [
    (lambda: LIF(gain=0), "gain must be an int in 1..15, not 0"),
    (lambda: LIF(shift=16), "shift must be an int in 0..15, not 16"),
    (lambda: LIF(reset="none"), "reset must be 'hard' or 'soft', not 'none'"),
    (lambda: LIF(decay_input=1), "decay_input must be a bool, not 1"),  # type: ignore[arg-type]
    (lambda: plif(tensor(1), tensor(0), tensor(1), LIF()), r"currents must be of shape \[T"),
    (lambda: plif(ONE, tensor(0, 0), tensor(1), LIF()), r"bias must be of shape \(1,\)"),
    (lambda: plif(ONE, tensor(0), ONE, LIF()), r"threshold must be of shape \(1,\)"),
    (lambda: plif(ONE.double(), tensor(0), tensor(1), LIF()), "currents must be a tensor of int"),
    (lambda: plif(ONE << 62, tensor(0), tensor(1), LIF()), r"membrane must be below 2\*\*62"),
])
def test_neuron_errors(call, message):
    with pytest.raises(GoldenError, match=message):
        call()


# Pooling and convolution

@repeatable
@given(seeds, st.integers(1, 3), st.integers(1, 3), st.integers(3, 8), st.integers(3, 8))
def test_pooling_is_the_maximum(seed, size, stride, height, width):
    spikes = torch.from_numpy(np.random.default_rng(seed).random((2, 3, height, width)) < 0.2)
    expected = functional.max_pool2d(spikes.double(), size, stride).bool()
    assert torch.equal(max_pool(spikes, size, stride), expected)


@repeatable
@given(seeds, st.integers(1, 4), st.integers(1, 3), st.integers(0, 2), st.integers(4, 8))
def test_lowering_is_the_convolution(seed, kernel, stride, padding, width):
    rng = np.random.default_rng(seed)
    spikes = torch.from_numpy(rng.random((2, 2, 3, 6, width)) < 0.3)
    weight = torch.from_numpy(rng.integers(-128, 128, (5, 3, kernel, kernel)))
    expected = functional.conv2d(spikes.flatten(0, 1).double(), weight.double(), stride=stride,
                                 padding=padding).long().unflatten(0, (2, 2))
    psums = ftp_matmul(lower(spikes, kernel, stride, padding), weight_matrix(weight), 20)
    assert torch.equal(lift(psums, 2, *expected.shape[3:]), expected)


def test_rows_are_pixel_fibers():
    spikes = torch.arange(2 * 3 * 3).reshape(1, 1, 2, 3, 3)
    row = lower(spikes, 2, 1, 0)[0, 1]  # the second position: x = 1
    taps = [spikes[0, 0, :, ky, 1 + kx] for ky in range(2) for kx in range(2)]
    assert torch.equal(row, torch.cat(taps))


MAP = torch.zeros(1, 1, 1, 4, 4, dtype=torch.bool)


@pytest.mark.parametrize(("call", "message"), [
    (lambda: max_pool(MAP, 5), "size must be an int in 1..4, not 5"),
    (lambda: max_pool(MAP, 2, 0), "stride must be an int in 1..4, not 0"),
    (lambda: max_pool(tensor(1), 1), r"spikes must be of shape \[..., H, W\], not \(1,\)"),
    (lambda: max_pool(tensor(1, 5)[None], 1), "spikes must be 0 or 1, not 5"),
    (lambda: lower(MAP[0], 3, 1, 1), "spikes must be of rank 5, not of shape"),
    (lambda: lower(MAP, 7, 1, 1), "kernel must be an int in 1..6, not 7"),
    (lambda: output_size(4, 3, 0, 0), "stride must be an int in 1..255, not 0"),
    (lambda: output_size(4, 3, 1, -1), "padding must be an int in 0..255, not -1"),
    (lambda: lift(ONE[None], 1, 2, 2), r"batch \* height \* width must be 1, not 1 \* 2 \* 2"),
    (lambda: weight_matrix(ONE), r"weight must be of rank 4, not of shape \(1, 1\)"),
])
def test_pooling_and_convolution_errors(call, message):
    with pytest.raises(GoldenError, match=message):
        call()
