# SPDX-License-Identifier: Apache-2.0
"""Bytes that cross DRAM, by kind."""

import dataclasses
from dataclasses import dataclass

__all__ = ["Traffic", "bits"]


@dataclass(frozen=True, kw_only=True)
class Traffic:
    """Bytes between an accelerator and its DRAM in one layer.

    Parameters
    ----------
    weight_values, weight_bitmask : int
        The weights that are not zero, and where they are.
    spike_words, spike_bitmask : int
        The spikes, and where they are.
    write_back : int
        Spikes written for the next layer.
    partial_sums : int
        Sums that do not stay inside, written and read.
    """

    weight_values: int = 0
    weight_bitmask: int = 0
    spike_words: int = 0
    spike_bitmask: int = 0
    write_back: int = 0
    partial_sums: int = 0

    @property
    def total(self) -> int:
        """Bytes of all kinds."""
        return sum(self.as_dict().values())

    def as_dict(self) -> dict[str, int]:
        """Return the bytes by kind."""
        return dataclasses.asdict(self)


def bits(count: int, width: int = 1) -> int:
    """Return the bytes of ``count`` fields, each ``width`` bits wide."""
    return -(-count * width // 8)
