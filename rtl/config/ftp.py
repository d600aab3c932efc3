# SPDX-License-Identifier: Apache-2.0
"""Parameters of the fully temporal-parallel datapath."""

from dataclasses import dataclass

from .base import Config
from .checks import ConfigError, check_limits, check_name, check_powers_of_two

__all__ = ["FTP_LIMITS", "INNER_JOINS", "FTPConfig"]

INNER_JOINS = ("fast_fast", "fast_laggy")
FTP_LIMITS = {
    "timesteps": (1, 16),
    "chunk": (8, 256),
    "weight_bits": (2, 8),
    "tppes": (1, 64),
    "laggy_adders": (1, 256),
    "match_fifo_depth": (2, 64),
    "beat_values": (1, 64),
    "max_fan_in": (8, 65536),
    "column_fifo_depth": (2, 64),
    "counter_bits": (16, 64),
    "guard_bits": (0, 12),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class FTPConfig(Config):
    """Parameters of the fully temporal-parallel (FTP) datapath; the defaults are those of LoAS.

    Raises
    ------
    ConfigError
        A field is out of its range, or two fields do not fit each other.
    """

    timesteps: int = 4             # T: bits of a lane word
    chunk: int = 128               # C: positions of one bitmask; a multiple of 8
    weight_bits: int = 8           # two's complement
    tppes: int = 16                # P: rows computed side by side
    inner_join: str = "fast_laggy"  # one of INNER_JOINS
    laggy_adders: int = 16         # A: positions per cycle of the laggy prefix sum; divides chunk
    match_fifo_depth: int = 8      # matched positions between fast and laggy path
    beat_values: int = 8           # V: values in one beat of a fiber stream; divides chunk
    max_fan_in: int = 4096         # longest fiber in positions (K); sizes row buffer and psum
    column_fifo_depth: int = 4     # weight chunks waiting in each TPPE
    counter_bits: int = 32         # performance counters
    guard_bits: int = 0            # more bits of a psum, for sums of bit planes

    def __post_init__(self) -> None:
        check_limits(self, FTP_LIMITS)
        check_name(self, "inner_join", INNER_JOINS)
        if self.chunk % 8:
            raise ConfigError(f"chunk must be a multiple of 8, not {self.chunk}")
        for name in ("laggy_adders", "beat_values"):
            value = getattr(self, name)
            if self.chunk % value:
                raise ConfigError(f"{name} must divide chunk ({self.chunk}), not be {value}")
        check_powers_of_two(self, ["beat_values"])
        if self.max_fan_in < self.chunk:
            raise ConfigError(
                f"max_fan_in must be at least chunk ({self.chunk}), not {self.max_fan_in}"
            )

    @property
    def tile_rows(self) -> int:
        """Rows of a tile, at most."""
        return self.tppes

    @property
    def is_serial(self) -> bool:
        """Whether hardware is to be small rather than fast."""
        return False

    @property
    def has_checks(self) -> bool:
        """Whether the hardware checks what it is told, beyond hash and CRC of a program."""
        return True

    def queue_depth(self, usual: int) -> int:
        """Return the depth of a queue between units that is ``usual`` where speed counts."""
        return 1 if self.is_serial else usual

    @property
    def max_chunks(self) -> int:
        """Most chunks in one fiber."""
        return -(-self.max_fan_in // self.chunk)

    @property
    def chunk_beats(self) -> int:
        """Most beats in one chunk (all positions non-zero)."""
        return self.chunk // self.beat_values

    @property
    def row_values(self) -> int:
        """Lane words that the row buffer of a TPPE holds, both its banks together."""
        return 2 * self.max_chunks * self.chunk

    @property
    def column_beats(self) -> int:
        """Beats that the column buffer of a TPPE holds: two chunks or more, a power of two."""
        return 1 << (2 * self.chunk_beats - 1).bit_length()

    @property
    def psum_bits(self) -> int:
        """Bits of a signed psum: max_chunks * chunk weights of either extreme fit."""
        spread = (self.max_chunks * self.chunk - 1).bit_length()
        return self.weight_bits + spread + self.guard_bits

    @property
    def current_bits(self) -> int:
        """Bits of the signed input current of a neuron, psum plus bias."""
        return self.psum_bits + 1

    @property
    def membrane_bits(self) -> int:
        """Bits of the signed membrane.

        A step adds at most 15 currents and one threshold to it, less than 16 * 2**psum_bits;
        so it grows to no more than timesteps times that, whatever leak and reset.
        """
        return self.psum_bits + 5 + (self.timesteps - 1).bit_length()
