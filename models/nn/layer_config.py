# SPDX-License-Identifier: Apache-2.0
"""Shapes of the layers that are trained."""

from dataclasses import dataclass

from torch import Tensor

from ..golden.checks import integer_limits
from ..golden.layer import IMAGE, PIXEL_BITS
from ..golden.plif import LIF
from .tensor_train import TensorTrain

__all__ = ["PIXELS", "Integers", "LayerConfig", "SourceConfig"]


@dataclass(frozen=True, kw_only=True)
class Integers:
    """How the integer network writes numbers that are not spikes, as multiples of a unit."""

    bits: int
    exponent: int            # the unit is 2**-exponent
    signed: bool = True
    each_step: bool = True   # whether they differ between timesteps

    def stored(self, x: Tensor) -> Tensor:
        """Return multiples of the unit, Tensor[T, ...], as far as they are stored."""
        low, high = (limit * 2.0 ** -self.exponent
                     for limit in integer_limits(self.bits, self.signed))
        return (x if self.each_step else x[:1].expand_as(x)).clamp(low, high)


PIXELS = Integers(bits=PIXEL_BITS, exponent=PIXEL_BITS, signed=False, each_step=False)


@dataclass(frozen=True, kw_only=True)
class SourceConfig:
    """One input of a layer: a convolution over the output of another."""

    input: str                          # name of the layer that is read, or "image"
    inputs: int                         # channels of the input
    height: int                         # of the input's maps
    width: int
    kernel: tuple[int, int] = (3, 3)
    stride: int = 1
    padding: tuple[int, int] = (1, 1)   # above and below, left and right
    mean_pool: int = 1                  # side of the average pooling before, a power of two
    identity: bool = False              # spikes enter the current as they are, kernel unused
    shared: bool = False                # has the weights of the source before
    frames: bool = False                # an image is spikes, another one at each timestep
    integers: Integers | None = None    # what the input gives if it is a layer without neurons
    time_mask: int | None = None        # bit t: whether it acts at timestep t; always if None

    @property
    def pixels(self) -> bool:
        """Whether the input is pixels, the same at each timestep."""
        return self.input == IMAGE and not self.frames

    @property
    def covers_map(self) -> bool:
        """Whether the layer is linear: a kernel as large as the map."""
        return (self.kernel == (self.height, self.width) and self.padding == (0, 0)
                and self.mean_pool == 1)

    @property
    def numbers(self) -> Integers | None:
        """What the input gives, None for spikes."""
        return PIXELS if self.pixels else self.integers

    @property
    def exponent(self) -> int:
        """Power of two by which integer inputs are larger than floating-point ones."""
        pooled = 2 * (self.mean_pool.bit_length() - 1)
        return pooled + (self.numbers.exponent if self.numbers else 0)


@dataclass(frozen=True, kw_only=True)
class LayerConfig:
    """Shape of one layer.

    The norm covers the sum of all sources but those that are identities, which enter behind.
    """

    name: str
    sources: tuple[SourceConfig, ...]
    outputs: int                 # channels of the output
    pool: int = 1                # side of the max pooling behind the neurons, 1 for none
    lif: LIF | None = LIF()      # None for the readout, and where currents are handed on
    integers: Integers | None = None  # of the currents that are handed on
    residual: str | None = None  # layer whose kept residual adds to the current
    keep_residual: bool = False  # whether the current is kept
    drop_single: bool = False    # whether neurons that fire once only are silenced
    silent: bool = False         # whether no neuron fires, since only the residual is of use
    fixed_point: int | None = None  # scales are powers of two, residuals multiples of 2**-this
    tensor_train: TensorTrain | None = None  # cores in place of the first source's kernel

    @property
    def encoder(self) -> bool:
        """Whether the input is integers that are the same at each timestep, as pixels are."""
        return self.numbers is not None and not self.numbers.each_step

    @property
    def numbers(self) -> Integers | None:
        """What the inputs are, None for spikes."""
        return self.sources[0].numbers

    @property
    def readout(self) -> bool:
        """Whether the layer's currents are the network's output."""
        return self.lif is None and self.integers is None

    @property
    def carries_residual(self) -> bool:
        """Whether the current is in units of the residuals."""
        return self.keep_residual or self.residual is not None

    @property
    def has_identity(self) -> bool:
        """Whether spikes enter the current as they are."""
        return any(source.identity for source in self.sources)

    @property
    def trained(self) -> tuple[SourceConfig, ...]:
        """Sources with weights."""
        return tuple(source for source in self.sources
                     if not source.identity and not source.shared)
