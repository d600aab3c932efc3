# SPDX-License-Identifier: Apache-2.0
"""Hardware parameters and their checks: pure data, imports neither amaranth nor torch."""

import dataclasses
import hashlib
import json
from dataclasses import dataclass

__all__ = ["INNER_JOINS", "MEMORIES", "PES", "AcceleratorConfig", "ArrayConfig", "ConfigError",
           "FTPConfig", "beat_slot_bits"]

PES = ("scan", "bcast")
INNER_JOINS = ("fast_fast", "fast_laggy")
MEMORIES = ("axi", "on_chip")


class ConfigError(ValueError):
    """A configuration that cannot be built; the message names field, value and limit."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FTPConfig:
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
        _check_limits(self, _LIMITS)
        if self.inner_join not in INNER_JOINS:
            names = ", ".join(INNER_JOINS)
            raise ConfigError(f"inner_join must be one of {names}, not {self.inner_join!r}")
        if self.chunk % 8:
            raise ConfigError(f"chunk must be a multiple of 8, not {self.chunk}")
        for name in ("laggy_adders", "beat_values"):
            value = getattr(self, name)
            if self.chunk % value:
                raise ConfigError(f"{name} must divide chunk ({self.chunk}), not be {value}")
        if self.beat_values & (self.beat_values - 1):
            raise ConfigError(f"beat_values must be a power of two, not {self.beat_values}")
        if self.max_fan_in < self.chunk:
            raise ConfigError(
                f"max_fan_in must be at least chunk ({self.chunk}), not {self.max_fan_in}"
            )

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

    def as_dict(self) -> dict[str, int | str]:
        """Return the fields by name, in the order of their declaration."""
        return dataclasses.asdict(self)

    def hash(self) -> str:
        """Return 16 hexadecimal digits that identify this configuration."""
        text = json.dumps(self.as_dict(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True, kw_only=True, slots=True)
class ArrayConfig(FTPConfig):
    """Parameters of an array whose elements look up each weight's position in their rows.

    Raises
    ------
    ConfigError
        A field is out of its range, or two fields do not fit each other.
    """

    pe: str = "scan"               # one of PES
    rows_per_pe: int = 4           # r: rows that one element computes
    probes: int = 4                # b: weights looked up per cycle, each in a bank of its own
    hit_fifo_depth: int = 16       # weights found, waiting to be added, in each bank
    weight_streams: int = 1        # S: groups of elements that may get columns of their own
    output_lanes: int = 8          # L: paths from psums to compressed spikes

    def __post_init__(self) -> None:
        FTPConfig.__post_init__(self)
        _check_limits(self, _ARRAY_LIMITS)
        if self.pe not in PES:
            raise ConfigError(f"pe must be one of {', '.join(PES)}, not {self.pe!r}")
        for name in ("rows_per_pe", "probes", "weight_streams", "output_lanes"):
            value = getattr(self, name)
            if value & (value - 1):
                raise ConfigError(f"{name} must be a power of two, not {value}")
        if self.chunk_beats % self.probes:
            raise ConfigError(f"probes must divide chunk / beat_values ({self.chunk_beats}), "
                              f"not be {self.probes}")
        if self.tppes % self.output_lanes:
            raise ConfigError(f"output_lanes must divide tppes ({self.tppes}), "
                              f"not be {self.output_lanes}")
        if self.lane_rows > _LIMITS["tppes"][1]:
            raise ConfigError(f"output_lanes must be at least tppes * rows_per_pe / "
                              f"{_LIMITS['tppes'][1]}, not {self.output_lanes}")
        if self.output_lanes % self.weight_streams:
            raise ConfigError(f"weight_streams must divide output_lanes ({self.output_lanes}), "
                              f"not be {self.weight_streams}")

    @property
    def places(self) -> int:
        """Positions of a row that lie in one bank."""
        return self.max_chunks * self.chunk // self.probes

    @property
    def rows(self) -> int:
        """Rows of all elements together."""
        return self.tppes * self.rows_per_pe

    @property
    def lane_rows(self) -> int:
        """Rows that leave through one output lane."""
        return self.rows // self.output_lanes


@dataclass(frozen=True, kw_only=True, slots=True)
class AcceleratorConfig(FTPConfig):
    """Parameters of the whole accelerator: the datapath, its memory and its buffers.

    Raises
    ------
    ConfigError
        A field is out of its range, or two fields do not fit each other.
    """

    memory: str = "axi"            # one of MEMORIES: AXI4 master, or memory inside
    memory_bits: int = 128         # W: bits of a memory word; 32, 64 or 128
    memory_words: int = 16384      # words of the memory inside
    burst_words: int = 16          # longest burst, a power of two
    fetch_depth: int = 8           # spike chunks requested ahead, a power of two
    weight_buffer_beats: int = 4096  # a power of two
    max_columns: int = 1024        # output channels computed from one weight block
    requantize: int = 1            # 1: with multipliers for requantization and residuals

    def __post_init__(self) -> None:
        FTPConfig.__post_init__(self)
        _check_limits(self, _ACCELERATOR_LIMITS)
        if self.memory not in MEMORIES:
            raise ConfigError(f"memory must be one of {', '.join(MEMORIES)}, "
                              f"not {self.memory!r}")
        if self.memory_bits not in (32, 64, 128):
            raise ConfigError(f"memory_bits must be 32, 64 or 128, not {self.memory_bits}")
        for name in ("burst_words", "fetch_depth", "weight_buffer_beats"):
            value = getattr(self, name)
            if value & (value - 1):
                raise ConfigError(f"{name} must be a power of two, not {value}")
        if self.max_columns < self.chunk:
            raise ConfigError(f"max_columns must be at least chunk ({self.chunk}), "
                              f"not {self.max_columns}")
        for name, value in (("weight_bits", self.weight_bits), ("timesteps", self.timesteps)):
            if beat_slot_bits(self.beat_values, value) > self.memory_bits:
                raise ConfigError(f"beat_values * {name} must be at most memory_bits "
                                  f"({self.memory_bits}), not {self.beat_values * value}")

    @property
    def mask_words(self) -> int:
        """Memory words of a bitmask."""
        return -(-self.chunk // self.memory_bits)

    @property
    def weight_beats_per_word(self) -> int:
        """Beats of weights in one memory word."""
        return self.memory_bits // beat_slot_bits(self.beat_values, self.weight_bits)

    @property
    def spike_beats_per_word(self) -> int:
        """Beats of lane words in one memory word."""
        return self.memory_bits // beat_slot_bits(self.beat_values, self.timesteps)

    @property
    def residual_bits(self) -> int:
        """Bits in memory of one neuron's residuals, 16 for each timestep, a power of two."""
        return 16 << (self.timesteps - 1).bit_length()


def beat_slot_bits(values: int, bits: int) -> int:
    """Return the bits that a beat takes in memory: a power of two, at least 8."""
    return max(8, 1 << (values * bits - 1).bit_length())


def _check_limits(config: FTPConfig, limits: dict[str, tuple[int, int]]) -> None:
    for name, (low, high) in limits.items():
        value = getattr(config, name)
        if type(value) is not int or not low <= value <= high:
            raise ConfigError(f"{name} must be an int in {low}..{high}, not {value!r}")


_LIMITS = {
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
    "guard_bits": (0, 8),
}
_ARRAY_LIMITS = {
    "rows_per_pe": (1, 16),
    "probes": (1, 16),
    "hit_fifo_depth": (4, 64),
    "weight_streams": (1, 64),
    "output_lanes": (1, 64),
}
_ACCELERATOR_LIMITS = {
    "memory_bits": (32, 128),
    "memory_words": (256, 1 << 24),
    "burst_words": (2, 128),
    "fetch_depth": (2, 64),
    "weight_buffer_beats": (64, 65536),
    "max_columns": (8, 65536),
    "requantize": (0, 1),
}
