# SPDX-License-Identifier: Apache-2.0
"""Linear reader: residuals out of memory words."""

from collections.abc import Sequence

from ...rtl.config import AcceleratorConfig

__all__ = ["read_residuals"]


def read_residuals(words: Sequence[int], config: AcceleratorConfig) -> list[list[int]]:
    """Return the residuals that ``words`` hold, ``T`` signed numbers of 16 bits for each neuron.

    A neuron whose bits are not all there is left out.
    """
    image = b"".join(word.to_bytes(config.memory_bits // 8, "little") for word in words)
    step = config.residual_bits // 8
    neurons = [image[first:first + step] for first in range(0, len(image) - step + 1, step)]
    return [[int.from_bytes(neuron[2 * time:2 * time + 2], "little", signed=True)
             for time in range(config.timesteps)] for neuron in neurons]
