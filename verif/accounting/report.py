# SPDX-License-Identifier: Apache-2.0
"""Results as tables for a terminal and as a bar chart; needs the extra ``bench``."""

from collections.abc import Iterator
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from rich import box
from rich.table import Table

from .results import Layer, Results

__all__ = ["LABELS", "cycles_table", "draw", "hardware_table", "traffic_table"]

LABELS = {"bound": "match bound", "loas": "LoAS", "sparten": "SparTen", "gospa": "GoSPA",
          "gamma": "Gamma"}


def cycles_table(results: Results) -> Table:
    """Return the cycles of every design in every layer, and how far each is from the bound."""
    table = Table("design", "counted by", title=f"cycles, {results.trace}, {results.elements} "
                  "elements", box=box.SIMPLE, caption="\n".join(results.notes))
    for heading in (*(layer.name for layer in results.layers), "total", "x bound"):
        table.add_column(heading, justify="right")
    for kind, name in _designs(results.total):
        cells = [_cycles(layer, kind, name) for layer in (*results.layers, results.total)]
        table.add_row(_label(kind, name), kind, *(f"{count:,}" for count in cells),
                      _ratio(cells[-1], results.total.bound))
    return table


def traffic_table(results: Results) -> Table:
    """Return the DRAM bytes of the designs that are accounted, by kind, over all layers."""
    designs = results.total.dram_bytes
    table = Table("design", title=f"DRAM bytes, {results.trace}, modelled", box=box.SIMPLE)
    kinds = list(next(iter(designs.values()), {}))
    for heading in (*(kind.replace("_", " ") for kind in kinds), "total"):
        table.add_column(heading, justify="right")
    for name, traffic in designs.items():
        counts = [*traffic.values(), sum(traffic.values())]
        table.add_row(LABELS.get(name, name), *(f"{count:,}" for count in counts))
    return table


def hardware_table(results: Results) -> Table:
    """Return what each simulated kind of element costs, and whether its results were exact."""
    table = Table("element", title="hardware of all elements", box=box.SIMPLE)
    for heading in ("results", "cycles", "adders", "LUTs", "FFs", "BRAMs", "fmax MHz", "time ms"):
        table.add_column(heading, justify="right")
    for name, pe in results.total.pes.items():
        time = f"{pe.cycles / pe.fmax_mhz / 1000:,.3f}" if pe.fmax_mhz else "-"
        table.add_row(name, "[green]exact[/]" if pe.exact else "[red]wrong[/]",
                      f"{pe.cycles:,}", *map(_optional, (pe.adders, pe.luts, pe.ffs, pe.brams)),
                      "-" if pe.fmax_mhz is None else f"{pe.fmax_mhz:.1f}", time)
    return table


def draw(results: Results, path: Path) -> None:
    """Draw bars of the total cycles, stacked by layer, and of activity, if there is any.

    Parameters
    ----------
    results : Results
    path : Path
        Of the picture; its suffix chooses the format, such as ``.png`` or ``.svg``.
    """
    active = any(pe.activity for pe in results.total.pes.values())
    figure = Figure(figsize=(14 if active else 8, 5), layout="constrained")
    figure.suptitle(f"{results.trace}, {results.elements} elements")
    panels = figure.subplots(1, 1 + active, squeeze=False)[0]
    _draw_cycles(panels[0], results)
    if active:
        _draw_activity(panels[1], results.total)
    figure.savefig(path)


def _draw_cycles(axes: Axes, results: Results) -> None:
    designs = list(_designs(results.total))
    labels = [f"{_label(kind, name)}\n{kind}" for kind, name in designs]
    base = [0] * len(designs)
    for layer in results.layers:
        counts = [_cycles(layer, kind, name) for kind, name in designs]
        axes.bar(labels, counts, bottom=base, label=layer.name)
        base = [low + count for low, count in zip(base, counts, strict=True)]
    for place, height in enumerate(base):
        axes.annotate(_ratio(height, results.total.bound), (place, height), ha="center",
                      va="bottom")
    axes.set_ylabel("cycles; above the bars: times the match bound")
    axes.tick_params("x", rotation=30)
    axes.legend(title="layer")


def _draw_activity(axes: Axes, total: Layer) -> None:
    pes = {name: pe.activity for name, pe in total.pes.items() if pe.activity}
    base = dict.fromkeys(pes, 0.0)
    for kind in dict.fromkeys(kind for activity in pes.values() for kind in activity):
        shares = [100 * activity.get(kind, 0) / max(1, sum(activity.values()))
                  for activity in pes.values()]
        axes.bar(list(pes), shares, bottom=list(base.values()), label=kind)
        base = {name: low + share
                for (name, low), share in zip(base.items(), shares, strict=True)}
    axes.set_ylabel("activity, %")
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1))


def _designs(total: Layer) -> Iterator[tuple[str, str]]:
    """Yield every design: how its cycles were found, and its name."""
    yield "bound", "bound"
    yield from (("accounting", name) for name in total.accounting)
    yield from (("simulation", name) for name in total.pes)


def _cycles(layer: Layer, kind: str, name: str) -> int:
    if kind == "simulation":
        return layer.pes[name].cycles
    return layer.accounting[name] if kind == "accounting" else layer.bound


def _label(kind: str, name: str) -> str:
    return name if kind == "simulation" else LABELS.get(name, name)


def _ratio(count: int, bound: int) -> str:
    return f"{count / bound:.2f}" if bound else "-"


def _optional(count: int | None) -> str:
    return "-" if count is None else f"{count:,}"
