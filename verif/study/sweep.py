# SPDX-License-Identifier: Apache-2.0
"""A network on crossbars of many kinds: each parameter varied around the default."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec
import torch
from torch import Tensor

from ...gen.compiler.crossbars import on_crossbars
from ...models.golden.conductance import Device
from ...models.golden.crossbar import column_sums
from ...models.golden.crossbar_layer import CrossbarLayer
from ...models.golden.layer import IntegerLayer
from ...models.golden.network import IntegerNetwork, Trace
from ...rtl.config import ENCODINGS, AcceleratorConfig, CrossbarConfig
from .budget import Budget, budget
from .costs import Costs
from .events import LayerEvents, count_events

__all__ = ["AXES", "QUICK_AXES", "Point", "PointResult", "Study", "choose_shift", "points", "study"]

AXES: dict[str, tuple[Any, ...]] = {
    "adc_bits": (3, 4, 5, 6, 7, 8),
    "cell_bits": (1, 2, 3, 4),
    "sigma": (0.0, 0.05, 0.1, 0.2),
    "stuck": (0.0, 0.001, 0.01),
    "encoding": ENCODINGS,
    "noisy_encoding": ENCODINGS,
}
QUICK_AXES: dict[str, tuple[Any, ...]] = {
    "adc_bits": (4, 8), "cell_bits": (1, 2), "sigma": (0.0, 0.2), "stuck": (0.0, 0.01),
    "encoding": ENCODINGS, "noisy_encoding": ("differential", "offset"),
}
_NOISY = 0.1  # sigma of the cells at which encodings are compared
_NOTES = (
    "accuracy is that of the integer golden model, cells and ADCs included",
    ("adc_shift is that of the least squared error of the columns' sums, weighted by the place of "
     "their slice, over further test images on ideal cells"),
    ("energy and latency are of an image, area of a chip that holds all weights; latencies of "
     "components are added up as if they did not overlap"),
)
_CHUNK = 16  # positions; macros of one bit a cell have outputs for no more
_BATCH = 10  # images
_STEPS = 7   # shifts that are tried


@dataclass(frozen=True, kw_only=True)
class Point:
    """One configuration: the default but for one parameter."""

    axis: str
    value: Any
    fields: dict[str, Any] = field(default_factory=dict)
    device: Device = field(default_factory=Device)


class PointResult(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What was found for one configuration.

    Parameters
    ----------
    axis : str
        The parameter that is varied; "default" where none is.
    value : int, float or str
        Its value.
    accuracy : list of float
        On each draw of cells.
    same : float
        Share of images with the class of the exact network, over all draws.
    crossbar : dict
        Fields of the configuration.
    events : list of LayerEvents
        Of an image, on the first draw.
    budget : Budget
        What they cost.
    bottleneck : dict
        Component with the greatest share of each quantity.
    """

    axis: str
    value: int | float | str
    accuracy: list[float]
    same: float
    crossbar: dict[str, int | str]
    events: list[LayerEvents]
    budget: Budget
    bottleneck: dict[str, str]

    @property
    def mean(self) -> float:
        """Accuracy, the mean over all draws."""
        return sum(self.accuracy) / len(self.accuracy)


