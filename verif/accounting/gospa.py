# SPDX-License-Identifier: Apache-2.0
"""GoSPA by LoAS's accounting: outer product, timesteps serial (LoAS, section 4)."""

from .tile import blocks, serial_tiles
from .traffic import Traffic, bits
from .workload import Workload

__all__ = ["cycles", "traffic"]

_ROWS, _POSITIONS = 64, 256  # of a tile
_SPIKE_BITS = 17  # of one spike, read and written
_PSUM_BITS = 8


def cycles(workload: Workload, elements: int = 16) -> int:
    """Return the cycles of GoSPA.

    Loops k, n, t, m; an element owns a column; a tile is 64 rows x 256 positions x ``elements``
    columns of one timestep.
    """
    return serial_tiles(workload.mask.T.unsqueeze(0), workload.spikes, elements=elements,
                        positions=_POSITIONS, lines=_ROWS)


def traffic(workload: Workload, elements: int = 16) -> Traffic:
    """Return the DRAM traffic of GoSPA; it does not depend on the elements.

    Each 8-bit partial sum is written and read once for each 256 positions, at each timestep.

    Assumptions: weights cross once, as 8-bit values and a bitmask; spikes are lists, 17 bits
    for a spike, read and written together, half of them each way. The 17 bits are fitted to the
    published totals, which then come out within 0.1 % for all three networks; what fields they
    hold is not known.
    """
    del elements
    tiles = blocks(workload.positions, _POSITIONS)
    outputs = workload.timesteps * workload.rows * workload.columns
    spikes = bits(int(workload.spikes.sum()), _SPIKE_BITS)
    return Traffic(
        weight_values=workload.nonzeros,
        weight_bitmask=bits(workload.positions * workload.columns),
        spike_words=spikes - spikes // 2,
        write_back=spikes // 2,
        partial_sums=2 * tiles * bits(outputs, _PSUM_BITS))
