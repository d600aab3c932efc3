# SPDX-License-Identifier: Apache-2.0
"""Proofs that no number of a layer outgrows its width, from the weights themselves."""

import numpy as np

from ...models.golden.layer import AttentionLayer, IntegerLayer, PoolLayer, PsumLayer
from ...rtl.config import AcceleratorConfig
from .errors import CompileError

__all__ = ["check_bounds", "current_range"]

_RESIDUAL_BITS = 16
_LOGIT_BITS = 32


def current_range(layer: PsumLayer) -> tuple[int, int]:
    """Return the least and the greatest psum, with and without bias, of any input.

    For bit planes this holds the psum of each plane and the sum over all of them.
    """
    if not isinstance(layer, IntegerLayer):
        least, most = _unweighted_bounds(layer)
    elif layer.crossbars is not None:
        least, most = (bound.numpy() for bound in layer.crossbars.bounds(
            layer.input_bits, layer.input_signed))
    else:
        least, most = _product_bounds(layer)
    bias = layer.bias.numpy()
    return (int(min(least.min(), (least + bias).min())),
            int(max(most.max(), (most + bias).max())))


def _unweighted_bounds(layer: PsumLayer) -> tuple[np.ndarray, np.ndarray]:
    """Return the least and the greatest psum of attention or of pooled residuals."""
    if isinstance(layer, AttentionLayer):
        tokens = layer.height * layer.width
        low, high = 0, layer.channels // layer.heads * layer.chunk_steps * tokens
    else:
        assert isinstance(layer, PoolLayer)
        limit = 1 << (_RESIDUAL_BITS - 1)
        members = layer.window[0] * layer.window[1] if layer.kind == "sum" else 1
        low, high = -limit * members, (limit - 1) * members
    return np.array([low]), np.array([high])


def _product_bounds(layer: IntegerLayer) -> tuple[np.ndarray, np.ndarray]:
    """Return the least and the greatest psum of each column."""
    matrix = layer.weight_matrix().numpy()
    positive = np.where(matrix > 0, matrix, 0).sum(0)
    negative = np.where(matrix < 0, matrix, 0).sum(0)
    low, high = 0, 1
    if layer.input_bits:
        low = -(1 << (layer.input_bits - 1)) if layer.input_signed else 0
        high = low + (1 << layer.input_bits) - 1
    most = np.maximum(positive, positive * high + negative * low)
    least = np.minimum(negative, negative * high + positive * low)
    return least, most


def check_bounds(layer: PsumLayer, timesteps: int, config: AcceleratorConfig
                 ) -> tuple[int, int]:
    """Return the range of the psum; raise `CompileError` if a number could outgrow its width.

    The bound of the membrane follows from those of current and threshold, see
    ``FTPConfig.membrane_bits``.
    """
    if isinstance(layer, IntegerLayer):
        weights = [source.weight for source in layer.sources]
        _check_signed(layer.name, "weights", min(int(x.min()) for x in weights),
                      max(int(x.max()) for x in weights), config.weight_bits,
                      "quantize to fewer bits, or set weight_bits higher")
    low, high = current_range(layer)
    more = "set guard_bits, weight_bits or max_fan_in higher"
    _check_signed(layer.name, "psum with bias", low, high, config.psum_bits, more)
    tables = [("bias", layer.bias)]
    if layer.threshold is not None:
        tables.append(("threshold", layer.threshold))
    for field, table in tables:
        _check_signed(layer.name, field, int(table.min()), int(table.max()),
                      min(config.psum_bits, 32), more)
    _check_built(layer, config)
    _check_limits(layer, config)
    if layer.requantize is not None or layer.residual is not None:
        if config.psum_bits < _RESIDUAL_BITS:
            raise CompileError(layer.name, "psum_bits", f"at least {_RESIDUAL_BITS} for "
                               "requantized currents", config.psum_bits, more)
        limit = 1 << (_RESIDUAL_BITS - 1)
        low, high = -limit, limit - 1
    if layer.output == "readout":
        _check_signed(layer.name, "logit", low * timesteps, high * timesteps, _LOGIT_BITS,
                      "use smaller weights")
    return current_range(layer)


def _check_built(layer: PsumLayer, config: AcceleratorConfig) -> None:
    """Raise `CompileError` if the layer needs multipliers that are not built."""
    asked = {"requantization": layer.requantize is not None,
             "residual": layer.residual is not None,
             "output of integers": layer.output == "integers"}
    for field, wanted in asked.items():
        if wanted and not config.requantize:
            raise CompileError(layer.name, field, "absent where the configuration has "
                               "requantize=0", "present", "set requantize=1")
    steps = {"input": any(reader.each_step for reader in layer.readers),
             "output": layer.out_each_step}
    for field, wanted in steps.items():
        if wanted and not config.each_step:
            raise CompileError(layer.name, f"{field} of integers of each timestep", "absent where "
                               "the configuration has each_step=0", "present", "set each_step=1")


def _check_limits(layer: PsumLayer, config: AcceleratorConfig) -> None:
    """Raise `CompileError` if the layer is larger than the configuration's limits."""
    if config.limits is None:
        return
    if not isinstance(layer, IntegerLayer):
        raise CompileError(layer.name, "operation", "a product with weights where the "
                           "configuration has limits", type(layer).__name__,
                           "use a configuration without limits")
    lif = layer.lif
    sizes = {
        "outputs": [layer.channels], "sources": [len(layer.sources)], "pool": [layer.pool],
        "integers": [int(layer.input_bits > 0)],
        "side": [side for source in layer.sources for side in (source.height, source.width)],
        "kernel": [size for source in layer.sources for size in (
            *source.kernel, source.pixel_stride, *source.pixel_padding)],
        "gain": [lif.gain if lif else 0], "leak": [lif.shift if lif else 0],
    }
    for name, found in sizes.items():
        if max(found) > getattr(config.limits, name):
            raise CompileError(layer.name, name, f"at most {getattr(config.limits, name)} "
                               f"(limits.{name})", max(found), f"set limits.{name}={max(found)}")


def _check_signed(layer: str, field: str, low: int, high: int, bits: int, hint: str) -> None:
    limit = 1 << (bits - 1)
    if low < -limit or high >= limit:
        raise CompileError(layer, field, f"in {-limit}..{limit - 1} ({bits} bits signed)",
                           f"{low}..{high}", hint)
