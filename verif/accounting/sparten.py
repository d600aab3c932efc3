# SPDX-License-Identifier: Apache-2.0
"""SparTen by LoAS's accounting: inner product, timesteps serial (LoAS, section 4)."""

from .tile import blocks, serial_tiles
from .traffic import Traffic, bits
from .workload import Workload

__all__ = ["cycles", "traffic"]

_ROWS, _POSITIONS = 32, 128  # of a tile


def cycles(workload: Workload, elements: int = 16) -> int:
    """Return the cycles of SparTen.

    Loops n, m, t, k; an element owns a column; a tile is 32 rows x 128 positions x ``elements``
    columns of one timestep. Columns keep their order: SparTen's own sorting of filters, which
    balances them, is left out, as the authors do.
    """
    return serial_tiles(workload.mask.T.unsqueeze(0), workload.spikes, elements=elements,
                        positions=_POSITIONS, lines=_ROWS)


def traffic(workload: Workload, elements: int = 16) -> Traffic:
    """Return the DRAM traffic of SparTen.

    Spikes are their own bitmask, 1 bit each, and cross once for each tile of columns.

    Assumptions: weights cross once (their tile stays while rows pass), as 8-bit values and a
    bitmask; as many spikes are written as a layer has inputs. From the published counts
    this gives 1, 5 and 6 % more than the published totals (ResNet19, VGG16, AlexNet): what the
    authors' cache saved is not known.
    """
    spikes = bits(workload.timesteps * workload.rows * workload.positions)
    return Traffic(
        weight_values=workload.nonzeros,
        weight_bitmask=bits(workload.positions * workload.columns),
        spike_bitmask=blocks(workload.columns, elements) * spikes,
        write_back=spikes)
