# SPDX-License-Identifier: Apache-2.0
"""LoAS by its authors' own accounting: inner product, timesteps at once (LoAS, section 4)."""

from .tile import blocks, serial_tiles
from .traffic import Traffic, bits
from .workload import Workload

__all__ = ["CACHED_WEIGHTS", "cycles", "traffic"]

CACHED_WEIGHTS = 4096  # values that the authors' cache holds
_POSITIONS, _COLUMNS = 128, 32  # of a tile


def cycles(workload: Workload, elements: int = 16) -> int:
    """Return the cycles of LoAS.

    Loops m, n, k; an element owns a row; a tile is ``elements`` rows x 128 positions x 32
    columns. Chunks without a match, the prefix sums' latency, corrections, neurons and memory
    cost nothing.
    """
    return serial_tiles(workload.packed, workload.mask.T.unsqueeze(0), elements=elements,
                        positions=_POSITIONS, lines=_COLUMNS)


def traffic(workload: Workload, elements: int = 16) -> Traffic:
    """Return the DRAM traffic of LoAS.

    Weights cross once for each tile of rows, as 8-bit values and a bitmask of ``K`` bits a
    column; rows of spikes cross once, as lane words that are not silent and a bitmask of ``K``
    bits, neighbours' common pixels each time.

    Assumptions, which give the published totals of AlexNet and VGG16 to 1 KB (ResNet19: 0.1 %)
    from the published counts: a layer's weights cross once if `CACHED_WEIGHTS` hold its values;
    output words written are as many as input words read; the bitmask counts for both. Pointers
    are not charged.
    """
    passes = blocks(workload.rows, elements) if workload.nonzeros > CACHED_WEIGHTS else 1
    words = bits(int(workload.packed.sum()), workload.timesteps)
    return Traffic(
        weight_values=passes * workload.nonzeros,
        weight_bitmask=passes * bits(workload.positions * workload.columns),
        spike_words=words,
        spike_bitmask=2 * bits(workload.rows * workload.positions),
        write_back=words)
