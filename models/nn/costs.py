# SPDX-License-Identifier: Apache-2.0
"""Parameters and multiply-accumulates of a network, by three ways of counting strided cores."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from .layer_config import LayerConfig, SourceConfig
from .layers import AnyConfig
from .tensor_train import core_shapes

__all__ = ["STRIDES", "Costs", "costs"]

STRIDES = ("cores", "output", "pooled")


@dataclass(frozen=True)
class Costs:
    """Of a network, or of a part of it."""

    parameters: int  # weights, without norms and biases
    macs: int        # over all timesteps, also where the input is the same at each

    def __add__(self, other: "Costs") -> "Costs":
        return Costs(self.parameters + other.parameters, self.macs + other.macs)


def costs(layers: Sequence[AnyConfig], timesteps: int,
          strides: Literal["cores", "output", "pooled"] = "cores") -> Costs:
    """Count parameters and multiply-accumulates, padding included.

    Parameters
    ----------
    layers : sequence of LayerConfig or FixedConfig
    timesteps : int
        ``T``.
    strides : "cores", "output" or "pooled"
        What a layer of cores with a stride computes: the stride is in the middle cores, as here;
        each core has the size of the output, as if the stride were in the first; or each core
        has the size of the input, and the result is pooled. Layers without cores have the size
        of their output.

    Raises
    ------
    ValueError
        If there is no such way.
    """
    if strides not in STRIDES:
        raise ValueError(f"strides must be one of {', '.join(STRIDES)}, not {strides!r}")
    total = Costs(0, 0)
    for layer in layers:
        if not isinstance(layer, LayerConfig):
            continue
        if layer.tensor_train is not None:
            total += _cores(layer, timesteps, strides)
            continue
        for source in layer.trained:
            weights = layer.outputs * source.inputs * source.kernel[0] * source.kernel[1]
            height, width = _output(source)
            total += Costs(weights, weights * height * width * _steps(source, timesteps))
    return total


def _output(source: SourceConfig) -> tuple[int, int]:
    height, width = (
        (side // source.mean_pool + 2 * padding - kernel) // source.stride + 1
        for side, kernel, padding in zip((source.height, source.width), source.kernel,
                                         source.padding, strict=True))
    return height, width


def _steps(source: SourceConfig, timesteps: int) -> int:
    return timesteps if source.time_mask is None else source.time_mask.bit_count()


def _cores(layer: LayerConfig, timesteps: int, strides: str) -> Costs:
    source, train = layer.sources[0], layer.tensor_train
    assert train is not None  # the caller's promise
    sizes = [first * second * height * width for first, second, height, width
             in core_shapes(source.inputs, layer.outputs, train.rank)]
    (rows, columns), whole = _output(source), source.height * source.width
    out = rows * columns
    pixels = {"output": [out] * 4, "pooled": [whole] * 4, "cores": [
        whole, rows * source.width if train.mode == "stt" else out, out, out]}[strides]
    macs = _steps(source, timesteps) * sum(
        size * count for size, count in zip(sizes, pixels, strict=True))
    for short in layer.sources[1:]:  # the pixels that are left are chosen first
        pixel = whole if strides == "pooled" else out
        macs += _steps(short, timesteps) * (sizes[0] + sizes[3]) * pixel
    return Costs(sum(sizes), macs)
