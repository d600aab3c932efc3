# SPDX-License-Identifier: Apache-2.0
"""Parameters of the crossbar macro and of the engine around it, and how long the analog part takes.
"""

import hashlib
from dataclasses import dataclass

from .base import Config
from .checks import ConfigError, check_limits, check_name

__all__ = ["ENCODINGS", "NOISE_STATE_BITS", "AnalogTiming", "CrossbarConfig"]

ENCODINGS = ("differential", "offset", "sign")
NOISE_STATE_BITS = 31  # of the shift register x**31 + x**28 + 1, one for each ADC
_LIMITS = {
    "rows": (16, 256),
    "columns": (16, 256),
    "cell_bits": (1, 4),
    "on_off": (2, 10000),
    "fraction_bits": (0, 8),
    "weight_bits": (2, 8),
    "adc_bits": (3, 10),
    "adc_shift": (0, 12),
    "columns_per_adc": (1, 256),
    "noise_bits": (0, 16),
    "noise_shift": (0, 10),
    "noise_seed": (0, (1 << 31) - 1),
    "pulse_bits": (1, 12),
    "pulse_loss": (0, 4),
    "max_pulses": (1, 255),
    "tiles": (1, 16),
    "timesteps": (1, 16),
    "beat_values": (1, 64),
    "neurons": (1, 65536),
    "counter_bits": (16, 64),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class CrossbarConfig(Config):
    """Parameters of crossbar macros and of the digital engine around them.

    Conductances are integers. One level of a cell is ``2**fraction_bits`` of them; a level ``l``
    conducts ``g_min + (l << fraction_bits)``. An output takes ``columns_per_output`` adjacent
    columns: the slices of its weights, lowest first; with differential encoding those of the
    positive weights, then those of the negative ones.

    Raises
    ------
    ConfigError
        A field is out of its range, or two fields do not fit each other.
    """

    rows: int = 64                 # R: wordlines of a macro
    columns: int = 64              # C: bitlines of a macro
    cell_bits: int = 2             # b: bits that a cell stores
    on_off: int = 100              # conductance of the highest level over that of level 0
    fraction_bits: int = 6         # F: conductance units of one level, as a power of two
    weight_bits: int = 8           # W: two's complement
    encoding: str = "differential"  # of signed weights, one of ENCODINGS
    adc_bits: int = 6              # A
    adc_shift: int = 6             # a step of the ADC is 2**adc_shift conductance units
    columns_per_adc: int = 8       # M: columns that share one ADC; divides columns
    noise_bits: int = 0            # read noise: coins of one sample, even; 0: none
    noise_shift: int = 0           # a coin is half of 2**noise_shift conductance units
    noise_seed: int = 1
    pulse_bits: int = 6            # bits of the amplitude of a programming pulse
    pulse_loss: int = 1            # a pulse falls short by amplitude >> pulse_loss; 0: by nothing
    max_pulses: int = 32           # for one cell
    tiles: int = 1                 # macros whose sums an engine adds up, each for R inputs
    timesteps: int = 4             # T: bits of a lane word
    beat_values: int = 8           # V: lane words in one beat; divides rows
    neurons: int = 64              # membranes in memory
    counter_bits: int = 32

    def __post_init__(self) -> None:
        check_limits(self, _LIMITS)
        check_name(self, "encoding", ENCODINGS)
        for name, whole in (("columns_per_adc", "columns"), ("beat_values", "rows")):
            if getattr(self, whole) % getattr(self, name):
                raise ConfigError(f"{name} must divide {whole} ({getattr(self, whole)}), "
                                  f"not be {getattr(self, name)}")
        if self.noise_bits % 2:
            raise ConfigError(f"noise_bits must be even, not {self.noise_bits}")
        if self.columns < self.columns_per_output:
            raise ConfigError(f"columns must be at least those of one output "
                              f"({self.columns_per_output}), not {self.columns}")

    @property
    def adcs(self) -> int:
        """ADCs of a macro; number k converts columns ``k*M`` to ``k*M + M - 1`` in turn."""
        return self.columns // self.columns_per_adc

    @property
    def slices(self) -> int:
        """Cells that hold a weight, or its magnitude, or its bits but the sign."""
        bits = self.weight_bits - (self.encoding != "offset")
        return -(-bits // self.cell_bits)

    @property
    def columns_per_output(self) -> int:
        """Columns that hold the weights of one output."""
        return self.slices * (2 if self.encoding == "differential" else 1)

    @property
    def outputs(self) -> int:
        """Outputs of a macro, N; columns that are left over stay unused."""
        return self.columns // self.columns_per_output

    @property
    def weight_limits(self) -> tuple[int, int]:
        """Least and greatest weight."""
        high = (1 << (self.weight_bits - 1)) - 1
        if self.encoding == "differential":
            return -min(high + 1, (1 << (self.slices * self.cell_bits)) - 1), high
        return -high - 1, high

    @property
    def g_min(self) -> int:
        """Conductance of level 0; ``g_min`` times the active rows is subtracted from each sum."""
        span = ((1 << self.cell_bits) - 1) << self.fraction_bits
        return (2 * span + self.on_off - 1) // (2 * (self.on_off - 1))

    @property
    def cell_word_bits(self) -> int:
        """Bits of a conductance: that of the highest level, and as much again for variation."""
        return self.cell_bits + self.fraction_bits + 1

    @property
    def sum_bits(self) -> int:
        """Bits of the signed sum of a column, with offset and noise of its ADC."""
        most = (1 << self.cell_word_bits) - 1
        noise = (self.noise_bits // 2) << self.noise_shift
        return (self.rows * most + most + noise).bit_length() + 1

    @property
    def result_fraction_bits(self) -> int:
        """Fraction bits of a result, ``2**-result_fraction_bits`` of a weight."""
        return max(self.fraction_bits - self.adc_shift, 0)

    @property
    def code_shift(self) -> int:
        """Left shift of an ADC's code to the unit of results."""
        return max(self.adc_shift - self.fraction_bits, 0)

    @property
    def result_limit(self) -> int:
        """Largest magnitude that a result of one macro may have."""
        code = ((1 << self.adc_bits) - 1) << self.code_shift
        total = sum(code << (self.cell_bits * k) for k in range(self.slices))
        sign = self.rows << (self.weight_bits - 1 + self.result_fraction_bits)
        return total if self.encoding == "differential" else max(total, sign)

    @property
    def result_bits(self) -> int:
        """Bits of the signed result of one macro."""
        return self.result_limit.bit_length() + 1

    @property
    def inputs(self) -> int:
        """Positions of the longest row vector, K."""
        return self.tiles * self.rows

    @property
    def psum_bits(self) -> int:
        """Bits of a signed psum: the results of all macros, in all T bit planes."""
        most = self.result_limit * self.tiles * ((1 << self.timesteps) - 1)
        return most.bit_length() + 1

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

    def noise_state(self, tile: int, adc: int) -> int:
        """Return what the noise generator of an ADC starts from, never 0."""
        digest = hashlib.sha256(f"{self.noise_seed} {tile} {adc}".encode()).digest()
        return int.from_bytes(digest[:8], "big") % ((1 << NOISE_STATE_BITS) - 1) + 1


@dataclass(frozen=True, kw_only=True, slots=True)
class AnalogTiming:
    """How long a real macro would take; the cycles of the RTL say nothing of that.

    The defaults stand for no particular device: wordlines and bitlines that settle in 10 ns, and
    a successive-approximation ADC with one bit, and its sampling, in 1 ns each.
    """

    settle_ns: float = 10.0        # from the wordline pulse to a sum that can be converted
    adc_bit_ns: float = 1.0        # of each bit of a code, and of the sampling
    pulse_ns: float = 50.0         # one programming pulse

    def read_ns(self, config: CrossbarConfig) -> float:
        """Return the time of one read: settle, then the conversions of the shared ADCs in turn."""
        conversion = (config.adc_bits + 1) * self.adc_bit_ns
        return self.settle_ns + config.columns_per_adc * conversion

    def program_ns(self, config: CrossbarConfig, pulses: int, verify_reads: int) -> float:
        """Return the time of programming; a verify read converts a single column."""
        verify = self.settle_ns + (config.adc_bits + 1) * self.adc_bit_ns
        return pulses * self.pulse_ns + verify_reads * verify
