# SPDX-License-Identifier: Apache-2.0
"""Energy of each layer of a run: events that were counted, times a table of picojoules."""

from collections.abc import Mapping

from rich.box import SIMPLE_HEAD
from rich.table import Table

from .accounting.energy import Event, energy
from .layer_events import NOT_COUNTED, PARTS
from .program_run import LayerReport, ProgramReport

__all__ = ["EVENTS", "attention_shares", "energy_notes", "energy_table", "layer_energy"]

EVENTS = ("add_8_bit", "add_32_bit", "mult_32_bit", "sram_8kb_byte", "cache_read_byte",
          "cache_write_byte", "dram_byte")
_ATTENTION = "attention"


def layer_energy(layer: LayerReport, table: Mapping[str, Event]) -> dict[str, float]:
    """Return the picojoules of each part of a layer, over all images.

    Raises
    ------
    EnergyError
        The table lacks an event.
    """
    return {part: sum(energy(layer.events.get(part, {}), table).values()) for part in PARTS}


def energy_table(report: ProgramReport, table: Mapping[str, Event]) -> Table:
    """Return the energy of each layer, of an image on average."""
    shown = Table(title="nJ of counted events, an image on average", box=SIMPLE_HEAD,
                  padding=(0, 1, 0, 0))
    shown.add_column("layer")
    for name in (*PARTS, "all", "share"):
        shown.add_column(name, justify="right")
    rows = {layer.name: layer_energy(layer, table) for layer in report.layers}
    rows["all"] = {part: sum(row[part] for row in rows.values()) for part in PARTS}
    whole, images = sum(rows["all"].values()), max(report.images, 1)
    for name, row in rows.items():
        parts = (*row.values(), sum(row.values()))
        shown.add_row(name, *(f"{part / images / 1000:,.2f}" for part in parts),
                      _share(sum(row.values()), whole))
    return shown


def attention_shares(report: ProgramReport, table: Mapping[str, Event]) -> str:
    """Return what the layers of attention take of a run; empty if there are none."""
    layers = [layer for layer in report.layers if layer.engine == _ATTENTION]
    if not layers:
        return ""
    cycles, inside, everything = (
        _share(sum(map(cost, layers)), sum(map(cost, report.layers))) for cost in (
            lambda layer: layer.cycles,
            lambda layer: sum(layer_energy(layer, table).values())
            - layer_energy(layer, table)["memory"],
            lambda layer: sum(layer_energy(layer, table).values())))
    return (f"attention: {cycles} of the cycles, {everything} of the energy, {inside} of that "
            "without memory")


def energy_notes(table: Mapping[str, Event], name: str) -> list[str]:
    """Return where the numbers are from, and what they leave out."""
    return [f"energy: table {name}; not counted: {NOT_COUNTED}",
            "energy: " + "; ".join(f"{event} {table[event].picojoules} pJ" for event in EVENTS)]


def _share(part: float, whole: float) -> str:
    return f"{part / whole:.1%}" if whole else "-"
