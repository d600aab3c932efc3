# SPDX-License-Identifier: Apache-2.0
"""Labelled images, and the checks that all loaders share."""

import hashlib
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

__all__ = ["DataError", "LabelledImages", "check_sha256", "load_slice"]


class DataError(RuntimeError):
    """Data that is absent or not what it should be; the message says what to do."""


@dataclass(frozen=True, kw_only=True, eq=False)
class LabelledImages:
    """Images and their labels.

    Parameters
    ----------
    images : Tensor[B, H, W]
        uint8, 0 is background.
    labels : Tensor[B]
        int64.
    """

    images: Tensor
    labels: Tensor

    def first(self, count: int | None) -> "LabelledImages":
        """Return the first images, all if no count is given."""
        return LabelledImages(images=self.images[:count], labels=self.labels[:count])


def load_slice(path: Path, sha256: str) -> LabelledImages:
    """Load images that are committed with the package.

    Raises
    ------
    DataError
        If the file is missing or its SHA-256 is wrong.
    """
    if not path.exists():
        raise DataError(f"{path} is missing: check out the repository again")
    content = path.read_bytes()
    check_sha256(path, content, sha256)
    with np.load(io.BytesIO(content), allow_pickle=False) as file:
        return LabelledImages(images=torch.from_numpy(file["images"]),
                              labels=torch.from_numpy(file["labels"]).to(torch.int64))


def check_sha256(path: Path, content: bytes, expected: str) -> None:
    """Raise `DataError` unless a file's content has the expected SHA-256."""
    found = hashlib.sha256(content).hexdigest()
    if found != expected:
        raise DataError(f"SHA-256 of {path} must be {expected}, not {found}: remove the file")
