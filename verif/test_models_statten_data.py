# SPDX-License-Identifier: Apache-2.0
"""Moving digits and digits in strips: the rules, pixel by pixel, and the splits."""

import torch

from spikeloom.models.data import digits, moving, strips


def dot(row: int, column: int, brightness: int = 200) -> torch.Tensor:
    """Return an image with one block of 2x2 bright pixels."""
    image = torch.zeros(1, 28, 28, dtype=torch.uint8)
    image[0, 2 * row:2 * row + 2, 2 * column:2 * column + 2] = brightness
    return image


def test_a_dot_leaves_off_events_behind_it():
    """It brightens where it comes to and darkens where it was."""
    way = torch.tensor([[1, -2]])
    frames = moving.render(dot(3, 5), torch.tensor([[2, 10]]), way)
    events = moving.see(frames)
    assert events.shape == (1, 5, 2, 24, 24) and events.dtype == torch.uint8
    expected = torch.zeros_like(events)
    for step in range(5):
        expected[0, step, 0, 5 + step + 1, 15 - 2 * (step + 1)] = 1
        expected[0, step, 1, 5 + step, 15 - 2 * step] = 1
    assert torch.equal(events, expected)


def test_faint_changes_give_no_events():
    """A change of 64 does, one of 63 does not."""
    for brightness, seen in ((63, 0), (64, 10)):
        frames = moving.render(dot(0, 0, brightness), torch.tensor([[0, 0]]),
                               torch.tensor([[2, 2]]))
        assert int(moving.see(frames).sum()) == seen


def test_digits_move_within_the_square():
    """Each input has events of both kinds at every step, and they repeat."""
    test = moving.load_test()
    assert test.images.shape == (2000, 5, 2, 24, 24) and test.images.max() == 1
    assert torch.equal(test.labels, digits.load_test().labels)
    counts = test.images.sum((3, 4), dtype=torch.int64)
    assert (counts > 0).all()
    assert torch.equal(moving.load_test().images, test.images)


def test_strips_show_all_of_a_digit_once():
    """Two rows a step, at their place; together they are the image."""
    image = dot(0, 0, 255) + dot(13, 13, 64) + dot(6, 2, 63)
    cut = strips.cut(image)
    assert cut.shape == (1, 8, 1, 16, 16)
    assert cut.nonzero().tolist() == [[0, 0, 0, 1, 1], [0, 7, 0, 14, 14]]
    test = strips.load_test()
    assert test.images.sum(1).max() == 1
    for step in range(8):
        dark = [row for row in range(16) if row // 2 != step]
        assert not test.images[:, step, :, dark].any()
