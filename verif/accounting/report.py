# SPDX-License-Identifier: Apache-2.0
"""Results as tables for a terminal and as a bar chart; needs the extra ``bench``."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from rich import box
from rich.table import Table

from .results import Layer, Results

__all__ = ["LABELS", "activity_table", "cycles_table", "draw", "element_table", "energy_table",
           "hardware_table", "ratios_table", "summary", "traffic_table"]

LABELS = {"bound": "match bound", "loas": "LoAS", "sparten": "SparTen", "gospa": "GoSPA",
          "gamma": "Gamma"}
_TRAFFIC = {"weights": ("weights", "weight_values", "weight_bitmask"),
            "spikes": ("spikes", "spike_words", "spike_bitmask"),
            "output": ("output", "write_back"), "partial sums": ("partial_sums",)}


def cycles_table(results: Results) -> Table:
    """Return the cycles of every design in every layer."""
    table = _table(results, "cycles", "design", "counted by", headings=_layers(results))
    for kind, name in _designs(results.total):
        cells = [_cycles(layer, kind, name) for layer in (*results.layers, results.total)]
        table.add_row(_label(kind, name), kind, *(f"{count:,}" for count in cells))
    return table


def ratios_table(results: Results) -> Table:
    """Return the cycles of every design as multiples of the match bound."""
    table = _table(results, "cycles / match bound", "design", "counted by",
                   headings=_layers(results))
    for kind, name in _designs(results.total):
        table.add_row(_label(kind, name), kind, *(
            _ratio(_cycles(layer, kind, name), layer.bound)
            for layer in (*results.layers, results.total)))
    return table


def activity_table(results: Results) -> Table:
    """Return what the simulated elements did, in percent of all their cycles."""
    pes = results.total.pes
    kinds = list(dict.fromkeys(name for pe in pes.values() for name in pe.activity))
    table = _table(results, "% of element cycles", "element", headings=[
        kind.replace("_", " ") for kind in kinds])
    for name, pe in pes.items():
        cycles = max(1, sum(pe.activity.values()))
        table.add_row(name, *(f"{100 * pe.activity.get(kind, 0) / cycles:.1f}" for kind in kinds))
    return table


def traffic_table(results: Results) -> Table:
    """Return the DRAM bytes of all designs, by kind, over all layers."""
    table = _table(results, "DRAM bytes", "design", "counted by", headings=[*_TRAFFIC, "total"])
    for kind, name in _designs(results.total):
        total = results.total
        traffic = (total.pes[name].dram_bytes if kind == "simulation"
                   else total.dram_bytes.get(name, {}))
        if traffic:
            counts = [sum(traffic.get(part, 0) for part in parts) for parts in _TRAFFIC.values()]
            table.add_row(_label(kind, name), kind,
                          *(f"{count:,}" for count in (*counts, sum(traffic.values()))))
    return table


def energy_table(results: Results) -> Table:
    """Return the energy of the events that are counted of each simulated kind, in nanojoules."""
    pes = results.total.pes
    kinds = list(dict.fromkeys(event for pe in pes.values() for event in pe.energy_pj))
    table = _table(results, "nJ of counted events", "element", headings=[
        *(kind.replace("_", " ") for kind in kinds), "total"])
    for name, pe in pes.items():
        energies = [pe.energy_pj.get(kind, 0) for kind in kinds]
        table.add_row(name, *(f"{energy / 1000:,.1f}" for energy in (*energies, sum(energies))))
    return table


def element_table(results: Results) -> Table:
    """Return what one element of each simulated kind costs."""
    table = _table(results, "hardware of one element", "element", headings=[
        "adders", "LUTs", "FFs", "BRAMs", "fmax MHz"])
    for name, pe in results.total.pes.items():
        cells = (count if count is None else count // results.elements
                 for count in (pe.adders, pe.luts, pe.ffs, pe.brams))
        table.add_row(name, *map(_optional, cells), _optional(pe.fmax_mhz))
    return table


def hardware_table(results: Results) -> Table:
    """Return what each simulated array costs, and whether its results were exact."""
    table = _table(results, "hardware of the array", "element", headings=[
        "results", "cycles", "adders", "LUTs", "FFs", "BRAMs", "DSPs", "fmax MHz", "time ms",
        "10^6 cycles x LUTs"])
    for name, pe in results.total.pes.items():
        clock = pe.array_fmax_mhz
        table.add_row(
            name, "[green]exact[/]" if pe.exact else "[red]wrong[/]", f"{pe.cycles:,}",
            *map(_optional, (pe.adders, pe.array_luts, pe.array_ffs, pe.array_brams,
                             pe.array_dsps, pe.array_fmax_mhz)),
            f"{pe.cycles / clock / 1000:,.3f}" if clock else "-",
            _optional(pe.array_luts and round(pe.cycles * pe.array_luts / 1e6)))
    return table


def summary(total: Layer) -> list[str]:
    """Return in words how the fastest simulated kind with no more adders than ``loas`` compares.

    None if ``loas`` was not simulated.
    """
    loas = total.pes.get("loas")
    if loas is None:
        return []
    rivals = {name: pe for name, pe in total.pes.items() if pe.adders <= loas.adders}
    best = min(rivals, key=lambda name: rivals[name].cycles)
    pe = rivals[best]
    theirs = _ratio(total.accounting["loas"], pe.cycles)
    lines = [
        f"{best} is the fastest with at most the adders of loas: {pe.adders} of {loas.adders}",
        f"{best} takes {_ratio(pe.cycles, total.bound)} times the cycles of the match bound",
        f"{best} takes {theirs} times fewer cycles than LoAS by the accounting of its authors",
        f"{best} takes {_ratio(loas.cycles, pe.cycles)} times fewer cycles than loas"]
    if pe.array_luts and loas.array_luts:
        cost = _ratio(loas.cycles * loas.array_luts, pe.cycles * pe.array_luts)
        lines.append(f"cycles x LUTs of the array of {best} are {cost} times fewer than of loas")
    return lines


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


def _table(results: Results, what: str, *names: str, headings: Iterable[str]) -> Table:
    """Return an empty table: columns of text, then columns of numbers."""
    table = Table(*names, box=box.SIMPLE,
                  title=f"{what}, {results.trace}, {results.elements} elements")
    for heading in headings:
        table.add_column(heading, justify="right")
    return table


def _layers(results: Results) -> list[str]:
    return [*(layer.name for layer in results.layers), "total"]


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


def _optional(count: float | None) -> str:
    if count is None:
        return "-"
    return f"{count:,}" if isinstance(count, int) else f"{count:.1f}"
