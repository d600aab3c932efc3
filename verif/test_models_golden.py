# SPDX-License-Identifier: Apache-2.0
"""Golden lane words, fibers and products: each against a plain statement of what it means."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from spikeloom.models.golden.compressor import compress
from spikeloom.models.golden.decompressor import decompress
from spikeloom.models.golden.errors import (
    FiberError,
    GoldenError,
    PsumOverflowError,
)
from spikeloom.models.golden.ftp_array import count_matches, exact_matmul, ftp_matmul
from spikeloom.models.golden.inner_join import inner_join, pseudo_accumulate
from spikeloom.models.golden.lane_word import pack, popcount, unpack
from spikeloom.models.golden.plif import LIF, plif
from spikeloom.models.golden.prefix_sum import prefix_sum
from spikeloom.models.golden.tppe import tppe

repeatable = settings(derandomize=True, deadline=None, max_examples=50)
seeds = st.integers(0, 2**32)
densities = st.sampled_from([0.0, 0.05, 0.5, 1.0])


def random_words(rng, shape, timesteps, density):
    words = rng.integers(1, 1 << timesteps, shape) * (rng.random(shape) < density)
    return torch.from_numpy(words)


def random_weights(rng, shape, density, bits=8):
    weights = rng.integers(-(1 << (bits - 1)), 1 << (bits - 1), shape)
    return torch.from_numpy(weights * (rng.random(shape) < density))


def tensor(*values):
    return torch.tensor(values, dtype=torch.int64)


# Lane words

@repeatable
@given(seeds, st.integers(1, 16), densities)
def test_unpack_inverts_pack(seed, timesteps, density):
    words = random_words(np.random.default_rng(seed), (3, 5), timesteps, density)
    spikes = unpack(words, timesteps)
    assert spikes.dtype == torch.bool and spikes.shape == (timesteps, 3, 5)
    assert torch.equal(pack(spikes), words)
    assert torch.equal(popcount(words), spikes.sum(0))


def test_pack_puts_timestep_t_at_bit_t():
    assert pack(torch.tensor([[1, 0], [0, 0], [1, 1]])).tolist() == [5, 4]


@pytest.mark.parametrize(("call", "message"), [
    (lambda: pack(torch.tensor([[2]])), "spikes must be 0 or 1, not 2"),
    (lambda: pack(torch.tensor([[1.0]])), "spikes must be a tensor of integers, not of"),
    (lambda: pack(torch.tensor(1)), "spikes must have a timestep dimension"),
    (lambda: pack(torch.zeros(17, 1).bool()), "timesteps must be an int in 1..16, not 17"),
    (lambda: unpack(tensor(1), 0), "timesteps must be an int in 1..16, not 0"),
    (lambda: unpack(tensor(4), 2), r"words must be in 0\.\.3, not 4"),
    (lambda: unpack(tensor(-1), 2), r"words must be in 0\.\.3, not -1"),
])
def test_lane_word_errors(call, message):
    with pytest.raises(GoldenError, match=message):
        call()


# Fibers

def test_worked_example_of_the_paper():
    row = compress(tensor(0b0101, 0, 0, 0b1110), 4)
    assert row.masks.tolist() == [[True, False, False, True]]
    assert row.values.tolist() == [0b0101, 0b1110]


@repeatable
@given(seeds, st.integers(0, 70), st.integers(1, 40), densities, st.booleans())
def test_decompress_inverts_compress(seed, length, chunk, density, signed):
    rng = np.random.default_rng(seed)
    values = (random_weights(rng, length, density) if signed
              else random_words(rng, length, 16, density))
    fiber = compress(values, chunk)
    assert torch.equal(decompress(fiber), values)
    assert fiber.chunk == chunk and len(fiber.masks) == -(-length // chunk)
    assert int(fiber.counts.sum()) == int((values != 0).sum()) == len(fiber.values)
    for i, (mask, offset, packed) in enumerate(fiber.chunks()):
        part = values[i * chunk:(i + 1) * chunk]
        assert torch.equal(packed, part[part != 0]) and int(mask.sum()) == len(packed)
        assert offset == int((values[:i * chunk] != 0).sum())


def test_fine_tuned_mode_drops_words_with_one_spike():
    words = tensor(0, 1, 2, 3, 8, 12, 15)
    assert decompress(compress(words, 4, min_spikes=2)).tolist() == [0, 0, 0, 3, 0, 12, 15]


@pytest.mark.parametrize(("call", "message"), [
    (lambda: compress(tensor(1), 0), "chunk must be an int in 1..256, not 0"),
    (lambda: compress(tensor(1), 257), "chunk must be an int in 1..256, not 257"),
    (lambda: compress(tensor(1), 8, 0), "min_spikes must be an int in 1..16, not 0"),
    (lambda: compress(tensor(-3), 8, 2), "values must be lane words in 0..65535 .* not -3"),
    (lambda: compress(torch.zeros(2, 2).long(), 8), r"values must be of rank 1, not of shape \(2"),
])
def test_compress_errors(call, message):
    with pytest.raises(GoldenError, match=message):
        call()


@pytest.mark.parametrize(("damage", "message"), [
    (lambda f: {"offsets": f.offsets + tensor(0, 1, 0)}, "offset of chunk 1 must be 2, not 3"),
    (lambda f: {"offsets": f.offsets[:2]}, "offsets must be one for each of 3 chunks, not 2"),
    (lambda f: {"values": f.values[:-1]}, "values up to chunk 2 must be 4, not 3"),
    (lambda f: {"values": torch.cat([f.values, tensor(1)])},
     "values up to chunk 2 must be 4, not 5"),
    (lambda f: {"values": f.values * tensor(1, 1, 0, 1)},
     "values of chunk 1 must be non-zero, not 0 at index 2"),
    (lambda f: {"length": 20}, "chunks must be 5 for length 20, not 3"),
    (lambda f: {"length": 9}, "padding bits of chunk 2 must be 0, not 1 at position 9"),
])
def test_decompress_names_the_chunk(damage, message):
    fiber = compress(tensor(3, 0, 0, 5, 0, 7, 0, 0, 0, 9), 4)
    with pytest.raises(FiberError, match=message):
        decompress(replace(fiber, **damage(fiber)))


@repeatable
@given(st.lists(st.booleans(), min_size=1, max_size=64))
def test_prefix_sum_counts_the_bits_below(bits):
    offsets, count = prefix_sum(torch.tensor([bits, bits]))
    assert offsets[1].tolist() == [sum(bits[:i]) for i in range(len(bits))]
    assert count.tolist() == [sum(bits)] * 2


def test_prefix_sum_errors():
    with pytest.raises(GoldenError, match="mask must be 0 or 1, not 3"):
        prefix_sum(tensor(0, 3))
    with pytest.raises(GoldenError, match="mask must have at least one dimension"):
        prefix_sum(torch.tensor(1))


# Inner join and matrix product

def test_worked_example_of_the_inner_join():
    words, weights = torch.zeros(8, dtype=torch.int64), torch.zeros(8, dtype=torch.int64)
    words[[0, 2, 3, 6]] = tensor(0b1111, 0b0101, 0b1000, 0b1111)
    weights[[0, 1, 3, 6]] = tensor(5, -3, 7, -2)
    positions, joined_weights, joined_words = inner_join(compress(words, 8), compress(weights, 8))
    assert positions.tolist() == [0, 3, 6]
    pseudo, corrections = pseudo_accumulate(joined_weights, joined_words, 4)
    assert pseudo == 10 and corrections.tolist() == [7, 7, 7, 0]
    current = (pseudo - corrections)[:, None]
    spikes = plif(current, tensor(0), tensor(4), LIF(shift=2, decay_input=False))
    assert spikes[:, 0].tolist() == [False, False, False, True]


@repeatable
@given(seeds, st.integers(1, 60), st.integers(1, 20), st.integers(1, 16), densities, densities)
def test_processing_element_is_the_matrix_product(seed, length, chunk, timesteps, spikes_density,
                                                  weights_density):
    rng = np.random.default_rng(seed)
    words = random_words(rng, (2, length), timesteps, spikes_density)
    weights = random_weights(rng, (length, 3), weights_density)
    spikes = unpack(words, timesteps)
    expected = torch.einsum("tmk,kn->tmn", spikes.long(), weights)
    assert torch.equal(ftp_matmul(spikes, weights, 16), expected)
    for m in range(2):
        assert torch.equal(tppe(words[m], weights, timesteps, 16, chunk), expected[:, m])
    matches = sum(len(inner_join(compress(row, chunk), compress(column, chunk))[0])
                  for row in words for column in weights.T)
    assert count_matches(words, weights) == matches


@pytest.mark.parametrize("multiply", [
    lambda words, weights, bits: tppe(words, weights, 4, bits),
    lambda words, weights, bits: ftp_matmul(unpack(words[None], 4), weights, bits)])
def test_overflow_raises_at_the_first_value_beyond(multiply):
    words = tensor(15, 15)
    for weights, fits in (((100, 27), 8), ((-100, -28), 8), ((100, 28), 9), ((-100, -29), 9)):
        matrix = tensor(*weights)[:, None]
        assert multiply(words, matrix, fits).flatten().tolist() == [sum(weights)] * 4
        with pytest.raises(PsumOverflowError, match=rf"psums\[0.*\] must be in .* \({fits - 1} "
                                                    rf"bits signed\), not {sum(weights)}"):
            multiply(words, matrix, fits - 1)


ONE = torch.ones(1, 1, dtype=torch.int64)


@pytest.mark.parametrize(("call", "message"), [
    (lambda: inner_join(compress(tensor(1), 4), compress(tensor(1, 2), 4)),
     "length of weights must be 1, as of spikes, not 2"),
    (lambda: inner_join(compress(tensor(1), 4), compress(tensor(1), 8)),
     "chunk of weights must be 4, as of spikes, not 8"),
    (lambda: pseudo_accumulate(tensor(1), tensor(1, 1), 4), r"words must be of shape \(1,\)"),
    (lambda: pseudo_accumulate(tensor(1), tensor(16), 4), r"words must be in 0\.\.15, not 16"),
    (lambda: tppe(tensor(1, 1), ONE, 4, 8), r"words must be of shape \(1,\), as the rows"),
    (lambda: tppe(tensor(1), ONE, 4, 1), "psum_bits must be an int in 2..48, not 1"),
    (lambda: tppe(tensor(1), ONE, 17, 8), "timesteps must be an int in 1..16, not 17"),
    (lambda: ftp_matmul(ONE, ONE, 8), r"spikes must be of rank 3, not of shape \(1, 1\)"),
    (lambda: ftp_matmul(2 * ONE[None], ONE, 8), "spikes must be 0 or 1, not 2"),
    (lambda: ftp_matmul(ONE[None], ONE[0], 8), "weights must be of rank 2"),
    (lambda: ftp_matmul(ONE[None], ONE.expand(2, 1), 8), "rows of weights must be 1, as the row"),
    (lambda: ftp_matmul(ONE[None], ONE << 60, 8), "column sum of weight magnitudes must be below"),
    (lambda: exact_matmul(ONE, ONE << 50, 8), f"magnitudes must be below {1 << 50}, not"),
    (lambda: count_matches(ONE, ONE.expand(2, 1)), "rows of weights must be 1, as the row"),
])
def test_matrix_product_errors(call, message):
    with pytest.raises(GoldenError, match=message):
        call()
