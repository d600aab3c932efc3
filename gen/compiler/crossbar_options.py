# SPDX-License-Identifier: Apache-2.0
"""What a command line says of crossbars: which layers go, and what the cells are like."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...rtl.config import AcceleratorConfig, ConfigError

if TYPE_CHECKING:  # needs torch, and options are read before
    from ...models.golden.network import IntegerNetwork

__all__ = ["ALL_CROSSBARS", "CrossbarOptions"]

_SEEDS = 1 << 31


@dataclass(frozen=True, kw_only=True)
class CrossbarOptions:
    """Which layers crossbars compute, and on which cells.

    Parameters
    ----------
    crossbars
        Layers that crossbars compute: all that fit, none, or names with commas between.
    sigma
        Standard deviation of a cell's conductance, as a share of it.
    stuck_low
        Share of cells that are stuck at the lowest level.
    stuck_high
        Share of cells that are stuck at the highest level.
    seed
        Of the cells; the same seed gives the same cells.
    """

    crossbars: str = "all"
    sigma: float = 0.0
    stuck_low: float = 0.0
    stuck_high: float = 0.0
    seed: int = 0

    def apply(self, network: "IntegerNetwork", config: AcceleratorConfig) -> "IntegerNetwork":
        """Return the network with those layers on crossbars.

        Raises
        ------
        CompileError
            A layer that was named does not exist, or does not fit.
        ConfigError
            The seed is out of range.
        GoldenError
            A share is out of range.
        """
        from ...models.golden.conductance import Device
        from .crossbars import on_crossbars

        if not 0 <= self.seed < _SEEDS:
            raise ConfigError(f"seed must be in 0..{_SEEDS - 1}, not {self.seed}")
        layers = self.crossbars if self.crossbars in ("all", "none") else tuple(
            self.crossbars.split(","))
        if layers == "all" and config.crossbar is None:
            return network
        return on_crossbars(network, config, layers, Device(
            sigma=self.sigma, stuck_low=self.stuck_low, stuck_high=self.stuck_high,
            seed=self.seed))


ALL_CROSSBARS = CrossbarOptions()  # what goes without saying
