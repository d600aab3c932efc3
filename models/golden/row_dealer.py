# SPDX-License-Identifier: Apache-2.0
"""Row dealer: rows to elements, so that each element gets about as many values as the others."""

from collections.abc import Sequence
from dataclasses import dataclass

from .checks import check_int

__all__ = ["DealtRow", "deal"]


@dataclass(frozen=True)
class DealtRow:
    """Where a row goes.

    Parameters
    ----------
    row : int
        Its index in the tile.
    element : int
        Element that computes it.
    place : int
        Which of the element's rows it is.
    """

    row: int
    element: int
    place: int


def deal(counts: Sequence[int], elements: int, rows_per_pe: int) -> list[DealtRow]:
    """Deal the rows of a tile, those with the most values first, in the order of a snake.

    The i-th row in this order goes to element ``i % E`` or, if ``i // E`` is odd, to
    ``E - 1 - i % E``; it is row ``i // E`` there. Rows of the same count keep their order.

    Parameters
    ----------
    counts : Sequence[int]
        Values of each row.
    elements : int
        ``E``.
    rows_per_pe : int
        ``r``; there may be ``E * r`` rows at most.

    Raises
    ------
    GoldenError
        An operand is out of range.
    """
    check_int("elements", elements, 1, 64)
    check_int("rows_per_pe", rows_per_pe, 1, 16)
    check_int("rows", len(counts), 1, elements * rows_per_pe)
    for count in counts:
        check_int("count", count, 0, 1 << 20)
    dealt = []
    for number, row in enumerate(sorted(range(len(counts)), key=lambda row: -counts[row])):
        place, element = divmod(number, elements)
        dealt.append(DealtRow(row, elements - 1 - element if place % 2 else element, place))
    return dealt
