# SPDX-License-Identifier: Apache-2.0
"""Golden row dealer: against a plain statement of what it means."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikeloom.models.golden.errors import GoldenError
from spikeloom.models.golden.row_dealer import deal


def test_the_snake_turns_at_both_ends():
    dealt = deal([10, 70, 30, 50, 20, 60, 40], 3, 4)
    assert [(item.row, item.element, item.place) for item in dealt] == [
        (1, 0, 0), (5, 1, 0), (3, 2, 0), (6, 2, 1), (2, 1, 1), (4, 0, 1), (0, 0, 2)]


def test_rows_of_the_same_count_keep_their_order():
    assert [item.row for item in deal([1, 2, 1, 2, 2], 8, 1)] == [1, 3, 4, 0, 2]


@settings(derandomize=True, deadline=None)
@given(st.integers(1, 16), st.sampled_from([1, 2, 4]), st.data())
def test_each_row_has_a_place_and_the_elements_differ_by_one_row(elements, rows_per_pe, data):
    counts = data.draw(st.lists(st.integers(0, 20), min_size=1, max_size=elements * rows_per_pe))
    dealt = deal(counts, elements, rows_per_pe)
    assert sorted(item.row for item in dealt) == list(range(len(counts)))
    places = {(item.element, item.place) for item in dealt}
    assert len(places) == len(dealt)
    assert all(0 <= element < elements and 0 <= place < rows_per_pe for element, place in places)
    loads = [sum(item.element == element for item in dealt) for element in range(elements)]
    assert max(loads) - min(loads) <= 1
    ordered = [counts[item.row] for item in dealt]
    assert ordered == sorted(ordered, reverse=True)


@pytest.mark.parametrize("arguments, message", [
    (([1], 0, 4), "elements must be an int in 1..64, not 0"),
    (([1], 4, 17), "rows_per_pe must be an int in 1..16, not 17"),
    (([], 4, 4), "rows must be an int in 1..16, not 0"),
    (([1] * 9, 4, 2), "rows must be an int in 1..8, not 9"),
    (([1, -1], 4, 2), "count must be an int in 0..1048576, not -1"),
])
def test_wrong_operands_are_named(arguments, message):
    with pytest.raises(GoldenError, match=message):
        deal(*arguments)
