# SPDX-License-Identifier: Apache-2.0
"""Membranes as integers, for kernels that read them in place of spikes."""

from dataclasses import dataclass

from torch import Tensor

from ..golden.layer import PoolLayer
from .fixed_layers import FixedConfig, FixedLayer
from .layer_config import Integers

__all__ = ["MembraneConfig"]


@dataclass(frozen=True, kw_only=True)
class MembraneConfig(FixedConfig):
    """Kept residuals of a layer, handed on as integers; their unit must be that of residuals.

    With ``keep_residual`` they are kept once more: the hardware adds residuals in the order in
    which it computed them, and few positions at a time where it reads integers of many bits.
    """

    kept: str           # layer whose residuals they are
    integers: Integers

    def layer(self) -> FixedLayer:
        """Return the layer."""
        return _Membrane(self)


class _Membrane(FixedLayer):
    config: MembraneConfig

    def currents(self, maps: dict[str, Tensor], kept: dict[str, Tensor]) -> Tensor:
        return kept[self.config.kept]

    def stored(self, spikes: Tensor) -> Tensor:
        return self.config.integers.stored(spikes)

    def integer_layer(self) -> PoolLayer:
        """Return a pooling over windows of a single pixel."""
        config, integers = self.config, self.config.integers
        return PoolLayer(
            name=config.name, pooled=config.kept, height=config.height, width=config.width,
            kind="max", window=(1, 1), bias=config.table(0), output="integers",
            out_bits=integers.bits, out_signed=integers.signed,
            out_each_step=integers.each_step, keep_residual=config.keep_residual,
            requantize=(config.table(1), config.table(0)) if config.keep_residual else None)
