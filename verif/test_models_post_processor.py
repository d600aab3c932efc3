# SPDX-License-Identifier: Apache-2.0
"""Golden post-processing: each op against a plain statement of what it means."""

import pytest
import torch

from spikeloom.models.golden.bit_planes import bit_planes
from spikeloom.models.golden.combine_lanes import combine_lanes
from spikeloom.models.golden.errors import GoldenError, PsumOverflowError
from spikeloom.models.golden.ftp_array import count_matches, ftp_matmul
from spikeloom.models.golden.lane_word import unpack
from spikeloom.models.golden.max_pool import max_pool
from spikeloom.models.golden.plif import LIF, plif
from spikeloom.models.golden.post_processor import Channels, PostStep, PostTile, post_process
from spikeloom.models.golden.readout import readout


def integers(seed, shape, low, high):
    return torch.randint(low, high, shape, generator=torch.Generator().manual_seed(seed))


def channels(columns, **tables):
    return Channels(**{name: torch.full((columns,), tables.get(name, default)) for name, default
                       in (("bias", 0), ("threshold", 1), ("multiplier", 1), ("shift", 0))})


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("timesteps, bits", [(1, 4), (4, 8), (4, 6), (5, 8), (16, 8), (3, 3)])
def test_planes_of_integers_give_the_integer_product(timesteps, bits, signed):
    passes = -(-bits // timesteps)
    low, high = (-(1 << (bits - 1)), 1 << (bits - 1)) if signed else (0, 1 << bits)
    values, weights = integers(1, (6, 20), low, high), integers(2, (20, 5), -8, 8)
    words = bit_planes(values, timesteps, passes, bits, signed)
    psums = torch.stack([ftp_matmul(unpack(word, timesteps), weights, 16) for word in words], 1)
    assert torch.equal(combine_lanes(psums, signed), values @ weights)


@pytest.mark.parametrize("timesteps, bits", [(1, 4), (4, 8), (4, 4)])
def test_cost_is_that_of_passes_spike_layers_at_the_density_of_the_planes(timesteps, bits):
    passes = -(-bits // timesteps)
    values, weights = integers(1, (6, 20), 0, 1 << bits), integers(2, (20, 5), 1, 8)
    words = bit_planes(values, timesteps, passes, bits, False)
    rows = words.reshape(-1, 20)
    assert len(rows) == passes * len(values)
    density = float((rows != 0).float().mean())
    assert count_matches(rows, weights) == round(passes * density * values.numel() * 5)


@pytest.mark.parametrize("value, bits, signed, words", [
    (5, 4, False, [1, 1, 0]), (99, 4, False, [3, 3, 0]), (-1, 4, False, [0, 0, 0]),
    (-1, 4, True, [3, 3, 3]), (99, 4, True, [3, 1, 0]), (-99, 4, True, [0, 2, 3]),
])
def test_planes_are_clamped_and_sign_extended(value, bits, signed, words):
    assert bit_planes(torch.tensor([value]), 2, 3, bits, signed).flatten().tolist() == words


def test_readout_takes_the_first_of_the_largest():
    logits, winner = readout(torch.tensor([[1, 4, 3, -9], [1, 0, 1, 0]]))
    assert logits.tolist() == [2, 4, 4, -9] and winner == 1
    with pytest.raises(PsumOverflowError, match="logits"):
        readout(torch.tensor([[1 << 31]]))
    with pytest.raises(GoldenError, match="column"):
        readout(torch.zeros(2, 0, dtype=torch.int64))


@pytest.mark.parametrize("members_per_tile", [9, 4, 1])
def test_windows_over_tiles_are_those_of_max_pool(members_per_tile):
    lif, psums = LIF(gain=1, shift=1), integers(3, (4, 3, 3, 7), -9, 9)
    words = psums.reshape(4, 9, 7).split(members_per_tile, dim=1)
    tiles = [PostTile(psums=part, channels=channels(7, threshold=3), opens=not number,
                      closes=number == len(words) - 1) for number, part in enumerate(words)]
    found = post_process(tiles, PostStep(members_per_tile=members_per_tile, lif=lif), 12)
    zero = torch.zeros(7, dtype=torch.int64)
    spikes = plif(psums, zero, zero + 3, lif).permute(0, 3, 1, 2)
    assert torch.equal(unpack(found.words[0][0], 4), max_pool(spikes, 3)[..., 0, 0])
    assert len(found.words) == 1


def test_steps_come_in_order():
    """Combine, bias, requantize, residual, each seen in the numbers."""
    step = PostStep(mode="integers", passes=2, combine=True, signed_input=True, requantize=True,
                    residual_in=True, residual_out=True, out_bits=8, out_passes=4,
                    out_signed=True)
    tile = PostTile(psums=torch.tensor([[[3], [1]], [[2], [1]]]),
                    channels=channels(1, bias=101, multiplier=3, shift=1),
                    residuals=torch.tensor([[[-300]], [[7]]]))
    found = post_process([tile], step, 12)
    value = (3 + 2 * 2 + 4 * 1 - 8 * 1 + 101) * 3
    scaled = (value + 1) >> 1
    assert found.residuals[0].flatten().tolist() == [scaled - 300, scaled + 7]
    assert found.words[0].flatten().tolist() == [max(scaled - 300, -128) >> place & 3
                                                 for place in (0, 2, 4, 6)]


def test_sums_of_planes_wrap_at_psum_bits():
    tile = PostTile(psums=torch.tensor([[[100]], [[100]]]), channels=channels(1))
    found = post_process([tile], PostStep(mode="readout", combine=True), 8)
    assert found.logits.tolist() == [2 * (300 - 256)]


@pytest.mark.parametrize("psums, text", [
    (torch.zeros(2, 0, 3, dtype=torch.int64), "lanes"),
    (torch.zeros(4, 9, 1, dtype=torch.int64), "lanes"),
    (torch.full((1, 1), 1 << 31), "psums"),
])
def test_operands_out_of_range_are_refused(psums, text):
    with pytest.raises(GoldenError, match=text):
        combine_lanes(psums, True)


def test_steps_that_do_not_fit_are_refused():
    with pytest.raises(GoldenError, match="mode"):
        PostStep(mode="other")
    tile = PostTile(psums=torch.zeros(1, 3, 1, dtype=torch.int64), channels=channels(1))
    with pytest.raises(GoldenError, match="rows"):
        post_process([tile], PostStep(passes=2, combine=True), 8)
    with pytest.raises(GoldenError, match="residuals"):
        post_process([tile], PostStep(residual_in=True), 8)
