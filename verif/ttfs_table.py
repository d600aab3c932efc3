# SPDX-License-Identifier: Apache-2.0
"""What early exit saves and skip connections cost: the networks of spike times on the RTL.

``python -m spikeloom.verif.ttfs_table`` runs all committed networks as ``make sim`` does, and
prints one table; with ``--no-again --out out/regress/ttfs``, that of the last ``make regress``.
"""

import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from cyclopts import App
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from ..gen.run_app import run_app
from . import ttfs_sim

__all__ = ["main", "read_reports", "table"]

_REFERENCE = "shuffle"  # concatenation without delays: its skip costs no time
_MODES = ("to the end", "early exit")
_COLUMNS = ("network", "images", "right", *_MODES, "saves", "first\nlayer", "decision\nstep",
            "events", "updates", *(f"against {_REFERENCE},\n{mode}" for mode in _MODES))
_console = Console(width=max(160, Console().width))
_app = App(name="python -m spikeloom.verif.ttfs_table",
           help="Run all networks of neurons that spike once; compare their cycles.",
           version_flags=[], result_action="return_value")


def read_reports(folder: Path) -> list[dict[str, Any]]:
    """Return the reports of the committed networks, as `ttfs_sim` wrote them; those there are."""
    paths = (folder / f"{name}.json" for name in ttfs_sim.committed())
    return [json.loads(path.read_text()) for path in paths if path.exists()]


def table(reports: Iterable[dict[str, Any]]) -> Table:
    """Return cycles of an image with and without early exit, and what they are against `shuffle`.

    Parameters
    ----------
    reports : iterable of dict
        Of exact runs.
    """
    found = {report["network"]: report for report in reports}
    shown = Table(title="Cycles of an image", box=SIMPLE_HEAD,
                  caption="on average; first layer, decision, events (a spike at a group of "
                          "neurons) and updates (of a group) with early exit")
    for name in _COLUMNS:
        shown.add_column(name, justify="left" if name == "network" else "right", no_wrap=True)
    data = None
    for name, report in found.items():
        family, _, _ = name.rpartition("_")
        if data not in (None, family):
            shown.add_section()
        data = family
        whole, early = (report["mean"][mode] for mode in _MODES)
        shown.add_row(
            name, str(report["images"]), _share(report["accuracy"]["rtl"]),
            f"{whole['cycles']:,.0f}", f"{early['cycles']:,.0f}",
            f"{whole['cycles'] / early['cycles']:.2f}x", f"{early['first_cycles']:,.0f}",
            f"{report['mean_decision']:.1f}", f"{early['events']:,.0f}",
            f"{early['updates']:,.0f}",
            *(_more(report, found.get(f"{family}_{_REFERENCE}"), mode) for mode in _MODES))
    return shown


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.0%}"


def _more(report: dict[str, Any], other: dict[str, Any] | None, mode: str) -> str:
    """Return the cycles that a network takes more than another."""
    if other is None or other is report:
        return ""
    cycles, fewer = (one["mean"][mode]["cycles"] for one in (report, other))
    return f"{cycles - fewer:+,.0f} ({cycles / fewer - 1:+.0%})"


@_app.default
def compare(*, images: int = 20, out: Path = Path("out/sim"), again: bool = True) -> int:
    """Run every committed network and print the table; 1 if one is not exact.

    Parameters
    ----------
    images
        Test images of each network.
    out
        Folder for the reports, NET.json.
    again
        Run the networks; else print the reports that are there.
    """
    failed = [name for name in ttfs_sim.committed() if again and ttfs_sim.main(
        ["--net", name, "--images", str(images), "--out", str(out)])]
    _console.print(table(report for report in read_reports(out) if report["exact"]))
    for name in failed:
        _console.print(f"{name} failed", style="red")
    return 1 if failed else 0


def main(words: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status, 2 if the arguments are wrong."""
    return run_app(_app, words)


if __name__ == "__main__":
    sys.exit(main())
