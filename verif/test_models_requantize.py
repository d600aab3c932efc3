# SPDX-License-Identifier: Apache-2.0
"""Requantization, residual addition and dropped words, each against what it means."""

from fractions import Fraction
from math import floor

import pytest
import torch

from spikeloom.models.golden.errors import GoldenError
from spikeloom.models.golden.lane_word import drop_single
from spikeloom.models.golden.requantize import requantize
from spikeloom.models.golden.residual_add import residual_add

ONE = torch.ones(1, dtype=torch.int64)


def tensor(*values):
    return torch.tensor(values, dtype=torch.int64)


def test_requantization_rounds_half_up():
    generator = torch.Generator().manual_seed(1)
    x = torch.randint(-(1 << 21), 1 << 21, (40, 64), generator=generator)
    x[:2] = tensor(-(1 << 21), (1 << 21) - 1)[:, None]
    multiplier = torch.randint(0, 1 << 16, (64,), generator=generator)
    shift = torch.randint(0, 32, (64,), generator=generator)
    multiplier[:3], shift[:3] = tensor(65535, 0, 1), tensor(0, 31, 31)
    found = requantize(x, multiplier, shift, -32768, 32767)
    for row, m in ((row, n) for row in range(40) for n in range(64)):
        exact = Fraction(int(x[row, m]) * int(multiplier[m]), 1 << int(shift[m]))
        expected = max(-32768, min(32767, floor(exact + Fraction(1, 2)) if shift[m] else exact))
        assert int(found[row, m]) == expected
    assert found.min() == -32768 and found.max() == 32767 and (found.abs() < 32767).any()


def test_requantization_by_hand():
    x = tensor(1, -1, 3, -3)[:, None]
    assert requantize(x, ONE, ONE, -9, 9)[:, 0].tolist() == [1, 0, 2, -1]  # halves go up
    assert requantize(x, 4 * ONE, 0 * ONE, -5, 6)[:, 0].tolist() == [4, -4, 6, -5]


def test_residual_addition_saturates():
    a = tensor(5, 32767, -32768, 100_000, -100_000, 40_000)
    b = tensor(-7, 1, -1, 32767, -32768, -32768)
    assert residual_add(a, b).tolist() == [-2, 32767, -32768, 32767, -32768, 7232]


def test_words_with_one_spike_are_dropped():
    spikes = torch.tensor([[0, 1, 0, 1, 1], [0, 0, 0, 1, 1], [0, 0, 1, 0, 1]]).bool()
    assert drop_single(spikes).int().tolist() == [[0, 0, 0, 1, 1], [0, 0, 0, 1, 1],
                                                  [0, 0, 0, 0, 1]]


@pytest.mark.parametrize(("call", "message"), [
    (lambda: requantize(ONE.double(), ONE, ONE, 0, 1), "x must be a tensor of integers, not of"),
    (lambda: requantize(ONE << 60, ONE, ONE, 0, 1), "x must be in .*, not 1152921504606846976"),
    (lambda: requantize(ONE, 65536 * ONE, ONE, 0, 1), r"multiplier must be in 0\.\.65535, not 6"),
    (lambda: requantize(ONE, -ONE, ONE, 0, 1), r"multiplier must be in 0\.\.65535, not -1"),
    (lambda: requantize(ONE, ONE, 32 * ONE, 0, 1), r"shift must be in 0\.\.31, not 32"),
    (lambda: requantize(ONE, ONE, tensor(1, 2), 0, 1), r"shift must be of shape \(1,\), one for"),
    (lambda: requantize(ONE[0], ONE, ONE, 0, 1), r"multiplier must be of shape \(N,\), one for"),
    (lambda: requantize(ONE, ONE, ONE, 2, 1), r"low must be at most high \(1\), not 2"),
    (lambda: residual_add(ONE, tensor(1, 2)), r"b must be of shape \(1,\), as a, not \(2,\)"),
    (lambda: residual_add(ONE, 32768 * ONE), r"b must be in -32768\.\.32767, not 32768"),
    (lambda: residual_add(ONE.double(), ONE), "a must be a tensor of integers"),
    (lambda: drop_single(tensor(1, 2)), "spikes must be 0 or 1, not 2"),
])
def test_errors(call, message):
    with pytest.raises(GoldenError, match=message):
        call()
