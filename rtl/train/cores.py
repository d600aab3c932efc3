# SPDX-License-Identifier: Apache-2.0
"""Which cores a cluster has, and where their weights lie."""

from itertools import accumulate

from ..config import TrainConfig
from .layouts import Core

__all__ = ["SPIKING", "cluster_cores", "core_bases", "core_depth", "core_shape"]

SPIKING = (Core.G1, Core.DENSE)  # their inputs are spikes


def cluster_cores(config: TrainConfig) -> list[tuple[Core, ...]]:
    """Return the cores of each cluster."""
    cores = (Core.G1, Core.G2, Core.G3, Core.G4)
    return [(*cores, Core.DENSE)] if config.single_array else [(core,) for core in cores]


def core_shape(config: TrainConfig, core: Core) -> tuple[int, int, int]:
    """Return the most input channels, the most groups of output channels, and the taps."""
    inputs = config.max_inputs if core in SPIKING else config.max_rank
    outputs = config.max_outputs if core in (Core.G4, Core.DENSE) else config.max_rank
    taps = {Core.G2: 3, Core.G3: 3, Core.DENSE: 9}.get(core, 1)
    return inputs, max(1, outputs // config.lanes), taps


def core_depth(config: TrainConfig, core: Core) -> int:
    """Return the words of weights of a core."""
    inputs, groups, taps = core_shape(config, core)
    return inputs * groups * taps


def core_bases(config: TrainConfig, cores: tuple[Core, ...]) -> dict[Core, int]:
    """Return where the weights of each core begin in a cluster of several."""
    ends = [0, *accumulate(core_depth(config, core) for core in cores)]
    return dict(zip(cores, ends, strict=False))
