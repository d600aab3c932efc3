# SPDX-License-Identifier: Apache-2.0
"""The committed dual-sparse network: it is accurate, and its training repeats."""

import numpy as np
import pytest
import torch

from spikeloom.models.data import digits
from spikeloom.models.golden.lane_word import pack
from spikeloom.models.golden.tppe import tppe
from spikeloom.models.zoo.dual_sparse_cnn import RECIPE


@pytest.fixture(scope="module")
def test_split():
    return digits.load_test()


@pytest.fixture(scope="module")
def network():
    return RECIPE.load()


def test_shape(network):
    assert network.timesteps == 4 and network.weight_bits == 8
    assert network.input_shape == (1, 28, 28)
    assert [layer.outputs for layer in network.layers] == [
        (32, 14, 14), (64, 7, 7), (64, 3, 3), (128, 1, 1), (10, 1, 1)]
    assert [layer.row_length for layer in network.layers] == [9, 288, 576, 576, 128]
    assert [layer.psum_bits for layer in network.layers] == [20, 17, 18, 18, 15]


def test_accuracy_on_the_whole_test_split(network, test_split):
    right = network.predict(test_split.images) == test_split.labels
    integer = float(right.double().mean())
    floating = RECIPE.accuracy_float(test_split.images, test_split.labels)
    assert integer >= 0.97
    assert abs(integer - floating) <= 0.005


def test_slow_processing_element_computes_the_same_psums(network, test_split):
    rng = np.random.default_rng(1)
    trace = network.run(test_split.images[:20])
    for layer in network.layers[1:]:
        seen = trace[layer.name]
        words, weights = pack(seen.rows), layer.weight_matrix()
        for m in rng.integers(0, words.shape[0], 2).tolist():
            columns = rng.integers(0, weights.shape[1], 8)
            psums = tppe(words[m], weights[:, columns], 4, layer.psum_bits)
            assert torch.equal(psums, seen.psums[:, m, columns])
