# SPDX-License-Identifier: Apache-2.0
"""Limits of what an accelerator runs, for small hardware."""

from dataclasses import dataclass

from .base import Config
from .checks import check_limits

__all__ = ["LimitsConfig"]

_LIMITS = {
    "address_bits": (8, 32),
    "side": (1, 65535),
    "kernel": (1, 255),
    "outputs": (1, 65535),
    "sources": (1, 2),
    "pool": (1, 255),
    "integers": (0, 1),
    "gain": (1, 15),
    "leak": (0, 15),
    "counters": (0, 1),
    "serial": (0, 1),
    "buffers": (0, 1),
    "checks": (0, 1),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class LimitsConfig(Config):
    """The largest network that an accelerator runs; the defaults are those of the descriptor.

    Registers and adders are as wide as the limits need. The compiler refuses what is beyond
    them; of a descriptor the hardware takes no more bits than that.

    Raises
    ------
    ConfigError
        A field is out of its range.
    """

    address_bits: int = 32         # of a word address
    side: int = 65535              # pixels of a map, either way
    kernel: int = 255              # side of a kernel, its stride and padding
    outputs: int = 65535           # output channels of a layer
    sources: int = 2               # maps that a layer reads
    pool: int = 255                # side of a pooling window; 1: no pooling
    integers: int = 1              # 0: layers read spikes only, no bit planes
    gain: int = 15                 # of the current of a neuron
    leak: int = 15                 # shift of the leak of a neuron
    counters: int = 1              # 0: no performance counters, no profile records
    serial: int = 0                # 1: one timestep of a neuron, one access to memory at a time
    buffers: int = 1               # 0: weights and channel records are fetched for each tile
    checks: int = 1                # 0: a program with the right hash and CRC is believed in all

    def __post_init__(self) -> None:
        check_limits(self, _LIMITS)

    @property
    def side_bits(self) -> int:
        """Bits of the side of a map."""
        return self.side.bit_length()

    @property
    def kernel_bits(self) -> int:
        """Bits of the side of a kernel."""
        return self.kernel.bit_length()

    @property
    def output_bits(self) -> int:
        """Bits of the number of output channels."""
        return self.outputs.bit_length()

    @property
    def pool_bits(self) -> int:
        """Bits of the side of a pooling window."""
        return self.pool.bit_length()

    @property
    def coordinate_bits(self) -> int:
        """Bits of a signed pixel coordinate: padding goes beyond the map on either side."""
        return max(self.side_bits, self.kernel_bits) + 2

    @property
    def position_bits(self) -> int:
        """Bits of the number of pixels of a map, at most those of an address."""
        return min(2 * self.side_bits, self.address_bits)
