# SPDX-License-Identifier: Apache-2.0
"""Residuals: 16 bits signed for each timestep, and the saturation to them."""

from amaranth import Mux, Value, signed
from amaranth.lib import data

from ..config import AcceleratorConfig

__all__ = ["RESIDUAL_BITS", "residuals_layout", "saturated"]

RESIDUAL_BITS = 16


def residuals_layout(config: AcceleratorConfig) -> data.ArrayLayout:
    """Return the residuals of one neuron, one for each timestep."""
    return data.ArrayLayout(signed(RESIDUAL_BITS), config.timesteps)


def saturated(value: Value) -> Value:
    """Return a signed value clamped to `RESIDUAL_BITS`."""
    if len(value) <= RESIDUAL_BITS:
        return value
    top = value[RESIDUAL_BITS - 1:]
    fits = top.all() | ~top.any()
    limit = Mux(value[-1], -(1 << (RESIDUAL_BITS - 1)), (1 << (RESIDUAL_BITS - 1)) - 1)
    return Mux(fits, value[:RESIDUAL_BITS].as_signed(), limit)
