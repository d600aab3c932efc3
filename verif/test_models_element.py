# SPDX-License-Identifier: Apache-2.0
"""The golden element: the same product as by the matrix, and what it refuses."""

import pytest
import torch

from spikeloom.models.golden.element import element
from spikeloom.models.golden.errors import GoldenError
from spikeloom.models.golden.ftp_array import ftp_matmul
from spikeloom.models.golden.lane_word import unpack
from spikeloom.models.golden.weight_list import encode, list_entries, locate, position_of


@pytest.mark.parametrize("banks, size, delta_bits", [(1, 1, 2), (2, 4, 3), (4, 8, 0), (4, 2, 6)])
def test_lists_give_the_matrix_product(banks, size, delta_bits):
    generator = torch.Generator().manual_seed(banks * size)
    words = torch.randint(0, 16, (3, 90), generator=generator)
    weights = torch.randint(-128, 128, (90, 5), generator=generator)
    weights *= torch.rand(90, 5, generator=generator) < torch.tensor([0.0, 0.02, 0.1, 0.5, 1.0])
    columns = [list(list_entries(column, banks, delta_bits))
               for column in encode(weights, banks, size, delta_bits)]
    assert torch.equal(element(words, columns, 4, 20, size),
                       ftp_matmul(unpack(words, 4), weights, 20))


def test_position_is_the_inverse_of_locate():
    positions = torch.arange(96)
    for banks, size in ((1, 8), (2, 4), (4, 8), (4, 1)):
        found = zip(*(part.tolist() for part in locate(positions, banks, size)), strict=True)
        assert [position_of(bank, place, banks, size)
                for bank, place in found] == positions.tolist()


def test_sums_wrap_around():
    words = torch.tensor([[3]])
    assert element(words, [[[(0, 127)]] * 2], 2, 8, 1).flatten().tolist() == [-2, -2]


def test_a_weight_beyond_the_rows_is_refused():
    with pytest.raises(GoldenError, match="place 1 of bank 0 must be of a position below 1, not 1"):
        element(torch.tensor([[1]]), [[[(1, 5)]]], 1, 8, 4)
