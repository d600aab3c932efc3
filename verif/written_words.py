# SPDX-License-Identifier: Apache-2.0
"""What a write client has written: its requests and its data, put together."""

from typing import Any

__all__ = ["written_words"]


def written_words(requests: Any, data: Any, limit: int, steady: bool = False) -> dict[int, int]:
    """Return the words by their address.

    Parameters
    ----------
    requests, data : StreamMonitor or Sink
        What came on both streams (``values``), and when (``cycles``).
    limit : int
        Most words of a request.
    steady : bool
        The memory took data in each cycle: that of a request must not wait for anything.

    Raises
    ------
    AssertionError
        A request is too long, data does not follow its request, or a word is written twice.
    """
    found: dict[int, int] = {}
    first, begins = 0, [*requests.cycles, None]
    for number, request in enumerate(requests.values):
        address, count = request["address"], request["words"]
        assert 1 <= count <= limit, f"request {number} must be of 1..{limit} words, not {count}"
        cycles = data.cycles[first:first + count]
        assert len(cycles) == count, f"request {number} must get {count} words, not {len(cycles)}"
        begin, end = begins[number:number + 2]
        assert begin < cycles[0] and (end is None or cycles[-1] < end), (
            f"data of request {number} must follow it and end before the next request")
        assert not steady or cycles[-1] - cycles[0] == count - 1, (
            f"request {number} must be made when all its data is there")
        for index, word in enumerate(data.values[first:first + count]):
            assert address + index not in found, f"word {address + index} is written twice"
            found[address + index] = word
        first += count
    assert first == len(data.values), "all data must belong to a request"
    return found
