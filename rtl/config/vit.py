# SPDX-License-Identifier: Apache-2.0
"""Parameters of the units of a vision transformer, and of a core made of them."""

from dataclasses import dataclass

from .base import Config
from .checks import ConfigError, check_limits
from .imc import CrossbarConfig

__all__ = ["VitConfig", "VitCoreConfig"]

_LIMITS = {
    "max_channels": (2, 4096),
    "max_tokens": (2, 4096),
    "token_bits": (8, 24),
    "value_bits": (4, 8),
    "beta_bits": (8, 32),
    "norm_fraction_bits": (0, 15),
    "reciprocal_bits": (8, 20),
    "score_bits": (8, 32),
    "index_bits": (1, 8),
    "power_bits": (8, 16),
    "probability_bits": (2, 8),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class VitConfig(Config):
    """Parameters of the units between the matrix products of a vision transformer (`rtl/vit/`).

    Raises
    ------
    ConfigError
        A field is out of its range, or two fields do not fit each other.
    """

    max_channels: int = 64         # D: of the longest token
    max_tokens: int = 64           # N: scores of the longest row
    token_bits: int = 16           # of a channel of a token, signed
    value_bits: int = 8            # of a normalized value, and of what GELU takes and gives
    beta_bits: int = 24            # of what a layer norm adds, signed
    norm_fraction_bits: int = 8    # of a normalized value before gamma
    reciprocal_bits: int = 15      # of the mantissa of a reciprocal
    score_bits: int = 32           # of a score of the softmax, signed
    index_bits: int = 6            # of the table of powers of two
    power_bits: int = 15           # fraction bits of its values
    probability_bits: int = 8      # of a probability, unsigned

    def __post_init__(self) -> None:
        check_limits(self, _LIMITS)
        for name in ("norm_fraction_bits", "probability_bits"):
            if getattr(self, name) > self.reciprocal_bits:
                raise ConfigError(f"{name} must be at most reciprocal_bits "
                                  f"({self.reciprocal_bits}), not {getattr(self, name)}")

    @property
    def total_bits(self) -> int:
        """Bits of the signed sum of a token."""
        return self.token_bits + self.max_channels.bit_length()

    @property
    def root_bits(self) -> int:
        """Bits of D times the standard deviation of a token: D is at most max_channels."""
        return self.token_bits - 1 + self.max_channels.bit_length()

    @property
    def centred_bits(self) -> int:
        """Bits of D times a signed value less the mean, which the values' span limits."""
        return self.token_bits + self.max_channels.bit_length() + 1

    @property
    def normal_bits(self) -> int:
        """Bits of a signed normalized value, whose magnitude is below 2 * sqrt(D)."""
        return self.norm_fraction_bits + (self.max_channels.bit_length() + 1) // 2 + 3

    @property
    def powers_bits(self) -> int:
        """Bits of the sum of all powers of a row, at most ``max_tokens << power_bits``."""
        return self.power_bits + self.max_tokens.bit_length()


_CORE_LIMITS = {
    "values": (16, 1 << 16),
    "parameters": (16, 1 << 16),
    "instructions": (2, 256),
    "macro_rows": (16, 256),
    "macro_columns": (64, 256),
    "tiles": (1, 16),
    "beat_values": (1, 64),
    "adc_bits": (3, 10),
    "gelu_tables": (1, 16),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class VitCoreConfig(VitConfig):
    """Parameters of a core that runs a whole vision transformer on crossbar macros.

    All static weights lie in one engine, one matrix below the other: inputs of another matrix
    are silent.

    Raises
    ------
    ConfigError
        A field is out of its range, or two fields do not fit each other.
    """

    values: int = 4096             # words of 16 bits: tokens and all between them
    parameters: int = 4096         # words of 32 bits: biases, gammas, betas
    instructions: int = 64
    macro_rows: int = 256          # R: wordlines of a macro
    macro_columns: int = 256       # C: bitlines of a macro, eight for each output
    tiles: int = 4                 # macros
    beat_values: int = 16          # V: values that enter the engine at once; divides macro_rows
    adc_bits: int = 8
    gelu_tables: int = 4

    def __post_init__(self) -> None:
        VitConfig.__post_init__(self)
        check_limits(self, _CORE_LIMITS)
        for name, wanted in (("token_bits", 16), ("value_bits", 8), ("beta_bits", 24),
                             ("score_bits", 32)):
            if getattr(self, name) != wanted:
                raise ConfigError(f"{name} must be {wanted}, not {getattr(self, name)}")
        self.crossbar.as_dict()

    @property
    def crossbar(self) -> CrossbarConfig:
        """Parameters of the engine: 8-bit weights, values read in eight bit planes."""
        return CrossbarConfig(
            rows=self.macro_rows, columns=self.macro_columns, adc_bits=self.adc_bits,
            tiles=self.tiles, timesteps=8, beat_values=self.beat_values)
