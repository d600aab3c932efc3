# SPDX-License-Identifier: Apache-2.0
"""Acoustic waves: where in a square did the wave begin that is seen there now?

After Y. Kim et al., "Rethinking skip connections in spiking neural networks with time-to-first-
spike coding" (2023): the wave equation on a grid of 64x64 points whose border is held at zero,
from a small bump at rest, solved for 100 time steps at the largest stable step. The last state
is the image; the class is the field of a 3x3 board that the bump was in. There is one image for
each place of the bump, 10 points or more from the border. Nothing is fetched: it is computed.
"""

import hashlib

import numpy as np
import torch

from .labelled import LabelledImages

__all__ = ["generate", "load_test", "load_training", "solve"]

SIDE = 64
_STEPS = 100
_MARGIN = 10
_TESTING = 0.2
_SEED = "spikeloom wave 1"
# exp(-1/2 d**2) at distance 0, 1 and sqrt(2); as digits, so that every machine starts alike
_BUMP = {0: 1.0, 1: 0.6065306597126334, 2: 0.36787944117144233}
_GAIN = 800.0  # the largest amplitude, 0.145, becomes 116
_ZERO = 128    # pixel of a point at rest


def solve(rows: np.ndarray, columns: np.ndarray, steps: int = _STEPS) -> np.ndarray:
    """Return the waves that begin at some points, after some time steps.

    The scheme is the central one, ``u'' = 2 u' - u + (c dt / dx)**2 * laplacian(u')``, with
    ``(c dt / dx)**2 = 1/4``; the first two states are the same.

    Parameters
    ----------
    rows, columns : ndarray[B]
        Where the bumps are.
    steps : int
        States, both first ones counted.

    Returns
    -------
    ndarray[B, 64, 64]
        float64.
    """
    now = np.zeros((len(rows), SIDE, SIDE))
    batch = np.arange(len(rows))
    for y in (-1, 0, 1):
        for x in (-1, 0, 1):
            now[batch, rows + y, columns + x] = _BUMP[y * y + x * x]
    before = now.copy()
    for _ in range(steps - 1):
        after = np.zeros_like(now)
        inner = now[:, 1:-1, 1:-1]
        around = (now[:, 2:, 1:-1] + now[:, :-2, 1:-1]) + (now[:, 1:-1, 2:] + now[:, 1:-1, :-2])
        after[:, 1:-1, 1:-1] = inner - before[:, 1:-1, 1:-1] + around / 4
        before, now = now, after
    return now


def generate(fields: int = 3) -> tuple[LabelledImages, LabelledImages]:
    """Compute the training split (1549 images) and the test split (387).

    Which image goes where, and their order, follow from a hash of the place of the bump.

    Parameters
    ----------
    fields : int
        Along one side of the board: 3 for 9 classes, 6 for 36.

    Returns
    -------
    training, test : LabelledImages
    """
    side = np.arange(_MARGIN, SIDE - _MARGIN)
    places = [(int(row), int(column)) for row in side for column in side]
    places.sort(key=lambda place: hashlib.sha256(f"{_SEED}:{place}".encode()).digest())
    rows, columns = np.array(places).T
    waves = _all_waves()[rows - _MARGIN, columns - _MARGIN]
    pixels = np.rint(waves * _GAIN + _ZERO).clip(0, 255).astype(np.uint8)
    labels = rows * fields // SIDE * fields + columns * fields // SIDE
    whole = LabelledImages(images=torch.from_numpy(pixels), labels=torch.from_numpy(labels))
    cut = round(len(places) * _TESTING)
    test, training = (LabelledImages(images=whole.images[part], labels=whole.labels[part])
                      for part in (slice(cut), slice(cut, None)))
    return training, test


def _all_waves() -> np.ndarray:
    """Return the waves of all places; one quarter is solved, the others are its mirror images."""
    side = np.arange(_MARGIN, SIDE // 2)
    quarter = np.stack([solve(np.full(len(side), row), side) for row in side])
    half = np.concatenate([quarter, quarter[:, ::-1, :, ::-1]], 1)
    return np.concatenate([half, half[::-1, :, ::-1]])


def load_training() -> LabelledImages:
    """Compute the training split, 9 classes."""
    return generate()[0]


def load_test() -> LabelledImages:
    """Compute the test split, 9 classes."""
    return generate()[1]
