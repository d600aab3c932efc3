# SPDX-License-Identifier: Apache-2.0
"""Golden UART: what a serial line carries, level by level."""

from collections.abc import Sequence

__all__ = ["received", "sent"]


def sent(byte: int, divisor: int) -> list[int]:
    """Return the levels of the line in each cycle of a byte, start and stop bit included."""
    bits = [0, *(byte >> place & 1 for place in range(8)), 1]
    return [bit for bit in bits for _ in range(divisor)]


def received(levels: Sequence[int], divisor: int) -> list[tuple[int, int]]:
    """Return the bytes on a line, each with the cycle in which its stop bit is sampled.

    A byte whose end is not in ``levels`` is not returned.
    """
    found = []
    now = 0
    while True:
        try:
            start = levels.index(0, now) + divisor // 2  # middle of the start bit
        except ValueError:
            return found
        samples = levels[start:start + 9 * divisor + 1:divisor]
        if len(samples) < 10:
            if not samples or samples[0] == 0:
                return found
            now = start + 1
        elif samples[0] == 1:  # noise
            now = start + 1
        elif samples[9] == 1:
            found.append((start + 9 * divisor,
                          sum(bit << place for place, bit in enumerate(samples[1:9]))))
            now = start + 9 * divisor + 1
        else:  # no stop bit: wait until the line is free
            end = start + 9 * divisor + 1
            if 1 not in levels[end:]:
                return found
            now = levels.index(1, end) + 1
