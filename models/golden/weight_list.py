# SPDX-License-Identifier: Apache-2.0
"""Weight lists: the non-zero weights of each column as deltas of their places, bank by bank."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .checks import check_int, check_integers, check_range, check_rank, integer_limits
from .errors import GoldenError

__all__ = ["MAX_DELTA_BITS", "Beat", "Column", "Entry", "FormatChoice", "bitmask_bits",
           "choose_format", "decode", "encode", "list_bits", "list_entries", "locate",
           "position_of"]

MAX_DELTA_BITS = 16  # a delta can then reach each place of the longest fiber

Beat = list[tuple[int, int]]        # the slot (delta, weight) of each bank
Column = list[Beat]                 # one beat or more
Entry = tuple[int, int] | None      # place and weight, or no weight


@dataclass(frozen=True)
class FormatChoice:
    """How the weights of a layer take the fewest bits.

    Parameters
    ----------
    delta_bits : int or None
        Of the list that is chosen; None if that is the bitmask.
    bitmask_bits : int
        Bits of the layer as bitmasks with their weights.
    list_bits : dict[int, int]
        Bits of the layer as a list, by the bits of a delta.
    """

    delta_bits: int | None
    bitmask_bits: int
    list_bits: dict[int, int]

    @property
    def bits(self) -> int:
        """Bits of the layer in the format that is chosen."""
        return self.bitmask_bits if self.delta_bits is None else self.list_bits[self.delta_bits]

    @property
    def reason(self) -> str:
        """What was chosen and why, for people."""
        best = min(self.list_bits, key=lambda delta: (self.list_bits[delta], delta))
        as_list = f"list with deltas of {best} bits: {self.list_bits[best]} bits"
        as_bitmask = f"bitmask: {self.bitmask_bits} bits"
        if self.delta_bits is None:
            return f"{as_bitmask}; best {as_list}"
        return f"{as_list}; {as_bitmask}"


def locate(positions: Tensor, banks: int, slice_positions: int) -> tuple[Tensor, Tensor]:
    """Return the bank of each position of a fiber and its place there.

    Consecutive slices of ``V`` positions go to consecutive banks: position k is in slice
    ``s = k // V``, so in bank ``s % b`` at place ``(s // b) * V + k % V``.
    """
    slices = positions // slice_positions
    return slices % banks, slices // banks * slice_positions + positions % slice_positions


def position_of(bank: int, place: int, banks: int, slice_positions: int) -> int:
    """Return the position that lies in a bank at a place, the inverse of `locate`."""
    turn, inside = divmod(place, slice_positions)
    return (turn * banks + bank) * slice_positions + inside


def encode(weights: Tensor, banks: int, slice_positions: int, delta_bits: int) -> list[Column]:
    """Return the columns of a layer as lists of slots.

    Each bank counts its places from -1 in each column; a slot adds its delta plus one, and is
    a weight there unless that is zero. A gap too long for one delta takes slots of weight zero
    before, and a bank with fewer slots than the others gets slots (0, 0) behind.

    Parameters
    ----------
    weights : Tensor[K, N]
        Integers.
    banks : int
        ``b``; each beat has one slot of each.
    slice_positions : int
        ``V``.
    delta_bits : int
        0..16; with 0 each place up to the last weight has a slot.

    Raises
    ------
    GoldenError
        An operand is out of range.
    """
    weights = _checked(weights, banks, slice_positions)
    check_int("delta_bits", delta_bits, 0, MAX_DELTA_BITS)
    step = 1 << delta_bits
    bank_of, place_of = (found.tolist() for found in
                         locate(torch.arange(len(weights)), banks, slice_positions))
    columns = []
    for values in weights.T:
        slots: list[Beat] = [[] for _ in range(banks)]
        following = [0] * banks  # place behind the last slot
        positions = values.nonzero().flatten()
        for position, weight in zip(positions.tolist(), values[positions].tolist(), strict=True):
            bank, place = bank_of[position], place_of[position]
            escapes, delta = divmod(place - following[bank], step)
            slots[bank] += [(step - 1, 0)] * escapes + [(delta, weight)]
            following[bank] = place + 1
        beats = max(1, *map(len, slots))
        padded = [slot + [(0, 0)] * (beats - len(slot)) for slot in slots]
        columns.append([list(beat) for beat in zip(*padded, strict=True)])
    return columns


def list_entries(column: Column, banks: int, delta_bits: int) -> Iterator[list[Entry]]:
    """Yield for each beat of a column what each bank's slot says: place and weight, or None.

    Raises
    ------
    GoldenError
        The column has no beat, a beat has not one slot for each bank, or a delta is too long.
    """
    if not column:
        raise GoldenError("beats of a column must be at least 1, not 0")
    following = [0] * banks
    for beat in column:
        if len(beat) != banks:
            raise GoldenError(f"slots of a beat must be {banks}, not {len(beat)}")
        entries: list[Entry] = []
        for bank, (delta, weight) in enumerate(beat):
            check_int("delta", delta, 0, (1 << delta_bits) - 1)
            place = following[bank] + delta
            following[bank] = place + 1
            entries.append((place, weight) if weight else None)
        yield entries


def decode(columns: Sequence[Column], positions: int, banks: int, slice_positions: int,
           delta_bits: int) -> Tensor:
    """Return the weights int64[positions, N] of lists, the inverse of `encode`.

    Raises
    ------
    GoldenError
        A list is not possible, or has a weight behind the last position.
    """
    _check_geometry(banks, slice_positions)
    check_int("delta_bits", delta_bits, 0, MAX_DELTA_BITS)
    weights = torch.zeros(positions, len(columns), dtype=torch.int64)
    for number, column in enumerate(columns):
        for entries in list_entries(column, banks, delta_bits):
            for bank, entry in enumerate(entries):
                if entry is not None:
                    position = position_of(bank, entry[0], banks, slice_positions)
                    check_int(f"position of a weight of column {number}", position, 0,
                              positions - 1)
                    weights[position, number] = entry[1]
    return weights


def bitmask_bits(weights: Tensor, weight_bits: int) -> int:
    """Return the bits of a layer ``weights[K, N]`` as bitmasks with their weights."""
    return weights.numel() + weight_bits * int(torch.count_nonzero(weights))


def list_bits(weights: Tensor, banks: int, slice_positions: int, delta_bits: int,
              weight_bits: int) -> int:
    """Return the bits of a layer ``weights[K, N]`` as lists.

    A beat is one slot of delta and weight for each bank, and one bit that ends its column.

    Raises
    ------
    GoldenError
        An operand is out of range.
    """
    weights = _checked(weights, banks, slice_positions)
    check_int("delta_bits", delta_bits, 0, MAX_DELTA_BITS)
    count = weights.shape[1]
    columns, positions = weights.T.nonzero(as_tuple=True)
    bank_of, places = locate(positions, banks, slice_positions)
    # bank by bank of each column; the sort keeps the places ascending
    lists, order = torch.sort(columns * banks + bank_of, stable=True)
    places = places[order]
    before = torch.full_like(places, -1)
    same = lists[1:] == lists[:-1]
    before[1:][same] = places[:-1][same]
    slots = torch.zeros(count * banks, dtype=torch.int64).index_add(
        0, lists, ((places - before - 1) >> delta_bits) + 1)
    beats = slots.reshape(count, banks).amax(1).clamp(min=1)
    return int(beats.sum()) * (banks * (delta_bits + weight_bits) + 1)


def choose_format(weights: Tensor, banks: int, slice_positions: int, weight_bits: int,
                  delta_bits: Iterable[int] = range(9)) -> FormatChoice:
    """Choose the format that takes the fewest bits for a layer.

    Of two that take as many a list goes before the bitmask, as its decoder gives out a weight
    of each bank at once, and shorter deltas go before longer ones.

    Parameters
    ----------
    weights : Tensor[K, N]
        Signed integers of ``weight_bits`` bits.
    banks : int
        ``b``.
    slice_positions : int
        ``V``.
    weight_bits : int
        2..8.
    delta_bits : Iterable[int]
        Bits of a delta that the decoder takes, one or more of 0..16.

    Raises
    ------
    GoldenError
        An operand is out of range.
    """
    check_int("weight_bits", weight_bits, 2, 8)
    check_range("weights", check_integers("weights", weights), *integer_limits(weight_bits, True))
    lists = {delta: list_bits(weights, banks, slice_positions, delta, weight_bits)
             for delta in delta_bits}
    if not lists:
        raise GoldenError("delta_bits must have at least 1 value, not 0")
    best = min(lists, key=lambda delta: (lists[delta], delta))
    mask = bitmask_bits(weights, weight_bits)
    return FormatChoice(best if lists[best] <= mask else None, mask, lists)


def _checked(weights: Tensor, banks: int, slice_positions: int) -> Tensor:
    """Return the weights as int64, with all operands checked."""
    check_rank("weights", weights, 2)
    check_int("positions of weights", len(weights), 1, 1 << MAX_DELTA_BITS)
    _check_geometry(banks, slice_positions)
    return check_integers("weights", weights)


def _check_geometry(banks: int, slice_positions: int) -> None:
    check_int("banks", banks, 1, 16)
    check_int("slice_positions", slice_positions, 1, 64)