class Study(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A network, and what was found for each configuration.

    Parameters
    ----------
    network : str
    images : int
    exact : float
        Accuracy of the integer network without crossbars.
    draws : int
        Of cells that are not ideal.
    notes : list of str
    points : list of PointResult
        The default first.
    """

    network: str
    images: int
    exact: float
    draws: int
    notes: list[str]
    points: list[PointResult]


def points(default: CrossbarConfig, axes: dict[str, tuple[Any, ...]]) -> Iterator[Point]:
    """Yield the default, then each value of each parameter that is another."""
    yield Point(axis="default", value="")
    for axis, values in axes.items():
        for value in values:
            if axis in ("sigma", "stuck"):
                device = (Device(sigma=value) if axis == "sigma" else
                          Device(stuck_low=value / 2, stuck_high=value / 2))
                if value:
                    yield Point(axis=axis, value=value, device=device)
            elif axis == "noisy_encoding":
                yield Point(axis=axis, value=value, fields={"encoding": value},
                            device=Device(sigma=_NOISY))
            elif value != getattr(default, axis):
                yield Point(axis=axis, value=value, fields={axis: value})


def study(network: IntegerNetwork, images: Tensor, labels: Tensor, calibration: Tensor,
          config: AcceleratorConfig, costs: Costs, *, axes: dict[str, tuple[Any, ...]],
          draws: int = 1, progress: Callable[[PointResult], None] = lambda result: None
          ) -> Study:
    """Run images through the golden network on crossbars of each kind.

    Parameters
    ----------
    network : IntegerNetwork
        Exact.
    images : Tensor[B, C, H, W] or Tensor[B, H, W]
        uint8.
    labels : Tensor[B]
    calibration : Tensor
        Further images, by which the step of the ADC is chosen.
    config : AcceleratorConfig
        With crossbars.
    costs : Costs
    axes : dict
        Values of each parameter; see `AXES`.
    draws : int
        Of cells that are not ideal, each with another seed.
    progress : callable
        Called with each result.

    Raises
    ------
    CompileError
        A layer does not fit crossbars of some kind; the message names it.
    """
    assert config.crossbar is not None
    exact = network.predict(images, _BATCH)
    seen = network.run(calibration)
    found = []
    for point in points(config.crossbar, axes):
        result = _measure(network, images, labels, exact, seen, point, config, costs, draws)
        found.append(result)
        progress(result)
    return Study(
        network=network.name, images=len(images), draws=draws, points=found,
        exact=float((exact == labels).double().mean()), notes=[*_NOTES])


def _measure(network: IntegerNetwork, images: Tensor, labels: Tensor, exact: Tensor, seen: Trace,
             point: Point, config: AcceleratorConfig, costs: Costs, draws: int) -> PointResult:
    hardware = _hardware(config, point.fields)
    names = [layer.name for layer in network.layers]
    ideal = on_crossbars(network, hardware, names)
    assert hardware.crossbar is not None
    shift = choose_shift(ideal, seen, hardware.crossbar)
    hardware = _hardware(config, point.fields | {"adc_shift": shift})
    accuracy, same, events = [], 0.0, []
    count = draws if point.device != Device() else 1
    for draw in range(count):
        placed = on_crossbars(network, hardware, names, replace(point.device, seed=draw + 1))
        predicted = []
        for part in images.split(_BATCH):
            trace = placed.run(part)
            predicted.append(trace.predictions)
            if not draw:
                events.append((len(part), count_events(placed, trace, len(part))))
        classes = torch.cat(predicted)
        accuracy.append(float((classes == labels).double().mean()))
        same += float((classes == exact).double().mean()) / count
    mean = _mean(events)
    crossbar = hardware.crossbar
    assert crossbar is not None
    cost = budget(mean, crossbar, costs)
    return PointResult(
        axis=point.axis, value=point.value, accuracy=accuracy, same=same,
        crossbar=crossbar.as_dict(), events=mean, budget=cost,
        bottleneck={name: cost.bottleneck(name) for name in cost.__struct_fields__})


def _hardware(config: AcceleratorConfig, fields: dict[str, Any]) -> AcceleratorConfig:
    """Return a configuration with macros that differ in some fields, and room for their sums."""
    assert config.crossbar is not None
    crossbar = replace(config.crossbar, **{"adc_shift": config.crossbar.fraction_bits} | fields)
    return replace(config, chunk=_CHUNK, laggy_adders=_CHUNK, guard_bits=8, max_fan_in=4096,
                   beat_values=min(config.beat_values, _CHUNK), crossbar=crossbar)


def choose_shift(network: IntegerNetwork, seen: Trace, config: CrossbarConfig) -> int:
    """Return the ``adc_shift`` with the least squared error of the sums that the ADCs convert.

    An error counts by the square of its slice's place. A step is a level of the cells at least.

    Parameters
    ----------
    network : IntegerNetwork
        On ideal cells.
    seen : Trace
        Of the exact network, for some images.
    config : CrossbarConfig
    """
    shifts = range(config.fraction_bits, config.fraction_bits + _STEPS)
    errors = torch.zeros(len(shifts), dtype=torch.float64)
    most = (1 << config.adc_bits) - 1
    for layer in network.products:
        if layer.crossbars is None:
            continue
        levels, weights = _level_histogram(layer, layer.crossbars, seen[layer.name].rows)
        for index, shift in enumerate(shifts):
            step = 1 << (shift - config.fraction_bits)
            codes = ((levels + (step >> 1)) // step).clamp(max=most)
            errors[index] += ((codes * step - levels).double() ** 2) @ weights
    return shifts[int(errors.argmin())]


def _level_histogram(layer: IntegerLayer, crossbars: CrossbarLayer, rows: Tensor
                     ) -> tuple[Tensor, Tensor]:
    """Return each sum of a column, in levels, and its weighted number."""
    config = crossbars.config
    pulses = (crossbars.pulses(rows[:1], layer.input_bits, layer.input_signed)
              if layer.input_bits else rows).flatten(0, -2)
    lines = crossbars.wordlines(pulses[::1 + len(pulses) // 2048])  # enough to see
    used = config.outputs * config.columns_per_output
    counts = torch.zeros(config.rows << config.cell_bits, dtype=torch.float64)
    for block in crossbars.images:
        for image, part in zip(block, lines.split(config.rows, 1), strict=True):
            sums = column_sums(part, image, config)[:, :used] >> config.fraction_bits
            slices = sums.reshape(-1, config.slices)
            for place in range(config.slices):
                counts += torch.bincount(slices[:, place], minlength=len(counts)) * float(
                    4 ** (config.cell_bits * place))
    return torch.arange(len(counts)), counts


def _mean(parts: list[tuple[int, list[LayerEvents]]]) -> list[LayerEvents]:
    """Return the mean over batches of different sizes."""
    whole = sum(count for count, _ in parts)
    merged = []
    for layers in zip(*(events for _, events in parts), strict=True):
        first = layers[0]
        values = {name: sum(getattr(layer, name) * count for layer, (count, _)
                            in zip(layers, parts, strict=True)) / whole
                  for name in first.__struct_fields__ if isinstance(getattr(first, name), float)}
        merged.append(msgspec.structs.replace(first, **values))
    return merged
