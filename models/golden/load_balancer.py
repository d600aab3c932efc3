# SPDX-License-Identifier: Apache-2.0
"""Load balancer: rows to elements as they come, with no look at the rows to come."""

from collections.abc import Sequence

from .checks import check_int
from .row_dealer import DealtRow

__all__ = ["balance"]


def balance(counts: Sequence[int], elements: int, rows_per_pe: int) -> list[DealtRow]:
    """Deal the rows of a tile, each to the element with the fewest values so far.

    Of ``n`` rows element e gets ``ceil((n - e) / P)``; those that have got theirs get no more.
    Of several elements with as few values the first one is chosen.

    Parameters
    ----------
    counts : Sequence[int]
        Values of each row.
    elements : int
        ``P``.
    rows_per_pe : int
        ``r``; there may be ``P * r`` rows at most.

    Raises
    ------
    GoldenError
        An operand is out of range.
    """
    check_int("elements", elements, 1, 64)
    check_int("rows_per_pe", rows_per_pe, 1, 16)
    check_int("rows", len(counts), 1, elements * rows_per_pe)
    loads, dealt = [0] * elements, [0] * elements
    wanted = [-(-(len(counts) - element) // elements) for element in range(elements)]
    found = []
    for row, count in enumerate(counts):
        check_int("count", count, 0, 1 << 20)
        _, element = min((loads[element], element) for element in range(elements)
                         if dealt[element] < wanted[element])
        found.append(DealtRow(row, element, dealt[element]))
        loads[element] += count
        dealt[element] += 1
    return found
