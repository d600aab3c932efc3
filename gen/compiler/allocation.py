# SPDX-License-Identifier: Apache-2.0
"""Places in memory for what layers write and later layers read."""

from dataclasses import dataclass

__all__ = ["Region", "place_apart", "place_sharing"]

Places = dict[tuple[str, str], int]  # from the start of the work region


@dataclass(frozen=True, kw_only=True)
class Region:
    """Words that are needed from one step to another.

    Attributes
    ----------
    key : tuple of str
        Kind and name.
    words : int
    first, last : int
        Steps that write it and that read it last, both included.
    """

    key: tuple[str, str]
    words: int
    first: int
    last: int


def place_apart(regions: list[Region]) -> tuple[Places, int]:
    """Place regions behind one another; return their places by key, and the words of all."""
    places: Places = {}
    end = 0
    for region in regions:
        places[region.key] = end
        end += region.words
    return places, end


def place_sharing(regions: list[Region]) -> tuple[Places, int]:
    """Place regions so that those that are never needed at once may share words.

    The largest first, each at the lowest place where it meets none that it must not.
    """
    places: Places = {}
    placed: list[Region] = []
    for region in sorted(regions, key=lambda region: -region.words):
        place = 0
        for other in sorted(placed, key=lambda other: places[other.key]):
            apart = other.last < region.first or region.last < other.first
            if not apart and places[other.key] < place + region.words:
                place = max(place, places[other.key] + other.words)
        places[region.key] = place
        placed.append(region)
    return places, max((places[region.key] + region.words for region in regions), default=0)
