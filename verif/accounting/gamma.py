# SPDX-License-Identifier: Apache-2.0
"""Gamma by LoAS's accounting: Gustavson, timesteps serial (LoAS, section 4)."""

import torch

from .loas import CACHED_WEIGHTS
from .tile import blocks, serial_tiles
from .traffic import Traffic, bits
from .workload import Workload

__all__ = ["cycles", "partials", "traffic"]

_POSITIONS, _COLUMNS = 64, 64  # of a tile
_PARTIAL_BITS = 8 + 6  # sum and coordinate


def cycles(workload: Workload, elements: int = 16) -> int:
    """Return the cycles of Gamma.

    Loops m, k, t, n; an element owns a row; a tile is ``elements`` rows x 64 positions x 64
    columns of one timestep. Merging costs nothing.
    """
    return serial_tiles(workload.spikes, workload.mask.T.unsqueeze(0), elements=elements,
                        positions=_POSITIONS, lines=_COLUMNS)


def partials(workload: Workload) -> int:
    """Return the partial sums: columns with a match, for each row, timestep, 64 positions."""
    spikes, mask = workload.spikes.float(), workload.mask.float()
    return sum(int(torch.count_nonzero(part @ some)) for part, some in zip(
        spikes.split(_POSITIONS, 2), mask.split(_POSITIONS, 0), strict=True))


def traffic(workload: Workload, elements: int = 16) -> Traffic:
    """Return the DRAM traffic of Gamma.

    Each partial sum is written and read, 8 bits and a coordinate of 6 bits; a quarter of that
    leaves the cache.

    Assumptions: weights cross as they do in LoAS; spikes cross raw, 1 bit each, once read and
    once written. A rough model: from the published counts, evenly placed, it gives 18 % less
    than the published total of AlexNet, 10 and 16 % more than those of VGG16 and ResNet19.
    """
    passes = blocks(workload.rows, elements) if workload.nonzeros > CACHED_WEIGHTS else 1
    spikes = bits(workload.timesteps * workload.rows * workload.positions)
    return Traffic(
        weight_values=passes * workload.nonzeros,
        weight_bitmask=passes * bits(workload.positions * workload.columns),
        spike_bitmask=spikes,
        write_back=spikes,
        partial_sums=bits(2 * partials(workload), _PARTIAL_BITS) // 4)
