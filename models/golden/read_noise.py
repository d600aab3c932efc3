# SPDX-License-Identifier: Apache-2.0
"""Read noise of a crossbar: coins from shift registers, the same in the RTL."""

import torch
from torch import Tensor

from ...rtl.config import CrossbarConfig

__all__ = ["ReadNoise"]


class ReadNoise:
    """Samples of the read noise of one macro, in the order of its reads.

    Each ADC has a shift register of 31 bits, ``x[n] = x[n-3] ^ x[n-31]``, whose start depends
    on the macro and the ADC. A conversion takes the last ``noise_bits`` bits ``x``; the sample is
    ``(sum of them - noise_bits/2) << noise_shift``; then as many new bits move in. So a sample
    belongs to a macro, a read and a column.

    Parameters
    ----------
    config : CrossbarConfig
    tile : int
        Number of the macro.
    """

    def __init__(self, config: CrossbarConfig, tile: int = 0):
        self.config = config
        self._history = []  # of each ADC, oldest bit first
        for adc in range(config.adcs):
            state = config.noise_state(tile, adc)
            self._history.append([state >> (30 - place) & 1 for place in range(31)])

    def draw(self, reads: int) -> Tensor:
        """Return the samples of the next reads.

        Returns
        -------
        Tensor[reads, C]
            int64, in conductance units; 0 without noise.
        """
        config = self.config
        samples = torch.zeros(reads, config.columns, dtype=torch.int64)
        if not config.noise_bits:
            return samples
        for read in range(reads):
            for adc, bits in enumerate(self._history):
                for turn in range(config.columns_per_adc):
                    heads = sum(bits[-config.noise_bits:])
                    samples[read, adc * config.columns_per_adc + turn] = (
                        heads - config.noise_bits // 2) << config.noise_shift
                    for _ in range(config.noise_bits):
                        bits.append(bits[-3] ^ bits[-31])
                    del bits[:-31]
        return samples
