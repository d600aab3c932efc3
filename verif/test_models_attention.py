# SPDX-License-Identifier: Apache-2.0
"""Golden attention of spikes against hand-counted values and the sums written out."""

import itertools

import pytest
import torch
from torch import Tensor

from spikeloom.models.golden.attention import attention, attention_bits, key_value_sums
from spikeloom.models.golden.errors import GoldenError

CASES = [(1, 1, 1, 1, 1), (2, 2, 3, 2, 2), (4, 1, 5, 6, 3), (4, 2, 4, 8, 2), (5, 5, 3, 4, 1),
         (6, 3, 2, 6, 2)]  # timesteps, chunk_steps, tokens, channels, heads


def _split(spikes: Tensor, heads: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return queries, keys and values, int64[T, N, heads, d]."""
    queries, keys, values = spikes.to(torch.int64).chunk(3, -1)
    return tuple(part.unflatten(-1, (heads, -1))  # type: ignore[return-value]
                 for part in (queries, keys, values))


def test_hand_counted():
    """One head of two channels, two tokens, two steps, in one chunk and in two."""
    #                         q     k     v
    spikes = torch.tensor([[[1, 0, 1, 1, 0, 1],    # step 0, token 0
                            [1, 1, 0, 1, 1, 1]],   # step 0, token 1
                           [[0, 1, 1, 0, 1, 1],    # step 1, token 0
                            [0, 0, 1, 1, 1, 0]]])  # step 1, token 1
    assert key_value_sums(spikes, 1, 1).tolist() == [[[[0, 1], [1, 2]]], [[[2, 1], [1, 0]]]]
    assert key_value_sums(spikes, 1, 2).tolist() == [[[[2, 2], [2, 2]]]]
    assert attention(spikes, 1, 1).tolist() == [[[0, 1], [1, 3]], [[1, 0], [0, 0]]]
    assert attention(spikes, 1, 2).tolist() == [[[2, 2], [4, 4]], [[2, 2], [0, 0]]]


def test_heads_do_not_mix():
    """Two heads of one channel: head 1 sees no key of head 0."""
    #                        q     k     v
    spikes = torch.tensor([[[1, 1, 1, 0, 1, 1], [1, 1, 1, 1, 1, 0]]])
    assert key_value_sums(spikes, 2, 1).tolist() == [[[[2]], [[0]]]]
    assert attention(spikes, 2, 1).tolist() == [[[2, 0], [2, 0]]]


@pytest.mark.parametrize(("timesteps", "chunk_steps", "tokens", "channels", "heads"), CASES)
@pytest.mark.parametrize("density", [0.3, 1.0])
def test_equals_the_sums_written_out(timesteps, chunk_steps, tokens, channels, heads, density):
    """Both orders of the products, step by step and token by token; full spikes meet the bound."""
    generator = torch.Generator().manual_seed(timesteps * 7 + channels)
    spikes = torch.rand(timesteps, tokens, 3 * channels, generator=generator) < density
    queries, keys, values = _split(spikes, heads)
    expected = torch.zeros(timesteps, tokens, channels, dtype=torch.int64)
    size = channels // heads
    for t, n, h, j in itertools.product(*map(range, (timesteps, tokens, heads, size))):
        first = t // chunk_steps * chunk_steps
        for s, m in itertools.product(range(first, first + chunk_steps), range(tokens)):
            score = int((queries[t, n, h] * keys[s, m, h]).sum())
            expected[t, n, h * size + j] += score * int(values[s, m, h, j])
    out = attention(spikes, heads, chunk_steps)
    assert torch.equal(out, expected)
    assert int(key_value_sums(spikes, heads, chunk_steps).max()) <= chunk_steps * tokens
    bits = attention_bits(size, tokens, chunk_steps)
    assert int(out.max()) < 1 << (bits - 1)
    if density == 1:
        assert int(out.max()) == size * tokens * chunk_steps >= 1 << (bits - 2)


def test_images_do_not_mix():
    """A batch gives what its images give one by one."""
    spikes = torch.rand(4, 3, 5, 12, generator=torch.Generator().manual_seed(1)) < 0.5
    alone = [attention(spikes[:, [image]], 2, 2) for image in range(3)]
    assert torch.equal(attention(spikes, 2, 2), torch.cat(alone, 1))


@pytest.mark.parametrize(("shape", "heads", "chunk_steps", "message"), [
    ((4, 2, 8), 1, 1, r"spikes must be of shape \[T, ..., N, 3 \* D\], not \[4, 2, 8\]"),
    ((4, 6), 1, 1, r"spikes must be of shape \[T, ..., N, 3 \* D\], not \[4, 6\]"),
    ((4, 2, 12), 3, 1, "heads must divide 4, not be 3"),
    ((4, 2, 12), 5, 1, "heads must be an int in 1..4, not 5"),
    ((4, 2, 12), 2, 3, "chunk_steps must divide 4, not be 3"),
    ((4, 2, 12), 2, 0, "chunk_steps must be an int in 1..4, not 0"),
])
def test_refused(shape, heads, chunk_steps, message):
    """Errors name the operand, what it is and what it may be."""
    with pytest.raises(GoldenError, match=message):
        attention(torch.zeros(shape, dtype=torch.bool), heads, chunk_steps)


def test_refuses_integers():
    """Spikes are 0 or 1."""
    with pytest.raises(GoldenError, match="spikes must be 0 or 1, not 2"):
        attention(torch.full((1, 1, 3), 2), 1, 1)
