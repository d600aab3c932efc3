# SPDX-License-Identifier: Apache-2.0
"""Static products of a vision transformer on crossbars, values read bit plane by bit plane."""

import dataclasses

import torch
from torch import Tensor

from ...rtl.config import CrossbarConfig
from .checks import check_integers, check_range
from .conductance import Device, make_images
from .errors import GoldenError
from .imc_engine import IMCEngine, Reading

__all__ = ["CrossbarProduct"]

_PLANES = 8
_READING = Reading(lanes=_PLANES, planes=True, signed=True)


class CrossbarProduct:
    """Product of 8-bit values with static weights, as the macros compute it.

    Takes the place of ``exact_product`` in ``VitNetwork.run``; ideal and without clipping it
    gives the same. Each layer has macros of its own: one for each R inputs and N outputs.

    Parameters
    ----------
    config : CrossbarConfig
        Of a macro; ``tiles`` and ``timesteps`` do not count.
    device : Device
        Ideal if None; each macro is another one.

    Raises
    ------
    GoldenError
        The macro's results are no whole numbers.
    """

    def __init__(self, config: CrossbarConfig, device: Device | None = None):
        if config.result_fraction_bits:
            raise GoldenError(f"adc_shift must be at least fraction_bits "
                              f"({config.fraction_bits}), not {config.adc_shift}")
        self.config, self.device = config, device or Device()
        self._engines: dict[str, list[IMCEngine]] = {}
        self._macros = 0

    def __call__(self, name: str, values: Tensor, weight: Tensor) -> Tensor:
        """Multiply Tensor[..., K] with Tensor[K, n]; the layer of a name keeps its macros."""
        if name not in self._engines:
            self._engines[name] = self._program(weight)
        check_range(f"{name}: value", check_integers("values", values), -128, 127)
        words = values.reshape(-1, values.shape[-1]) & ((1 << _PLANES) - 1)
        blocks = [engine.run(words, _READING)[0] for engine in self._engines[name]]
        return torch.cat(blocks, 1)[:, :weight.shape[1]].reshape(*values.shape[:-1], -1)

    def _program(self, weight: Tensor) -> list[IMCEngine]:
        tiles = -(-len(weight) // self.config.rows)
        config = dataclasses.replace(self.config, tiles=tiles, timesteps=_PLANES)
        engines = []
        for block in weight.split(config.outputs, 1):
            seed = self.device.seed * 65536 + self._macros
            device = dataclasses.replace(self.device, seed=seed)
            engines.append(IMCEngine(config, make_images(block, config, device)))
            self._macros += tiles
        return engines
