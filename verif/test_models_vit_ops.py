# SPDX-License-Identifier: Apache-2.0
"""Integer layer norm, softmax and GELU: against values counted by hand, and against floats."""

import math
import re

import pytest
import torch
from torch.nn import functional

from spikeloom.models.golden.errors import GoldenError
from spikeloom.models.golden.gelu import gelu, gelu_table
from spikeloom.models.golden.layer_norm import floor_sqrt, layer_norm, normalize
from spikeloom.models.golden.reciprocal import bit_length, reciprocal
from spikeloom.models.golden.softmax import power_table, softmax


def _refused(text):
    return pytest.raises(GoldenError, match=f"^{re.escape(text)}$")


def test_bit_length_and_root_are_those_of_python():
    values = [*range(70), *(2**k + step for k in range(6, 52) for step in (-1, 0, 1))]
    x = torch.tensor(values)
    assert bit_length(x).tolist() == [value.bit_length() for value in values]
    assert floor_sqrt(x).tolist() == [math.isqrt(value) for value in values]


@pytest.mark.parametrize("bits", [1, 8, 15, 20])
def test_reciprocal(bits):
    values = [*range(1, 300), 2**27 - 1, 2**27, 2**40]
    mantissa, exponent = reciprocal(torch.tensor(values), bits)
    assert exponent.tolist() == [value.bit_length() for value in values]
    assert mantissa.tolist() == [2 ** (value.bit_length() + bits) // value for value in values]
    assert int(mantissa.min()) >= 1 << bits and int(mantissa.max()) == 2 << bits


def test_normalize_by_hand():
    """Of 1, 2, 3, 6: sum 12, of squares 50; d = 4x - 12 = -8, -4, 0, 12; root of 200 - 144 is 7;
    2**(3+15) // 7 = 37449; n = d * 37449 >> 3 + 15 - 8."""
    found = normalize(torch.tensor([1, 2, 3, 6]))
    assert found.tolist() == [-293, -147, 0, 438]
    assert normalize(torch.tensor([[5, 5, 5], [-32768] * 3])).tolist() == [[0] * 3] * 2
    assert normalize(torch.tensor([77])).tolist() == [0]


def test_layer_norm_by_hand():
    gamma, beta = torch.tensor([64, 64, -64, 127]), torch.tensor([0, 128, -1000, 100_000])
    # (-293*64 + 512) >> 10, (-147*64 + 128 + 512) >> 10, (-1000 + 512) >> 10, clipped
    assert layer_norm(torch.tensor([1, 2, 3, 6]), gamma, beta, 10).tolist() == [-18, -9, -1, 127]


def test_layer_norm_is_near_the_real_one():
    generator = torch.Generator().manual_seed(1)
    for channels in (3, 32, 384):
        x = torch.randint(-3000, 3000, (50, channels), generator=generator)
        gamma = torch.randint(1, 127, (channels,), generator=generator)
        beta = torch.randint(-20000, 20000, (channels,), generator=generator)
        real = functional.layer_norm(x.double(), (channels,), gamma.double() / 64,
                                     beta.double() / 2**14, eps=0)
        found = layer_norm(x, gamma, beta, 9, value_bits=16) / 2.0**5
        assert float((found - real).abs().max()) < 2.0**-5


def test_normal_values_are_bounded():
    """As the width of the hardware wants it: below 2 * sqrt(D)."""
    for channels in (2, 3, 64):
        spike = torch.zeros(channels, dtype=torch.int64)
        for spike[0] in (1, 2, 3, 32767):
            most = int(normalize(spike).abs().max())
            assert most <= 2 * math.sqrt(channels) * 256


def test_softmax_by_hand():
    """With gain 1 and shift 0 a distance of 64 halves: powers 32768, 16384, 8192, sum 57344 of 16
    bits; 2**31 // 57344 = 37449; p = (e * 37449 + 2**22) >> 23."""
    scores = torch.tensor([[128, 64, 0], [-5, -5, -5], [100_000, 0, 0]])
    assert softmax(scores, 1, 0).tolist() == [[146, 73, 37], [85, 85, 85], [255, 0, 0]]
    assert softmax(torch.tensor([7]), 1, 0).tolist() == [255]


def test_power_table():
    table = power_table()
    assert len(table) == 64 and table[[0, 32, 63]].tolist() == [32768, 23170, 16562]
    assert (table.diff() < 0).all()


def test_softmax_is_near_the_real_one():
    generator = torch.Generator().manual_seed(2)
    scores = torch.randint(-1000, 1000, (100, 17), generator=generator)
    for spread in (1.0, 4.0, 30.0):
        factor = spread / 1000  # of a score, in the exponent of e
        shift = 7 - math.floor(math.log2(factor * math.log2(math.e) * 64))
        gain = round(factor * math.log2(math.e) * 64 * 2**shift)
        found = softmax(scores, gain, shift) / 256
        real = torch.softmax(scores.double() * factor, 1)
        assert float((found - real).abs().max()) < 0.011
        assert float((found.sum(1) - 1).abs().max()) < 0.05


def test_softmax_of_a_shifted_row_is_the_same():
    scores = torch.tensor([[3, 9, -20], [2**31 - 1 - 6, 2**31 - 1, 2**31 - 30]])
    one, other = softmax(scores, 200, 3)
    assert torch.equal(one, other)


def test_gelu_by_hand():
    table = gelu_table(4, 4)
    assert gelu(torch.tensor([0, 16, -16, 127, -128, -1]), table).tolist() == [
        0, 13, -3, 127, 0, 0]
    assert gelu_table(0, 6, 4).tolist() == [0, 7, 7, 7, 7, 7, 7, 7, 0, 0, 0, 0, 0, 0, -3, -8]


def test_gelu_is_near_the_real_one():
    x = torch.arange(-128, 128)
    real = functional.gelu(x.double() / 32)
    assert float((gelu(x, gelu_table(5, 5)) / 32 - real).abs().max()) <= 2.0**-6


def test_refusals():
    x = torch.tensor([1, 2])
    with _refused("tokens must be in -32768..32767, not 32768"):
        normalize(torch.tensor([32768]))
    with _refused("fraction_bits must be an int in 0..4, not 5"):
        normalize(x, fraction_bits=5, reciprocal_bits=4)
    with _refused("shift must be an int in 0..31, not 32"):
        layer_norm(x, x, x, 32)
    with _refused("gamma must be of shape (2,), not (3,)"):
        layer_norm(x, torch.tensor([1, 2, 3]), x, 0)
    with _refused("scores must be in -128..127, not 200"):
        softmax(torch.tensor([200]), 1, 0, score_bits=8)
    with _refused("gain must be an int in 1..255, not 0"):
        softmax(x, 0, 0)
    with _refused("x must be in -128..127, not -129"):
        gelu(torch.tensor([-129]), gelu_table(4, 4))
    with _refused("x must be in 1..1099511627776, not 0"):
        reciprocal(torch.tensor([0]), 8)
