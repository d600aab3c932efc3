# SPDX-License-Identifier: Apache-2.0
"""Fashion-MNIST: 70,000 images of clothes, 28x28 pixels, ten classes.

Source: Debian's package ``dataset-fashion-mnist`` (MIT, Copyright (c) 2017 Zalando SE), the
files of https://github.com/zalandoresearch/fashion-mnist. The first 2000 test images lie beside
this file as ``fashion_test.npz``; the rest is read when a network is trained. See ``README.md``.
"""

import gzip
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import torch

from .labelled import DataError, LabelledImages, check_sha256, load_slice

__all__ = ["CLASSES", "load_test", "load_training", "load_whole_test"]

CLASSES = ("T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag",
           "ankle boot")
_PACKAGE = "dataset-fashion-mnist"
_FOLDER = "usr/share/datasets/fashion-mnist"
_TEST = Path(__file__).with_name("fashion_test.npz")
_TEST_SHA256 = "184ace8e451ec46fcd1e28e877e467d88f75926ff73877f19f034b4e68099235"
_VALIDATION = 5000
_SHA256 = {  # of what the .gz files hold
    "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}


def load_test() -> LabelledImages:
    """Load the first 2000 images of the test set, committed with the package.

    Raises
    ------
    DataError
        If the file is missing or its SHA-256 is wrong.
    """
    return load_slice(_TEST, _TEST_SHA256)


def load_training(folder: str | Path | None = None) -> tuple[LabelledImages, LabelledImages]:
    """Load the training split (55,000 images) and the validation split (the last 5000).

    Parameters
    ----------
    folder : str or path, optional
        Where the package's files are: in it, or in the tree below it that the package unpacks
        to. If not given, ``$SPIKELOOM_DATA``, or where the package is installed.

    Raises
    ------
    DataError
        If a file is missing or its SHA-256 is wrong.
    """
    whole = _load("train", folder)
    cut = len(whole.labels) - _VALIDATION
    training, validation = (
        LabelledImages(images=whole.images[part], labels=whole.labels[part])
        for part in (slice(cut), slice(cut, None)))
    return training, validation


def load_whole_test(folder: str | Path | None = None) -> LabelledImages:
    """Load the whole test set, 10,000 images; for the parameter and errors see `load_training`."""
    return _load("t10k", folder)


def _load(part: str, folder: str | Path | None) -> LabelledImages:
    place = _find(folder)
    images = _read(place, f"{part}-images-idx3-ubyte", 3)
    labels = _read(place, f"{part}-labels-idx1-ubyte", 1)
    return LabelledImages(images=torch.from_numpy(images),
                          labels=torch.from_numpy(labels).to(torch.int64))


def _find(folder: str | Path | None) -> Path:
    given = folder or os.environ.get("SPIKELOOM_DATA")
    roots = [Path(given), Path(given) / _FOLDER] if given else [Path("/") / _FOLDER]
    for root in roots:
        if (root / "train-images-idx3-ubyte.gz").exists():
            return root
    raise DataError(f"Fashion-MNIST is not in {' or '.join(map(str, roots))}: "
                    f"sudo apt-get install {_PACKAGE}, or unpack the package somewhere and set "
                    f"SPIKELOOM_DATA to that folder")


def _read(folder: Path, name: str, rank: int) -> np.ndarray:
    path = folder / f"{name}.gz"
    try:
        content = gzip.decompress(path.read_bytes())
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} must be a file of the package {_PACKAGE}, readable and whole "
                        f"({error})") from error
    check_sha256(path, content, _SHA256[name])
    shape = struct.unpack_from(f">{rank}I", content, 4)  # behind the magic number
    return np.frombuffer(content, np.uint8, offset=4 + 4 * rank).reshape(shape).copy()
