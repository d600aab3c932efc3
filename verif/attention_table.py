# SPDX-License-Identifier: Apache-2.0
"""Cycles and energy of a spiking transformer's block, and of both orders of attention.

``python -m spikeloom.verif.attention_table`` takes a network of the published size of CIFAR 2-512
with random weights and runs its stem on an image in the golden model; then its first block runs
on the accelerator, and its attention by itself in both orders and with chunks of several steps.
Every layer is compared with the golden model.
"""

import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Annotated

import torch
from cyclopts import App, Parameter
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from ..gen.compiler.compile import compile_network
from ..gen.presets import load_config
from ..gen.run_app import run_app
from ..gen.session.errors import SessionError
from ..gen.session.transport import TransportError
from ..models.nn.statten_shape import StattenShape
from ..models.zoo.statten import PUBLISHED
from ..rtl.config import ATTENTION_ORDERS
from .accounting.energy import DEFAULT_TABLE, Event, load_table
from .layer_energy import energy_notes, layer_energy
from .program_run import LayerReport, ProgramReport, run_program
from .random_block import attention_alone, colour_image, random_block
from .toolchain import ToolError
from .verilator_transport import VerilatorTransport

__all__ = ["Measured", "attention_table", "block_table", "main", "measure"]

_BLOCK = "block0."
_console = Console(width=max(100, Console().width))
_app = App(name="python -m spikeloom.verif.attention_table", version_flags=[],
           help="Cycles and energy of a block, and of both orders of attention.",
           result_action="return_value")


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What ran on the accelerator.

    Attributes
    ----------
    order : str
        Of attention.
    chunk_steps : int
    rates : dict of str to float
        Share of 1 among the spikes of each layer, those of the stem too.
    report : ProgramReport
    """

    order: str
    chunk_steps: int
    rates: dict[str, float]
    report: ProgramReport

    @property
    def title(self) -> str:
        """Order and steps, for people."""
        first = "KᵀV" if self.order == "sums" else "QKᵀ"
        return f"{first} first, B = {self.chunk_steps}"

    @property
    def block(self) -> list[LayerReport]:
        """The layers of the block, without what goes before and behind."""
        return [layer for layer in self.report.layers if layer.name.startswith(_BLOCK)]


def measure(shape: StattenShape, chunks: Sequence[int], overrides: Sequence[str] = (),
            image: int = 0, seed: int = 3) -> list[Measured]:
    """Run a network's first block, then its attention in both orders and with chunks of steps.

    Parameters
    ----------
    shape : StattenShape
        Its chunks do not count.
    chunks : sequence of int
        Steps of a chunk; the block runs with the first.
    overrides : sequence of str
        ``field=value`` of the preset.
    image : int
        Number of the image, see `random_block.colour_image`.
    seed : int
        Of the weights.

    Raises
    ------
    ConfigError
        An override does not fit.
    ToolError
        A tool is missing or failed.
    """
    blocks = [random_block(replace(shape, chunk_steps=steps), colour_image(image, shape.side),
                           seed) for steps in chunks]
    found = []
    for order in ATTENTION_ORDERS:
        config = load_config("statten", [f"attention.order={order}",
                                         f"attention.chunk_steps={max(chunks)}", *overrides])
        work = [*zip(chunks, blocks, map(attention_alone, blocks), strict=True)]
        if not found:
            work.insert(0, (chunks[0], blocks[0], (blocks[0].network, blocks[0].inputs)))
        with closing(VerilatorTransport(config)) as transport:
            for steps, block, (network, inputs) in work:
                report = run_program(compile_network(network, config, keep_all=True), network,
                                     inputs, transport, timeout=3000)
                found.append(Measured(order=order, chunk_steps=steps, rates=block.rates,
                                      report=report))
    return found


def block_table(run: Measured, picojoules: Mapping[str, Event]) -> Table:
    """Return cycles and energy of each layer of a block."""
    shown = _table(f"A block, {run.title}", "layer")
    whole = sum(layer.cycles for layer in run.block), _microjoules(run.block, picojoules)
    for layer in run.block:
        cells = layer.cycles, _microjoules([layer], picojoules)
        shown.add_row(layer.name, *_cells(*cells), *map(_share, cells, whole))
    shown.add_row("block", *_cells(*whole), *map(_share, whole, whole))
    return shown


def attention_table(runs: Sequence[Measured], picojoules: Mapping[str, Event]) -> Table:
    """Return cycles and energy of attention in each order, those of the first as a whole."""
    shown = _table("Attention", "order")
    found = [(run, sum(layer.cycles for layer in run.block),
              _microjoules(run.block, picojoules)) for run in runs]
    whole = found[0][1:]
    for run, cycles, energy in found:
        shown.add_row(run.title, *_cells(cycles, energy), *map(_share, (cycles, energy), whole))
    return shown


def _table(title: str, first: str) -> Table:
    shown = Table(box=SIMPLE_HEAD, title=title)
    shown.add_column(first)
    for name in ("cycles", "uJ", "cycles, %", "uJ, %"):
        shown.add_column(name, justify="right")
    return shown


def _cells(cycles: int, energy: float) -> tuple[str, str]:
    return f"{cycles:,}", f"{energy:,.2f}"


def _microjoules(layers: Sequence[LayerReport], picojoules: Mapping[str, Event]) -> float:
    return sum(sum(layer_energy(layer, picojoules).values()) for layer in layers) / 1e6


def _share(part: float, whole: float) -> str:
    return f"{100 * part / whole:.1f}" if whole else "-"


@_app.default
def _run(*, network: str = "cifar10-2-512", chunks: tuple[int, ...] = (2, 1), image: int = 0,
         seed: int = 3, overrides: Annotated[tuple[str, ...], Parameter(
             name="--set", negative="", show_default=False,
             help="field=value, in place of the preset's; again for more.")] = ()) -> int:
    """Run a block, and its attention in both orders; status 1 if a layer was not exact.

    Parameters
    ----------
    network
        Of the published ones that read pixels.
    chunks
        Timesteps that attend to one another; the block runs with the first.
    image
        Of Fashion-MNIST's test images, which is coloured.
    seed
        Of the weights.
    """
    known = [name for name, shape in PUBLISHED.items() if not shape.frames]
    if network not in known:
        raise ValueError(f"network must be one of {', '.join(known)}, not {network!r}")
    picojoules = load_table()
    runs = measure(PUBLISHED[network], chunks, overrides, image, seed)
    rates = ", ".join(f"{name} {rate:.1%}" for name, rate in runs[0].rates.items())
    _console.print(f"spikes that are 1: {rates}", highlight=False)
    _console.print(block_table(runs[0], picojoules))
    _console.print(attention_table(runs[1:], picojoules))
    for text in energy_notes(picojoules, DEFAULT_TABLE):
        _console.print(text, highlight=False, markup=False)
    wrong = [run for run in runs if not run.report.exact]
    for run in wrong:
        _console.print(run.report.error or str(run.report.divergence), style="red")
    _console.print("not every layer is exact" if wrong else "every layer is exact")
    return 1 if wrong else 0


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line; return 1 if a layer was not exact, 2 if it could not run."""
    torch.set_num_threads(1)
    return run_app(_app, words, SessionError, ToolError, TransportError, ValueError)


if __name__ == "__main__":
    sys.exit(main())
