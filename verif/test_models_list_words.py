# SPDX-License-Identifier: Apache-2.0
"""Golden packing of weight lists: by hand, back and forth, and the same as the compiler packs."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from spikeloom.gen.compiler.lists import ListFormat, WeightPlaces
from spikeloom.models.golden.errors import GoldenError
from spikeloom.models.golden.list_words import list_words, read_lists
from spikeloom.models.golden.weight_list import encode
from spikeloom.models.golden.weight_loader import loaded_lists
from spikeloom.rtl.config import AcceleratorConfig

BASE = dict(pe="scan", chunk=32, beat_values=4, laggy_adders=8, max_fan_in=96, tppes=2,
            max_columns=32)
CONFIGS = [AcceleratorConfig(**BASE, memory_bits=bits, probes=probes, weight_bits=weight_bits)
           for bits, probes, weight_bits in ((32, 1, 8), (32, 2, 5), (64, 8, 4), (128, 4, 8),
                                             (64, 8, 7))]


def test_known_words():
    """Written out by hand: deltas of 2 bits and weights of 3, two banks, beats of 11 bits."""
    config = AcceleratorConfig(**BASE, memory_bits=32, probes=2, weight_bits=3)
    columns = [[[(1, 3), (2, -1)], [(3, 0), (0, -4)]], [[(0, 0), (0, 0)]]]
    first = 0b0_111_10_011_01
    second = 0b1_100_00_000_11
    third = 0b1_000_00_000_00
    assert list_words(columns, 2, config) == [first | second << 11, third]
    assert list_words(columns[:1], 2, config) == [first | second << 11]
    assert read_lists([first | second << 11, third, 5], 2, 2, config) == (columns, 2)


@settings(derandomize=True, deadline=None, max_examples=60)
@given(st.sampled_from(CONFIGS), st.integers(0, 8), st.integers(0, 2**32), st.integers(1, 9),
       st.integers(1, 9), st.sampled_from([0.0, 0.02, 0.2, 1.0]))
def test_columns_come_back(config, delta_bits, seed, columns, block_columns, density):
    """Both ways of packing give the same words, and they hold the columns."""
    if not config.list_beats_per_word(delta_bits):
        delta_bits = 0
    rng, limit = np.random.default_rng(seed), 1 << (config.weight_bits - 1)
    weights = rng.integers(-limit, limit, (columns, 96)) * (rng.random((columns, 96)) < density)
    weights = weights.astype(np.int8)
    lists = encode(torch.from_numpy(weights).T.long(), config.probes, config.beat_values,
                   delta_bits)
    words = [word for first in range(0, columns, block_columns)
             for word in list_words(lists[first:first + block_columns], delta_bits, config)]
    loaded = loaded_lists(words, columns, block_columns, delta_bits, 2, config)
    in_turn = [(lists[place], place in (columns - 1, first + block_columns - 1))
               for first in range(0, columns, block_columns)
               for _ in range(2) for place in range(first, min(columns, first + block_columns))]
    assert loaded == in_turn

    list_format = ListFormat.of(config, delta_bits)
    places = WeightPlaces.located(weights, config)
    beats = list_format.column_beats(places)
    assert beats.tolist() == [len(column) for column in lists]
    assert list_format.words(beats, block_columns) == len(words)
    packed = list_format.pack(places, block_columns)
    assert packed == b"".join(word.to_bytes(config.memory_bits // 8, "little") for word in words)


@pytest.mark.parametrize("call, message", [
    (lambda c: list_words([[[(0, 1)] * 2]], 9, c), "delta_bits must be an int in 0..8, not 9"),
    (lambda c: list_words([[[(4, 1)] * 2]], 2, c), "delta must be an int in 0..3, not 4"),
    (lambda c: list_words([[[(0, 128)] * 2]], 2, c), "weight must be an int in -128..127, not 128"),
    (lambda c: list_words([[[(0, 1)] * 2]], 8, c), "a beat must take at most 32 bits, not 33"),
    (lambda c: read_lists([0], 1, 8, c), "a beat must take at most 32 bits, not 33"),
    (lambda c: read_lists([0, 0], 1, 2, c), "columns must be 1, not 0"),
    (lambda c: loaded_lists([1 << 20, 0], 1, 1, 2, 1, c), "words must be 1, not 2"),
    (lambda c: loaded_lists([1 << 20], 2, 1, 2, 1, c), "columns must be 1, not 0"),
])
def test_wrong_operands_are_named(call, message):
    config = AcceleratorConfig(**BASE, memory_bits=32, probes=2)
    with pytest.raises(GoldenError, match=message):
        call(config)
