# SPDX-License-Identifier: Apache-2.0
"""Moving digits and digits with a question: the rules, pixel by pixel, and the splits."""

import pytest
import torch

from spikeloom.models.data import asked, digits, moving
from spikeloom.models.data.labelled import LabelledImages


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


@pytest.mark.parametrize("bottom", [False, True])
def test_a_question_follows_a_digit(bottom):
    """Pixels by fours, a pause, two rows; the class is turned by five if asked at the bottom."""
    image = torch.zeros(10, 28, 28, dtype=torch.uint8)
    image[:, :2, :2] = 255       # with the border 4 of 16 pixels: 63
    image[:, 26:, 26:] = 255
    image[:, 2:6, 6:10] = 64     # a whole pixel
    image[:, 6:10, 10:14] = 63
    image[:, 10:14, 22:26] = 255
    given = LabelledImages(images=image, labels=torch.arange(10))
    shown = asked.ask(given, torch.full((10,), bottom))
    assert shown.images.shape == (10, 8, 1, 8, 8) and shown.images.dtype == torch.uint8
    digit = [(1, 2), (3, 6)]
    question = [(row, column) for row in ((6, 7) if bottom else (0, 1)) for column in range(8)]
    expected = [[step, 0, *place] for step, places in (
        (0, digit), (1, digit), (6, question), (7, question)) for place in places]
    for each in shown.images:
        assert each.nonzero().tolist() == expected
    assert shown.labels.tolist() == [(label + 5 * bottom) % 10 for label in range(10)]


def test_both_questions_are_asked_of_every_digit():
    """Digit and question are never there at once; classes and questions are balanced."""
    test, given = asked.load_test(), digits.load_test()
    assert test.images.shape == (2000, 8, 1, 8, 8) and test.images.max() == 1
    assert test.images[:, :2].any((1, 2, 3, 4)).all() and not test.images[:, 2:6].any()
    bottom = test.images[:, 7, 0, 7, 0].bool()
    for seen in (test.images[:, 6], test.images[:, 7]):
        assert torch.equal(seen[:, 0, :2].all((1, 2)), ~bottom)
        assert torch.equal(seen[:, 0, 6:].all((1, 2)), bottom)
        assert (seen.sum((1, 2, 3)) == 16).all()
    assert torch.equal(test.labels, (given.labels + 5 * bottom) % 10)
    assert 900 <= int(bottom.sum()) <= 1100
    for digit in range(10):
        of_digit = given.labels == digit
        assert 0.35 < float(bottom[of_digit].double().mean()) < 0.65
        assert 160 <= int((test.labels == digit).sum()) <= 240
    assert torch.equal(asked.load_test().images, test.images)


def test_training_asks_both_questions(monkeypatch):
    """Of the same image; so a class has as many inputs as it and its partner have images."""
    given = digits.load_test()
    parts = [LabelledImages(images=given.images[part], labels=given.labels[part])
             for part in (slice(300), slice(300, 340))]
    monkeypatch.setattr(digits, "load_training", lambda: parts)
    training, validation = asked.load_training()
    assert training.images.shape == (600, 8, 1, 8, 8)
    assert validation.images.shape == (40, 8, 1, 8, 8)
    first, second = training.images.split(300)
    assert torch.equal(first[:, :6], second[:, :6])
    assert first[:, 6:, :, :2].all() and second[:, 6:, :, 6:].all()
    counts, found = (torch.bincount(labels, minlength=10) for labels in (
        parts[0].labels, training.labels))
    assert torch.equal(found, counts + counts.roll(5))
    assert torch.equal(asked.load_training()[1].images, validation.images)
