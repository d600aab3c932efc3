# SPDX-License-Identifier: Apache-2.0
"""Parameters of the whole accelerator."""

from dataclasses import dataclass
from typing import ClassVar

from .attention import AttentionConfig
from .base import Config
from .checks import ConfigError, check_limits, check_name, check_powers_of_two
from .element import ElementConfig
from .ftp import FTP_LIMITS
from .imc import CrossbarConfig
from .limits import LimitsConfig

__all__ = ["MEMORIES", "AcceleratorConfig", "beat_slot_bits"]

MEMORIES = ("axi", "on_chip")
_ACCELERATOR_LIMITS = {
    "memory_bits": (32, 128),
    "memory_words": (256, 1 << 24),
    "burst_words": (2, 128),
    "fetch_depth": (2, 64),
    "weight_buffer_beats": (64, 65536),
    "max_columns": (8, 65536),
    "requantize": (0, 1),
    "each_step": (0, 1),
}
_UNLIMITED = LimitsConfig()
_CELL_BITS = 15  # of a cell's value in memory


@dataclass(frozen=True, kw_only=True, slots=True)
class AcceleratorConfig(ElementConfig):
    """Parameters of the whole accelerator: the datapath, its memory and its buffers.

    With ``crossbar`` it has crossbar macros beside its elements, and each layer is computed by
    the ones or the others. With ``attention`` it has a unit for spikes times spikes. With that or
    with ``each_step`` it has one that pools residuals, also to hand them on as integers. With
    ``limits`` it runs small networks only.

    Raises
    ------
    ConfigError
        A field is out of its range, or two fields do not fit each other.
    """

    parts: ClassVar[dict[str, type[Config]]] = {
        "crossbar": CrossbarConfig, "attention": AttentionConfig, "limits": LimitsConfig}

    pe: str = "loas"               # one of PES
    rows_per_pe: int = 1           # r: rows that one element computes
    memory: str = "axi"            # one of MEMORIES: AXI4 master, or memory inside
    memory_bits: int = 128         # W: bits of a memory word; 32, 64 or 128
    memory_words: int = 16384      # words of the memory inside
    burst_words: int = 16          # longest burst, a power of two
    fetch_depth: int = 8           # spike chunks requested ahead, a power of two
    weight_buffer_beats: int = 4096  # a power of two
    max_columns: int = 1024        # output channels computed from one weight block
    requantize: int = 1            # 1: with multipliers for requantization and residuals
    each_step: int = 0             # 1: with integers of each timestep, and residuals as such
    crossbar: CrossbarConfig | None = None  # of the macros, if there are any
    attention: AttentionConfig | None = None  # of the unit, if there is one
    limits: LimitsConfig | None = None  # of the networks, if they are to be small

    def __post_init__(self) -> None:
        ElementConfig.__post_init__(self)
        check_limits(self, _ACCELERATOR_LIMITS)
        check_name(self, "memory", MEMORIES)
        if self.memory_bits not in (32, 64, 128):
            raise ConfigError(f"memory_bits must be 32, 64 or 128, not {self.memory_bits}")
        check_powers_of_two(self, ["burst_words", "fetch_depth", "weight_buffer_beats"])
        if self.tile_rows > FTP_LIMITS["tppes"][1]:
            raise ConfigError(f"tppes * rows_per_pe must be at most {FTP_LIMITS['tppes'][1]}, "
                              f"not {self.tile_rows}")
        if self.looks_up and self.list_beats_per_word(0) == 0:
            raise ConfigError(f"probes * weight_bits must be less than memory_bits "
                              f"({self.memory_bits}), not {self.probes * self.weight_bits}")
        if self.max_columns < self.chunk:
            raise ConfigError(f"max_columns must be at least chunk ({self.chunk}), "
                              f"not {self.max_columns}")
        for name, value in (("weight_bits", self.weight_bits), ("timesteps", self.timesteps)):
            if beat_slot_bits(self.beat_values, value) > self.memory_bits:
                raise ConfigError(f"beat_values * {name} must be at most memory_bits "
                                  f"({self.memory_bits}), not {self.beat_values * value}")
        if self.each_step and not self.requantize:
            raise ConfigError("requantize must be 1 with each_step, not 0")
        self._check_crossbar()
        self._check_attention()
        self._check_bounds()

    def _check_crossbar(self) -> None:
        """Raise `ConfigError` unless the macros fit what feeds them and what takes their sums."""
        crossbar = self.crossbar
        if crossbar is None:
            return
        if not isinstance(crossbar, CrossbarConfig):
            raise ConfigError(f"crossbar must be a table of parameters, not {crossbar!r}")
        for name in ("timesteps", "beat_values", "weight_bits", "counter_bits"):
            if getattr(crossbar, name) != getattr(self, name):
                raise ConfigError(f"crossbar.{name} must be {name} ({getattr(self, name)}), "
                                  f"not {getattr(crossbar, name)}")
        if crossbar.result_fraction_bits:
            raise ConfigError(f"crossbar.adc_shift must be at least crossbar.fraction_bits "
                              f"({crossbar.fraction_bits}), not {crossbar.adc_shift}")
        if crossbar.noise_bits:  # a program does not tell the order of the reads
            raise ConfigError(f"crossbar.noise_bits must be 0, not {crossbar.noise_bits}")
        if crossbar.outputs < self.chunk:
            raise ConfigError(f"outputs of a crossbar must be at least chunk ({self.chunk}), "
                              f"not {crossbar.outputs}")
        if crossbar.cell_word_bits > _CELL_BITS:
            raise ConfigError(f"bits of a crossbar's conductance must be at most {_CELL_BITS}, "
                              f"not {crossbar.cell_word_bits}")
        most = crossbar.result_limit * crossbar.tiles
        if most >= 1 << (self.psum_bits - 1):
            raise ConfigError(f"results of all tiles of the crossbar must fit psum_bits "
                              f"({self.psum_bits}), not be up to {most}")

    def _check_attention(self) -> None:
        """Raise `ConfigError` unless the unit fits what feeds it and what takes its results."""
        attention = self.attention
        if attention is None:
            return
        if not isinstance(attention, AttentionConfig):
            raise ConfigError(f"attention must be a table of parameters, not {attention!r}")
        if attention.adders % self.beat_values:
            raise ConfigError(f"attention.adders must be a multiple of beat_values "
                              f"({self.beat_values}), not {attention.adders}")
        for name, limit in (("chunk_steps", "timesteps"), ("chunks", "timesteps"),
                            ("rows", "tile_rows")):
            if getattr(attention, name) > getattr(self, limit):
                raise ConfigError(f"attention.{name} must be at most {limit} "
                                  f"({getattr(self, limit)}), not {getattr(attention, name)}")
        if attention.result_limit >= 1 << (self.psum_bits - 1):
            raise ConfigError(f"attention.head_channels * attention.tokens * "
                              f"attention.chunk_steps must fit psum_bits ({self.psum_bits}), "
                              f"not be {attention.result_limit}")
        if not self.requantize:
            raise ConfigError("requantize must be 1 with attention, not 0")

    def _check_bounds(self) -> None:
        """Raise `ConfigError` unless what is built fits the limits of the networks."""
        if self.limits is None:
            return
        if not isinstance(self.limits, LimitsConfig):
            raise ConfigError(f"limits must be a table of parameters, not {self.limits!r}")
        for name in ("crossbar", "attention"):
            if getattr(self, name) is not None:
                raise ConfigError(f"{name} must be absent with limits, not present")
        if self.each_step:
            raise ConfigError(f"each_step must be 0 with limits, not {self.each_step}")
        if self.limits.serial and (self.memory != "on_chip" or self.memory_bits != 32):
            raise ConfigError(f"memory must be on_chip, of 32 bits, with limits.serial, "
                              f"not {self.memory} of {self.memory_bits}")
        for name, wanted in (("requantize", 0), ("pe", "loas")) if self.limits.serial else ():
            if getattr(self, name) != wanted:
                raise ConfigError(f"{name} must be {wanted} with limits.serial, "
                                  f"not {getattr(self, name)}")
        if self.memory == "on_chip" and self.memory_words >= 1 << self.limits.address_bits:
            raise ConfigError(f"memory_words must be below 2 ** limits.address_bits "
                              f"({1 << self.limits.address_bits}), not {self.memory_words}")

    @property
    def bounds(self) -> LimitsConfig:
        """The limits of the networks; those of the descriptor where there are no others."""
        return self.limits or _UNLIMITED

    @property
    def is_serial(self) -> bool:
        """Whether hardware is to be small rather than fast."""
        return bool(self.bounds.serial)

    @property
    def has_checks(self) -> bool:
        """Whether the hardware checks what it is told, beyond hash and CRC of a program."""
        return bool(self.bounds.checks)

    @property
    def has_time_masks(self) -> bool:
        """Whether the spikes of a source may be silent at some timesteps."""
        return self.bounds.sources > 1

    @property
    def tile_bits(self) -> int:
        """Bits of the number of tiles of a layer: each row may have one of its own."""
        return min(32, self.bounds.position_bits + self.tile_rows.bit_length())

    @property
    def block_limit(self) -> int:
        """Most weight blocks of a layer."""
        if self.limits is None:
            return 65535
        return -(-self.limits.outputs // self.chunk) if self.limits.buffers else 1

    @property
    def row_bits(self) -> int:
        """Bits of a number of rows of a tile, as descriptors have it."""
        return self.tile_rows.bit_length() if self.limits else 8

    @property
    def chunk_count_bits(self) -> int:
        """Bits of a number of chunks of a fiber, as descriptors have it."""
        return self.max_chunks.bit_length() if self.limits else 16

    @property
    def tap_bits(self) -> int:
        """Bits of a number of taps, or of chunks of a pixel, as descriptors have them."""
        return max(self.chunk, self.max_chunks).bit_length() if self.limits else 8

    @property
    def pools_residuals(self) -> bool:
        """Whether there is the unit that pools residuals."""
        return self.attention is not None or bool(self.each_step)

    @property
    def mask_words(self) -> int:
        """Memory words of a bitmask."""
        return -(-self.chunk // self.memory_bits)

    @property
    def weight_beats_per_word(self) -> int:
        """Beats of weights in one memory word."""
        return self.memory_bits // beat_slot_bits(self.beat_values, self.weight_bits)

    def list_beats_per_word(self, delta_bits: int) -> int:
        """Return the beats of a weight list in one memory word: slots, and a bit for its end."""
        return self.memory_bits // (self.probes * (delta_bits + self.weight_bits) + 1)

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
