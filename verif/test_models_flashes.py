# SPDX-License-Identifier: Apache-2.0
"""Digits as spikes: thresholds in time and channels, and the splits."""

import torch

from spikeloom.models.data import digits, flashes
from spikeloom.models.data.labelled import LabelledImages


def test_brighter_pixels_spike_more_often(monkeypatch):
    """Each mean of two by two pixels is compared with eight thresholds in order."""
    image = torch.zeros(1, 28, 28, dtype=torch.uint8)
    image[0, 4:6, 8:10] = torch.tensor([[113, 113], [114, 117]])  # 114.25 on average
    image[0, :2, :2] = 255
    image[0, 26:, 26:] = 28                                       # as the first threshold
    monkeypatch.setattr(digits, "load_test", lambda: LabelledImages(
        images=image, labels=torch.tensor([3])))
    seen = flashes.load_test()
    assert seen.images.dtype == torch.uint8 and seen.labels.tolist() == [3]
    expected = torch.zeros(1, 4, 2, 14, 14, dtype=torch.uint8)
    expected[0, :, :, 0, 0] = 1
    expected[0, :2, :, 2, 4] = 1  # thresholds 28, 56, 85 and 113
    assert torch.equal(seen.images, expected)


def test_splits_are_those_of_the_digits():
    test = flashes.load_test()
    assert test.images.shape == (2000, 4, 2, 14, 14)
    assert torch.equal(test.labels, digits.load_test().labels)
    counts = test.images.sum((2, 3, 4), dtype=torch.int64)
    assert (counts[:, 0] > counts[:, -1]).all()
