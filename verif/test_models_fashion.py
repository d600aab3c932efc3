# SPDX-License-Identifier: Apache-2.0
"""Fashion-MNIST: the committed test slice, the loader, and what is said when data is absent."""

import gzip
import hashlib

import pytest
import torch

from spikeloom.models.data import fashion
from spikeloom.models.data.labelled import DataError


def write_package(folder, monkeypatch, images=6000):
    """Write made-up files where the package unpacks to; images carry their index."""
    place = folder / "usr/share/datasets/fashion-mnist"
    place.mkdir(parents=True)
    sums = {}
    for part, count in (("train", images), ("t10k", 100)):
        pixels = torch.zeros(count, 28, 28, dtype=torch.uint8)
        pixels[:, 0, 0], pixels[:, 0, 1] = torch.arange(count) // 256, torch.arange(count) % 256
        for kind, shape, body in (
                ("images-idx3", (count, 28, 28), pixels.numpy().tobytes()),
                ("labels-idx1", (count,), bytes(index % 10 for index in range(count)))):
            head = bytes([0, 0, 8, len(shape)]) + b"".join(x.to_bytes(4, "big") for x in shape)
            name = f"{part}-{kind}-ubyte"
            sums[name] = hashlib.sha256(head + body).hexdigest()
            (place / f"{name}.gz").write_bytes(gzip.compress(head + body, 1))
    monkeypatch.setattr(fashion, "_SHA256", sums)
    return place


def test_committed_test_slice():
    test = fashion.load_test()
    assert test.images.dtype == torch.uint8 and test.images.shape == (2000, 28, 28)
    assert test.labels.dtype == torch.int64
    assert test.labels.bincount().tolist() == [200, 203, 214, 190, 219, 195, 197, 200, 194, 188]
    assert len(fashion.CLASSES) == 10 and test.images.amax((1, 2)).min() > 100


def test_splits_of_the_package(tmp_path, monkeypatch):
    place = write_package(tmp_path, monkeypatch)
    monkeypatch.delenv("SPIKELOOM_DATA", raising=False)
    training, validation = fashion.load_training(tmp_path)
    assert len(training.images) == 1000 and len(validation.labels) == 5000
    assert validation.images[0, 0, :2].tolist() == [1000 // 256, 1000 % 256]
    assert validation.labels[:3].tolist() == [0, 1, 2] and training.labels.dtype == torch.int64
    monkeypatch.setenv("SPIKELOOM_DATA", str(place))  # the folder of the files itself, too
    assert fashion.load_whole_test().images.shape == (100, 28, 28)


def test_missing_package_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("SPIKELOOM_DATA", str(tmp_path))
    with pytest.raises(DataError, match=r"Fashion-MNIST is not in .* or .*: sudo apt-get install "
                                        r"dataset-fashion-mnist, or .* SPIKELOOM_DATA"):
        fashion.load_training()


def test_damaged_files_are_refused(tmp_path, monkeypatch):
    place = write_package(tmp_path, monkeypatch)
    labels = place / "t10k-labels-idx1-ubyte.gz"
    labels.write_bytes(gzip.compress(b"other", 1))
    with pytest.raises(DataError, match="SHA-256 of .*t10k-labels.* must be .*: remove the file"):
        fashion.load_whole_test(tmp_path)
    labels.write_bytes(b"nothing")
    with pytest.raises(DataError, match="t10k-labels.*gz must be a file of the package"):
        fashion.load_whole_test(tmp_path)


def test_damaged_slice_is_refused(tmp_path, monkeypatch):
    damaged = tmp_path / "fashion_test.npz"
    monkeypatch.setattr(fashion, "_TEST", damaged)
    with pytest.raises(DataError, match="fashion_test.npz is missing: check out"):
        fashion.load_test()
    damaged.write_bytes(b"nothing")
    with pytest.raises(DataError, match="SHA-256 of .*fashion_test.npz must be .* not"):
        fashion.load_test()
