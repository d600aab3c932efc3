# SPDX-License-Identifier: Apache-2.0
"""Float twin of the crossbar: linear layers trained with the noise of the hardware in them."""

import dataclasses

import torch
from torch import Tensor, nn

from ...rtl.config import CrossbarConfig
from ..golden.conductance import Device, Image, make_images
from .rounding import fake_quantize

__all__ = ["CrossbarLinear", "read_tile"]


def read_tile(spikes: Tensor, image: Image, config: CrossbarConfig,
              noise: Tensor | None = None) -> Tensor:
    """Return what a macro gives for spikes, in weights, as floating point.

    Without noise equal to the golden ``crossbar`` and ``shift_add``, divided by
    ``2**result_fraction_bits``.

    Parameters
    ----------
    spikes : Tensor[B, R]
        0 or 1.
    image : Image
    config : CrossbarConfig
    noise : Tensor[B, C]
        Read noise in conductance units; none if None.

    Returns
    -------
    Tensor[B, N]
    """
    sums = spikes @ (image.cells - config.g_min).to(spikes) + image.offsets
    if noise is not None:
        sums = sums + noise
    step = 1 << config.adc_shift
    codes = (sums / step + (0.5 if config.adc_shift else 0)).floor()
    levels = codes.clamp(0, (1 << config.adc_bits) - 1) * (step / (1 << config.fraction_bits))
    used = levels[:, :config.outputs * config.columns_per_output]
    slices = used.reshape(len(spikes), config.outputs, -1, config.slices)
    values = (slices * _places(config, levels)).sum(-1)
    if config.encoding == "differential":
        return values[:, :, 0] - values[:, :, 1]
    counts = spikes.sum(1, keepdim=True)
    if config.encoding == "sign":
        counts = spikes @ image.negative.to(spikes)
    return values[:, :, 0] - counts * (1 << (config.weight_bits - 1))


class CrossbarLinear(nn.Module):
    """Linear layer without bias on crossbars, for spikes in and psums out.

    Weights are rounded to multiples of the scale of their output. In training each call draws
    another device and fresh read noise, so that the network learns to live with any; in
    evaluation the device is the one of ``device.seed``, to the integer what the hardware is
    loaded with. Gradients are those of the ideal product of spikes and rounded weights.

    Parameters
    ----------
    config : CrossbarConfig
    inputs : int
        At most the rows of all tiles.
    outputs : int
        At most those of a macro.
    device : Device
        Ideal if None.

    Raises
    ------
    ValueError
        The layer does not fit the macros.
    """

    def __init__(self, config: CrossbarConfig, inputs: int, outputs: int,
                 device: Device | None = None):
        super().__init__()
        if inputs > config.inputs or outputs > config.outputs:
            raise ValueError(f"inputs and outputs must be at most {config.inputs} and "
                             f"{config.outputs}, not {inputs} and {outputs}")
        self.config, self.device = config, device or Device()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / inputs**0.5)

    @property
    def scale(self) -> Tensor:
        """Weight of the integer 1, for each output."""
        low, high = self.config.weight_limits
        limit = min(-low, high)
        return self.weight.detach().abs().amax(1).clamp(min=1e-8) / limit

    def integer_weights(self) -> Tensor:
        """Return int64 [inputs, outputs], the weights as the cells hold them."""
        return (self.weight.detach() / self.scale[:, None]).round().to(torch.int64).T

    def images(self, device: Device | None = None) -> list[Image]:
        """Return what the macros are loaded with; on ``self.device`` if None is given."""
        return make_images(self.integer_weights(), self.config, device or self.device)

    def forward(self, spikes: Tensor) -> Tensor:
        """Return psums [..., outputs] for spikes [..., inputs] of 0 and 1."""
        rows, flat = self.config.rows, spikes.flatten(0, -2)
        device = self.device
        if self.training:
            device = dataclasses.replace(device, seed=int(torch.randint(1 << 31, ())))
        low, high = self.config.weight_limits
        ideal = flat @ fake_quantize(self.weight, self.scale, min(-low, high)).T
        lines = nn.functional.pad(flat.detach(), (0, self.config.inputs - flat.shape[1]))
        real = torch.zeros(1)
        for tile, image in enumerate(self.images(device)):
            part = lines[:, tile * rows:(tile + 1) * rows]
            real = real + read_tile(part, image, self.config, self._noise(part))
        real = real[:, :len(self.weight)] * self.scale
        return (real + ideal - ideal.detach()).unflatten(0, spikes.shape[:-1])

    def _noise(self, spikes: Tensor) -> Tensor | None:
        """Return read noise as the shift registers' coins are distributed; none in evaluation."""
        coins = self.config.noise_bits
        if not self.training or not coins:
            return None
        heads = torch.randint(0, 2, (len(spikes), self.config.columns, coins)).sum(-1)
        return ((heads - coins // 2) << self.config.noise_shift).to(spikes.dtype)


def _places(config: CrossbarConfig, like: Tensor) -> Tensor:
    return torch.tensor([1 << (config.cell_bits * k) for k in range(config.slices)]).to(like)
