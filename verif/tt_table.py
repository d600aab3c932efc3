# SPDX-License-Identifier: Apache-2.0
"""Cycles of tensor-train networks on the RTL: dense and cores, merged and not, side by side."""

import dataclasses
import json
import sys
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Annotated

import torch
from cyclopts import App, Parameter
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from ..gen.compiler.compile import compile_network
from ..gen.files import write_whole
from ..gen.presets import load_config
from ..gen.run_app import run_app
from ..gen.session.errors import SessionError
from ..gen.session.transport import TransportError
from ..models.golden.errors import NetworkFileError
from ..models.zoo.tt_variants import VARIANTS, Variant
from ..rtl.config import AcceleratorConfig
from .program_run import ProgramReport, RunTransport, run_program
from .toolchain import ToolError
from .verilator_transport import VerilatorTransport

__all__ = ["PRESET", "Entry", "main", "measure", "side_by_side"]

PRESET = "tt"
_console = Console(width=max(100, Console().width))
_app = App(name="python -m spikeloom.verif.tt_table", help="Tensor-train networks on the RTL.",
           version_flags=[], result_action="return_value")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Entry:
    """What a network took on the RTL, for an image on average."""

    network: str
    trained: str      # name of the trained network
    unmerged: bool
    weight_bits: int
    images: int
    right: int        # images whose class was found
    cycles: int
    matches: int      # weights that met a spike, or a bit of an integer
    exact: bool       # every value of every layer is that of the integer network
    error: str


def measure(variant: Variant, config: AcceleratorConfig, images: int,
            transport: RunTransport) -> Entry:
    """Run a network on test images and compare each layer of each image."""
    network, test = variant.load(), variant.load_test()
    program = compile_network(network, config, keep_all=True)
    report = run_program(program, network, test.images[:images], transport)
    return _entry(variant, report, test.labels[:images].tolist())


def _entry(variant: Variant, report: ProgramReport, labels: list[int]) -> Entry:
    count = max(1, report.images)
    found = zip(report.predictions, labels, strict=False)
    return Entry(
        network=variant.name, trained=variant.recipe.name, unmerged=variant.unmerged,
        weight_bits=variant.weight_bits, images=report.images,
        right=sum(guess == label for guess, label in found),
        cycles=sum(layer.cycles for layer in report.layers) // count,
        matches=sum(layer.counters.get("match", 0) for layer in report.layers) // count,
        exact=report.exact, error=report.error or str(report.divergence or ""))


def side_by_side(entries: Iterable[Entry]) -> Table:
    """Return the table of cycles, a row for each trained network."""
    entries = list(entries)
    ways = sorted({(entry.unmerged, -entry.weight_bits) for entry in entries})
    table = Table(title="cycles of an image on the RTL (times those of the dense network)")
    table.add_column("network")
    for unmerged, bits in ways:
        table.add_column(f"{'unmerged' if unmerged else 'merged'}, int{-bits}", justify="right")
    table.add_column("RTL")
    known = {(entry.trained, entry.unmerged, -entry.weight_bits): entry for entry in entries}
    for name in dict.fromkeys(entry.trained for entry in entries):
        dense, cells = f"{name.rpartition('_')[0]}_dense", []
        for unmerged, bits in ways:
            entry, base = known.get((name, unmerged, bits)), known.get((dense, False, bits))
            cells.append("" if entry is None else f"{entry.cycles:,}" + (
                f" ({entry.cycles / base.cycles:.2f})" if base and base.cycles else ""))
        exact = all(entry.exact for entry in entries if entry.trained == name)
        table.add_row(name, *cells, "[green]exact[/]" if exact else "[red]mismatch[/]")
    return table


@_app.default
def compare(*, data: Annotated[tuple[str, ...], Parameter(consume_multiple=True)] = (
        "digits", "quadrants"), images: int = 2, config: str = PRESET,
            set_: Annotated[tuple[str, ...], Parameter(name="--set")] = (),
            out: Path = Path("out/tt_table.json")) -> int:
    """Run all networks of some data on one accelerator and compare every layer of every image.

    Parameters
    ----------
    data
        "digits" and "quadrants".
    images
        Test images of each network, from the first.
    config
        Preset of the hardware, or a TOML file.
    set_
        Override a field of the preset: FIELD=VALUE.
    out
        File for all figures.
    """
    hardware = load_config(config, set_)
    chosen = [variant for variant in VARIANTS.values()
              if variant.recipe.name.split("_")[1] in data]
    if not chosen or images < 1:
        raise ValueError(f"data must be of digits, quadrants and images at least 1, "
                         f"not {', '.join(data)} and {images}")
    entries = []
    with closing(VerilatorTransport(hardware)) as transport, Progress(
            console=_console, disable=not _console.is_terminal) as progress:
        for variant in progress.track(chosen, description="networks"):
            entries.append(measure(variant, hardware, images, transport))
            if not entries[-1].exact:
                _console.print(f"{variant.name}: {entries[-1].error}", style="red",
                               highlight=False)
    _console.print(side_by_side(entries))
    write_whole(out, json.dumps([dataclasses.asdict(entry) for entry in entries], indent=2)
                + "\n")
    return 0 if all(entry.exact for entry in entries) else 1


def main(words: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status: 1 on a mismatch, 2 if the user is to mend a thing.

    Parameters
    ----------
    words : Sequence[str]
        Without the command's name; those that Python was started with if None.
    """
    torch.set_num_threads(1)
    return run_app(_app, words, NetworkFileError, SessionError, ToolError, TransportError,
                   ValueError)


if __name__ == "__main__":
    sys.exit(main())
