# SPDX-License-Identifier: Apache-2.0
"""Population count: how many bits are set."""

from amaranth import Value

__all__ = ["population_count"]


def population_count(bits: Value) -> Value:
    """Return how many of ``bits`` are set, added up in a tree."""
    if len(bits) == 1:
        return bits
    middle = len(bits) // 2
    return population_count(bits[:middle]) + population_count(bits[middle:])
