# SPDX-License-Identifier: Apache-2.0
"""A study as tables for a terminal and as charts; needs the extra ``bench``."""

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from rich import box
from rich.table import Table

from .budget import COMPONENTS, QUANTITIES
from .sweep import PointResult, Study

__all__ = ["budget_table", "draw", "points_table"]

_UNITS = {"energy_pj": (1e-6, "energy of an image, uJ"), "latency_ns": (1e-3, "latency, us"),
          "area_um2": (1e-6, "area, mm2")}
_LABELS = {"adc_bits": "ADC bits", "cell_bits": "bits of a cell", "sigma": "sigma",
           "stuck": "stuck cells", "encoding": "encoding",
           "noisy_encoding": "encoding, sigma 0.1"}


def points_table(study: Study) -> Table:
    """Return accuracy, totals and bottlenecks of each configuration."""
    table = Table(title=f"{study.network}, {study.images} images, exact {study.exact:.2%}",
                  box=box.SIMPLE, caption="accuracy: mean, and least and greatest of several "
                  "draws; same: images with the class of the exact network; below each total "
                  "its greatest component")
    for name in ("parameter", "value", "accuracy", "same", "adc_shift", "uJ", "us", "mm2"):
        table.add_column(name, justify="left" if name in ("parameter", "value") else "right")
    for point in study.points:
        totals = [f"{scale * point.budget.total(name):,.2f}\n"
                  f"{point.bottleneck[name].replace('_', ' ')} {_share(point, name):.0%}"
                  for name, (scale, _) in _UNITS.items()]
        table.add_row(_LABELS.get(point.axis, point.axis), str(point.value), _accuracy(point),
                      f"{point.same:.1%}", str(point.crossbar["adc_shift"]), *totals)
    return table


def budget_table(study: Study) -> Table:
    """Return the shares of all components in the default configuration."""
    default = study.points[0]
    table = Table("component", title="default: share of each component", box=box.SIMPLE)
    for _, label in _UNITS.values():
        table.add_column(label, justify="right")
    for component in COMPONENTS:
        cells = []
        for name, (scale, _) in _UNITS.items():
            value = getattr(default.budget, name)[component]
            cells.append(f"{scale * value:,.3f} {value / default.budget.total(name):6.1%}")
        table.add_row(component.replace("_", " "), *cells)
    return table


def draw(study: Study, path: Path) -> None:
    """Draw accuracy over each parameter, and below it energy, latency and area by component.

    Parameters
    ----------
    study : Study
    path : Path
        Of the picture; its suffix chooses the format.
    """
    axes_names = list(dict.fromkeys(point.axis for point in study.points[1:]))
    figure = Figure(figsize=(4 * len(axes_names), 13), layout="constrained")
    figure.suptitle(f"{study.network} on crossbars, {study.images} images; "
                    f"exact {study.exact:.2%}")
    panels = figure.subplots(1 + len(QUANTITIES), len(axes_names), squeeze=False)
    for column, axis in enumerate(axes_names):
        line = _line(study, axis)
        _draw_accuracy(panels[0][column], study, line, axis)
        for row, name in enumerate(QUANTITIES, 1):
            _draw_parts(panels[row][column], line, name, labelled=column == 0)
    handles, labels = panels[1][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(COMPONENTS))
    figure.savefig(path)


def _line(study: Study, axis: str) -> list[tuple[str, PointResult]]:
    """Return the configurations of an axis, the default among them if it is one, in order."""
    default = study.points[0]
    found = [(point.value, point) for point in study.points if point.axis == axis]
    if axis != "noisy_encoding":
        own = 0.0 if axis in ("sigma", "stuck") else default.crossbar[axis]
        found.append((own, default))
    return [(str(value), point) for value, point in sorted(found, key=lambda item: item[0])]


def _draw_accuracy(axes: Axes, study: Study, line: list[tuple[str, PointResult]],
                   axis: str) -> None:
    labels = [label for label, _ in line]
    means = [100 * point.mean for _, point in line]
    spread = [[100 * (point.mean - min(point.accuracy)) for _, point in line],
              [100 * (max(point.accuracy) - point.mean) for _, point in line]]
    axes.errorbar(labels, means, yerr=spread, marker="o", capsize=3)
    axes.axhline(100 * study.exact, color="gray", linestyle=":")
    axes.set_ylim(0, 105)
    axes.set_xlabel(_LABELS[axis])
    axes.set_ylabel("accuracy, %")


def _draw_parts(axes: Axes, line: list[tuple[str, PointResult]], name: str, *,
                labelled: bool) -> None:
    scale, label = _UNITS[name]
    base = [0.0] * len(line)
    for component in COMPONENTS:
        heights = [scale * getattr(point.budget, name)[component] for _, point in line]
        axes.bar([text for text, _ in line], heights, bottom=base,
                 label=component.replace("_", " "))
        base = [low + height for low, height in zip(base, heights, strict=True)]
    if labelled:
        axes.set_ylabel(label)


def _accuracy(point: PointResult) -> str:
    if len(point.accuracy) == 1:
        return f"{point.mean:.1%}"
    return f"{point.mean:.1%}\n{min(point.accuracy):.1%}..{max(point.accuracy):.1%}"


def _share(point: PointResult, name: str) -> float:
    parts = getattr(point.budget, name)
    return parts[point.bottleneck[name]] / point.budget.total(name)
