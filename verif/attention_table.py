# SPDX-License-Identifier: Apache-2.0
"""Cycles of a block of a spiking transformer, by layer: both orders of attention, all chunks.

``python -m spikeloom.verif.attention_table`` runs a block at the published size of CIFAR 2-512
with random weights on the whole accelerator and compares every layer with the golden model.
"""

import sys
from collections.abc import Sequence
from typing import Annotated, Any

from cyclopts import App, CycloptsError, Parameter
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from ..gen.compiler.compile import compile_network
from ..gen.presets import load_config
from ..rtl.config import ATTENTION_ORDERS, ConfigError
from .program_run import ProgramReport, run_program
from .random_block import block_inputs, block_network
from .random_networks import RandomWeights
from .toolchain import ToolError
from .verilator_transport import VerilatorTransport

__all__ = ["main", "measure", "table"]

_ATTENTION = "attention"
_app = App(name="python -m spikeloom.verif.attention_table", version_flags=[],
           help="Cycles of a block, with both orders of attention and several chunks.",
           result_action="return_value")

Reports = dict[tuple[str, int], ProgramReport]  # by order and steps of a chunk


def measure(channels: int, heads: int, side: int, chunks: Sequence[int],
            overrides: Sequence[str] = (), seed: int = 3) -> Reports:
    """Run the block in both orders with each number of steps in a chunk.

    Raises
    ------
    ConfigError
        An override does not fit.
    ToolError
        A tool is missing or failed.
    """
    found: Reports = {}
    for order in ATTENTION_ORDERS:
        config = load_config("statten", [f"attention.order={order}",
                                         f"attention.chunk_steps={max(chunks)}", *overrides])
        with VerilatorTransport(config) as transport:
            for steps in chunks:
                network = block_network(RandomWeights(seed), channels, heads, side,
                                        config.timesteps, steps)
                found[order, steps] = run_program(
                    compile_network(network, config, keep_all=True), network,
                    block_inputs(network, 1, seed), transport, timeout=3000)
    return found


def table(reports: Reports) -> Table:
    """Return the cycles of each layer, and the share of attention."""
    shown = Table(box=SIMPLE_HEAD, title="Cycles of a block")
    shown.add_column("layer")
    for order, steps in reports:
        shown.add_column(f"{'KᵀV' if order == 'sums' else 'QKᵀ'} first, B = {steps}",
                         justify="right")
    first, *_ = reports.values()
    for index, layer in enumerate(first.layers):
        shown.add_row(layer.name, *(f"{report.layers[index].cycles:,}"
                                    for report in reports.values()))
    totals = [sum(layer.cycles for layer in report.layers) for report in reports.values()]
    shown.add_row("all", *(f"{total:,}" for total in totals))
    shares = [layer.cycles / total for report, total in zip(reports.values(), totals, strict=True)
              for layer in report.layers if layer.name == _ATTENTION]
    shown.add_row("share of attention", *(f"{share:.1%}" for share in shares))
    shown.add_row("every layer exact", *("yes" if report.exact else "no"
                                         for report in reports.values()))
    return shown


@_app.default
def _run(*, channels: int = 512, heads: int = 8, side: int = 8, chunks: tuple[int, ...] = (1, 2),
         seed: int = 3, overrides: Annotated[tuple[str, ...], Parameter(
             name="--set", negative="", show_default=False,
             help="field=value, in place of the preset's; again for more.")] = ()) -> Any:
    """Run the block in both orders.

    Parameters
    ----------
    channels
        Of a token.
    heads
        Divide the channels.
    side
        Of the map whose pixels are the tokens.
    chunks
        Timesteps that attend to one another.
    seed
        Of weights and inputs.
    """
    return measure(channels, heads, side, chunks, overrides, seed)


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line; return 1 if a layer was not exact, 2 if it could not run."""
    try:
        reports = _app(sys.argv[1:] if words is None else words, exit_on_error=False,
                       print_error=False)
    except (ConfigError, CycloptsError, ToolError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    if not reports:  # after --help
        return 0
    Console(width=120).print(table(reports))
    return 0 if all(report.exact for report in reports.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
