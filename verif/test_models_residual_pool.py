# SPDX-License-Identifier: Apache-2.0
"""Golden pooling of residuals against hand-counted values and torch's own pooling."""

import pytest
import torch
from torch.nn import functional

from spikeloom.models.golden.errors import GoldenError
from spikeloom.models.golden.residual_pool import pool_bits, residual_pool


def test_hand_counted():
    """Negative values stay the largest at the border, where zeros would win."""
    maps = torch.tensor([[-5, -7, -3], [-9, -4, -8], [-6, 2, -1]])[None, None, None]
    largest = residual_pool(maps, "max", (3, 3), 2, (1, 1))
    assert largest.tolist() == [[[[[-4, -3], [2, 2]]]]]
    assert residual_pool(maps, "sum", (3, 3), 2, (1, 1)).tolist() == [
        [[[[-25, -22], [-17, -11]]]]]
    assert residual_pool(maps, "sum", (3, 3)).tolist() == [[[[[-41]]]]]


@pytest.mark.parametrize(("window", "stride", "padding", "shape"), [
    ((3, 3), 2, (1, 1), (7, 7)), ((3, 3), 2, (1, 1), (8, 6)), ((2, 3), 1, (0, 2), (4, 5)),
    ((4, 1), 3, (3, 0), (5, 2)), ((5, 6), 1, (0, 0), (5, 6))])
def test_equals_torch(window, stride, padding, shape):
    """Over the whole range of the residuals."""
    generator = torch.Generator().manual_seed(1)
    maps = torch.randint(-(1 << 15), 1 << 15, (2, 3, 4, *shape), generator=generator)
    maps[..., 0, 0] = -(1 << 15)
    flat = functional.pad(maps.double().flatten(0, 1), (padding[1],) * 2 + (padding[0],) * 2,
                          value=-torch.inf)
    largest = functional.max_pool2d(flat, window, stride)
    total = functional.avg_pool2d(flat.clamp(min=-1e9) * (flat > -1e9), window, stride)
    for kind, expected in (("max", largest), ("sum", total * window[0] * window[1])):
        out = residual_pool(maps, kind, window, stride, padding)
        assert torch.equal(out.flatten(0, 1), expected.round().to(torch.int64))
        assert int(out.abs().max()) <= 1 << (pool_bits(kind, window) - 1)


def test_width_of_results():
    """The sum of the lowest residuals just fits; a bit fewer would not do."""
    lowest = torch.full((1, 1, 1, 3, 3), -(1 << 15))
    assert int(residual_pool(lowest, "sum", (3, 3))) == -9 << 15
    assert pool_bits("sum", (3, 3)) == 20
    assert pool_bits("sum", (8, 8)) == 22
    assert pool_bits("max", (3, 3)) == 16


@pytest.mark.parametrize(("operands", "message"), [
    (("mean", (2, 2)), "kind must be one of max, sum, not 'mean'"),
    (("max", (4, 2)), r"kernel must be an int in 1\.\.3, not 4"),
    (("max", (2, 2), 0), r"stride must be an int in 1\.\.255, not 0"),
    (("max", (2, 2), 1, (1, 2)), r"padding must be an int in 0\.\.1, not 2"),
])
def test_refused(operands, message):
    """Errors name the operand, what it is and what it may be."""
    with pytest.raises(GoldenError, match=message):
        residual_pool(torch.zeros(1, 1, 1, 3, 3, dtype=torch.int64), *operands)


def test_refuses_residuals():
    """Residuals have 16 bits and five dimensions."""
    with pytest.raises(GoldenError, match=r"residuals must be in -32768..32767, not 32768"):
        residual_pool(torch.full((1, 1, 1, 2, 2), 1 << 15), "max", (2, 2))
    with pytest.raises(GoldenError, match="residuals must be of rank 5"):
        residual_pool(torch.zeros(2, 2, dtype=torch.int64), "max", (2, 2))
