# SPDX-License-Identifier: Apache-2.0
"""Parameters of the core that trains tensor-train layers."""

from dataclasses import dataclass

from .base import Config
from .checks import ConfigError, check_limits, check_powers_of_two

__all__ = ["TrainConfig"]

_LIMITS = {
    "lanes": (2, 32),
    "max_inputs": (1, 64),
    "max_outputs": (1, 64),
    "max_rank": (1, 64),
    "max_timesteps": (1, 16),
    "max_pixels": (1, 1024),
    "max_windows": (1, 256),
    "max_classes": (2, 32),
    "single_array": (0, 1),
    "counter_bits": (16, 32),
}
_POWERS = ("lanes", "max_inputs", "max_outputs", "max_rank", "max_timesteps", "max_classes")


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainConfig(Config):
    """Parameters of a training core (`rtl/train/`); what it trains is set at run time.

    Raises
    ------
    ConfigError
        A field is out of its range, or two fields do not fit each other.
    """

    lanes: int = 8            # L: multipliers of a cluster
    max_inputs: int = 16      # channels
    max_outputs: int = 32
    max_rank: int = 8
    max_timesteps: int = 4
    max_pixels: int = 64      # of an image
    max_windows: int = 16     # of the readout
    max_classes: int = 16
    single_array: int = 0     # 1: one cluster for all cores, one after the other; also dense
    counter_bits: int = 32

    def __post_init__(self) -> None:
        check_limits(self, _LIMITS)
        check_powers_of_two(self, _POWERS)
        if self.max_windows > self.max_pixels:
            raise ConfigError(f"max_windows must be at most max_pixels ({self.max_pixels}), "
                              f"not {self.max_windows}")

    @property
    def lane_bits(self) -> int:
        """Bits of the number of a lane."""
        return self.lanes.bit_length() - 1

    @property
    def max_groups(self) -> int:
        """Words of as many channels as there may be."""
        return max(1, max(self.max_inputs, self.max_outputs, self.max_rank) // self.lanes)

    @property
    def output_groups(self) -> int:
        """Words of as many output channels as there may be."""
        return max(1, self.max_outputs // self.lanes)

    @property
    def data_bits(self) -> int:
        """Bits of what an instruction writes or reads: masters of all lanes."""
        return 16 * self.lanes
