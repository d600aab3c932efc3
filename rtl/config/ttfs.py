# SPDX-License-Identifier: Apache-2.0
"""Parameters of the time-to-first-spike core."""

from dataclasses import dataclass

from .base import Config
from .checks import check_limits, check_name, check_powers_of_two

__all__ = ["TTFS_KERNELS", "TTFSConfig"]

TTFS_KERNELS = ("linear", "exponential", "both")
_LIMITS = {
    "lanes": (2, 64),
    "time_bits": (4, 10),
    "max_tau_shift": (1, 8),
    "weight_bits": (2, 8),
    "charge_bits": (4, 24),
    "guard_bits": (1, 12),
    "delay_bits": (1, 8),
    "neuron_groups": (4, 65536),
    "time_groups": (4, 65536),
    "weight_words": (4, 1 << 20),
    "maps": (2, 64),
    "edges": (2, 256),
    "channel_entries": (4, 16384),
    "max_side": (4, 256),
    "pixel_groups": (1, 128),
    "max_kernel": (2, 16),
    "image_bytes": (16, 1 << 20),
    "max_channels": (1, 256),
    "first_groups": (1, 256),
    "accumulator_bits": (16, 32),
    "counter_bits": (8, 32),
    "skips": (0, 1),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class TTFSConfig(Config):
    """Parameters of the time-to-first-spike core (`rtl/ttfs/`).

    Networks that need more of anything are refused when they are compiled. A *group* is ``lanes``
    adjacent channels of one pixel, a *map* the spike times of one layer, an *edge* what goes from
    one map to another.

    Raises
    ------
    ConfigError
        A field is out of its range.
    """

    lanes: int = 16                # P: neurons updated per cycle; a power of two
    time_bits: int = 8             # of a time word; the largest word means never
    kernel: str = "both"           # one of TTFS_KERNELS; "both": each map chooses
    max_tau_shift: int = 6         # largest k; the time constant is 2**k steps, set at run time
    weight_bits: int = 8           # two's complement
    charge_bits: int = 18          # sum of the |weights| of a neuron is below 2**(charge_bits-1)
    guard_bits: int = 8            # G: fraction bits of the exponential kernel
    delay_bits: int = 5            # of the delay of a channel, in steps
    neuron_groups: int = 1024      # groups of neurons: charge, potential and time
    time_groups: int = 2048        # groups of other maps: times only
    weight_words: int = 16384      # words of P weights
    maps: int = 32
    edges: int = 64
    channel_entries: int = 2048    # sum over all edges of the channels of their source
    pixel_groups: int = 128        # of a map
    max_side: int = 64             # of an image or a map
    max_kernel: int = 8            # side of a kernel; fully connected: of the map it reads
    image_bytes: int = 4096        # pixels of an image, its sides rounded up to powers of two
    max_channels: int = 256        # of an image
    first_groups: int = 8          # groups of channels of the first layer
    accumulator_bits: int = 32     # of a sum in the first layer
    counter_bits: int = 32         # of what a result counts; they wrap
    skips: int = 1                 # 0: no pooling, delay or addition of spike times

    def __post_init__(self) -> None:
        check_limits(self, _LIMITS)
        check_name(self, "kernel", TTFS_KERNELS)
        check_powers_of_two(self, ["lanes", "max_side"])

    @property
    def silent(self) -> int:
        """Time word that means never."""
        return (1 << self.time_bits) - 1

    @property
    def groups(self) -> int:
        """Addresses of groups: those of neurons, then those of other maps."""
        return self.neuron_groups + self.time_groups

    @property
    def charge_width(self) -> int:
        """Bits of the signed charge.

        It is at most the sum of the weights that came, times ``2**guard_bits`` if exponential:
        the charge moves towards zero and never past it.
        """
        return self.charge_bits + (0 if self.kernel == "linear" else self.guard_bits)

    @property
    def potential_width(self) -> int:
        """Bits of the signed potential.

        Linear: at most ``2**time_bits`` steps add one charge each. Exponential: each step is
        monotone in what came, so the positive weights alone bound it from above, the negative
        ones from below, by their sum times ``2**guard_bits``.
        """
        growth = {"linear": self.time_bits, "exponential": self.guard_bits,
                  "both": max(self.time_bits, self.guard_bits)}[self.kernel]
        return self.charge_bits + growth

    @property
    def dump_bits(self) -> int:
        """Bits of a time in a result frame."""
        return 8 if self.time_bits <= 8 else 16

    @property
    def bank_pixels(self) -> int:
        """Depth of each of the four banks of the image memory."""
        return -(-self.image_bytes // 4)
