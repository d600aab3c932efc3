# SPDX-License-Identifier: Apache-2.0
"""Match lower bound: every element finds a match in every cycle."""

from .tile import blocks
from .workload import Workload

__all__ = ["cycles"]


def cycles(workload: Workload, elements: int = 16) -> int:
    """Return matches divided by elements, rounded up.

    No design beats it whose elements add one weight in each cycle into the sums of all
    timesteps of one output; designs with more adders in an element, or with adders that may
    take different weights, do.
    """
    return blocks(workload.matches, elements)
