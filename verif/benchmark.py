# SPDX-License-Identifier: Apache-2.0
"""Compare all kinds of processing elements on one trace: the job behind ``make bench``."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import msgspec
import torch
from cyclopts import App, Parameter
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from ..gen.files import write_whole
from ..gen.run_app import run_app
from ..rtl.config import FTPConfig
from .accounting import report
from .accounting.energy import DEFAULT_TABLE, DEFAULT_TABLES, Event, energy, load_table
from .accounting.results import Results
from .accounting.trace import ALEXNET, Trace, load_trace
from .array_run import BANDWIDTH, LayerRun
from .comparison import compare, cut, measure_hardware
from .pe_kinds import EVENTS, KINDS, pe_config
from .runner import BenchFailure
from .toolchain import ToolError

__all__ = ["ELEMENTS", "QUICK_CUT", "QUICK_ELEMENTS", "bench", "main"]

ELEMENTS, QUICK_ELEMENTS = 16, 2
QUICK_CUT = 12, 40  # rows and columns
_WIDTH = 110        # columns that the tables need
_console = Console(width=max(_WIDTH, Console().width))
_app = App(name="python -m spikeloom.verif.benchmark", version_flags=[],
           help="Compare processing elements on one trace.", result_action="return_value")


@_app.default
def bench(*, trace: Path | None = None, geometry: Path | None = None,
          pes: str = ",".join(KINDS), bandwidth: int = BANDWIDTH,
          energies: Path = DEFAULT_TABLES, table: str = DEFAULT_TABLE,
          quick: Annotated[bool, Parameter(negative="")] = False,
          area: Annotated[bool, Parameter(negative="--no-area")] = True,
          out: Path = Path("out/bench")) -> int:
    """Run every layer of a trace on the RTL of each kind of array, and count it for others.

    Status 1 if a result of the RTL is not that of the golden model.

    Parameters
    ----------
    trace
        Spikes, an .npz file; by default a spiking AlexNet on CIFAR-10.
    geometry
        Layers of the trace, a TOML file; by default beside it, with the same name.
    pes
        Kinds to simulate, with commas between.
    bandwidth
        Bytes per cycle between memory and array.
    energies
        Tables of the energy of events, a TOML file.
    table
        The one to take.
    quick
        A small cut of each layer on small arrays, without area.
    area
        Synthesize the arrays, place and route one element of each.
    out
        Folder for NAME.json and NAME.png.
    """
    chosen = list(dict.fromkeys(pes.split(",")))
    for kind in chosen:  # before anything takes time
        pe_config(kind)
    if bandwidth < 1:
        raise ValueError(f"bandwidth must be at least 1 byte per cycle, not {bandwidth}")
    picojoules = load_table(table, energies)
    energy(dict.fromkeys(EVENTS, 0), picojoules)
    loaded = _load(trace, geometry, quick)
    longest = max(max(work.positions, work.columns) for work in loaded.workloads)
    configs = {kind: pe_config(kind, elements=QUICK_ELEMENTS if quick else ELEMENTS,
                               timesteps=loaded.timesteps, longest=longest) for kind in chosen}
    results = _simulate(loaded, configs, bandwidth, picojoules, out)
    if area and not quick:
        _console.print("synthesis, placement and routing: an hour or more, if not done before")
        measure_hardware(results, configs,
                         lambda text: _console.print(text, highlight=False))
    else:
        results.notes.append("area and clock: not measured")
    return _report(results, out)


def _load(trace: Path | None, geometry: Path | None, quick: bool) -> Trace:
    if trace is None:
        if geometry is not None:
            raise ValueError(f"geometry must come with a trace, not alone ({geometry})")
        trace, geometry = ALEXNET
    loaded = load_trace(trace, geometry or trace.with_suffix(".toml"))
    return cut(loaded, *QUICK_CUT) if quick else loaded


def _simulate(trace: Trace, configs: Mapping[str, FTPConfig], bandwidth: int,
              table: Mapping[str, Event], out: Path) -> Results:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
               TimeElapsedColumn())
    with Progress(*columns, console=_console, transient=True,
                  disable=not _console.is_terminal) as progress:
        task = progress.add_task("layers, each exact or not",
                                 total=len(configs) * len(trace.workloads))

        def tell(kind: str, run: LayerRun) -> None:
            verdict = "[green]exact[/]" if run.exact else "[red]wrong[/]"
            _console.print(f"{kind} {run.name}: {run.cycles:,} cycles, {verdict}",
                           highlight=False)
            progress.advance(task)

        _console.print(f"{trace.name}: {len(trace.workloads)} layers of {trace.timesteps} "
                       f"timesteps on {', '.join(configs)}; {bandwidth} bytes per cycle; the "
                       "first run of each builds its simulator", highlight=False)
        return compare(trace, configs, out / "runs" / trace.name, table=table,
                       bandwidth=bandwidth, progress=tell)


def _report(results: Results, out: Path) -> int:
    """Print and write the results; return the exit status."""
    tables = (report.cycles_table, report.ratios_table, report.activity_table,
              report.traffic_table, report.energy_table, report.element_table,
              report.hardware_table)
    for table in tables:
        _console.print(table(results))
    for note in (*report.summary(results.total), *results.notes):
        _console.print(note, highlight=False, markup=False)
    paths = out / f"{results.trace}.json", out / f"{results.trace}.png"
    write_whole(paths[0], msgspec.json.format(msgspec.json.encode(results), indent=2) + b"\n")
    report.draw(results, paths[1])
    _console.print(f"figures in {paths[0]} and {paths[1]}", highlight=False)
    wrong = {kind: pe.mismatch for kind, pe in results.total.pes.items() if not pe.exact}
    for kind, mismatch in list(wrong.items())[:1]:
        _console.print(f"first mismatch: {kind}, {mismatch}", style="red", highlight=False,
                       markup=False)
    return 1 if wrong else 0


def main(words: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status: 1 on a mismatch, 2 if the user is to mend a thing.

    Parameters
    ----------
    words : Sequence[str]
        Without the command's name; those that Python was started with if None.
    """
    torch.set_num_threads(1)  # the products are small: more threads lose
    return run_app(_app, words, ToolError, ValueError, BenchFailure)


if __name__ == "__main__":
    sys.exit(main())
