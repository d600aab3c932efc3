# SPDX-License-Identifier: Apache-2.0
"""Waves: the solver against the equation written out, and the splits."""

import numpy as np
import pytest
import torch

from spikeloom.models.data import wave


@pytest.fixture(scope="module")
def splits():
    return wave.generate()


def written_out(row, column, steps):
    """The published scheme for one wave, with its constants of the speed and of the grid."""
    side, speed = 64, 1484.0
    spacing = np.pi / (side - 1)
    step = 1 / (speed * np.sqrt(2 * (1 / spacing**2 + 1 / spacing**2)))
    now = np.zeros((side, side))
    for y in range(row - 1, row + 2):
        for x in range(column - 1, column + 2):
            now[y, x] = np.exp(-((y - row)**2 + (x - column)**2) / 2)
    before, after = now.copy(), np.zeros_like(now)
    for _ in range(2, steps + 1):
        bend = ((now[2:, 1:-1] - 2 * now[1:-1, 1:-1] + now[:-2, 1:-1]) / spacing**2
                + (now[1:-1, 2:] - 2 * now[1:-1, 1:-1] + now[1:-1, :-2]) / spacing**2)
        after[1:-1, 1:-1] = 2 * now[1:-1, 1:-1] - before[1:-1, 1:-1] + (speed * step)**2 * bend
        before, now = now.copy(), after.copy()
    return after


@pytest.mark.parametrize("row, column, steps", [(10, 53, 100), (31, 30, 100), (20, 12, 2)])
def test_solver_follows_the_equation(row, column, steps):
    found = wave.solve(np.array([40, row]), np.array([20, column]), steps)[1]
    np.testing.assert_allclose(found, written_out(row, column, steps), atol=1e-10)


def test_waves_keep_the_symmetry_of_the_square():
    one, turned, mirrored = wave.solve(np.array([12, 40, 12]), np.array([40, 12, 23]))
    np.testing.assert_array_equal(one, turned.T)
    np.testing.assert_array_equal(one, mirrored[:, ::-1])


def test_splits_hold_each_place_once(splits):
    training, test = splits
    assert training.images.shape == (1549, 64, 64) and test.images.shape == (387, 64, 64)
    assert training.images.dtype == torch.uint8 and training.labels.dtype == torch.int64
    assert len(torch.cat([training.images, test.images]).unique(dim=0)) == 1936
    assert test.labels.bincount().tolist() == [22, 47, 33, 61, 83, 39, 28, 47, 27]
    assert 0 < training.images.min() < 30 and 240 < training.images.max() < 255  # not clipped
    assert (training.images[:, 0] == 128).all()  # the border is at rest


def test_labels_are_the_field_of_the_place(splits):
    _, test = splits
    side = np.arange(10, 54)
    rows, columns = (part.flatten() for part in np.meshgrid(side, side, indexing="ij"))
    chosen = (rows % 11 == 0) & (columns % 7 == 0)
    waves = wave.solve(rows[chosen], columns[chosen])
    pixels = torch.from_numpy(np.rint(waves * 800 + 128).astype(np.uint8))
    matches = (test.images[:, None] == pixels[None]).all((2, 3))
    found, places = matches.nonzero(as_tuple=True)
    assert len(found) >= 3
    for image, place in zip(found.tolist(), places.tolist(), strict=True):
        row, column = int(rows[chosen][place]), int(columns[chosen][place])
        assert test.labels[image] == row // (64 / 3) // 1 * 3 + column // (64 / 3) // 1
