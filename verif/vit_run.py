# SPDX-License-Identifier: Apache-2.0
"""Run a vision transformer of the zoo whole on its core.

``python -m spikeloom.verif.vit_run trex_recall_ARAR``: the macros are programmed cell by cell, the
network is loaded, and inputs of the test split run from the first layer to the logits.
"""

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import torch
from cyclopts import App, Parameter
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from ..gen.files import write_whole
from ..gen.presets import load_unit_config
from ..gen.run_app import run_app
from ..gen.trex.program import Program, compile_vit
from ..models.data.recall import LabelledTokens
from ..models.golden.errors import GoldenError
from ..models.golden.vit_network import VitNetwork
from ..models.zoo import trex
from ..models.zoo.registry import UnknownNetworkError
from ..rtl.config import ConfigError, VitCoreConfig
from ..rtl.vit.instructions import Opcode
from .runner import BenchFailure
from .toolchain import ToolError
from .vit_host import VitRun, run_inputs

__all__ = ["PRESET", "committed", "knows", "load_sample", "main", "simulate"]

PRESET = "vit_core"
_OPCODES = [opcode for opcode in Opcode if opcode != Opcode.END]
_console = Console()
_app = App(name="python -m spikeloom.verif.vit_run",
           help="Run a vision transformer on the RTL.", version_flags=[],
           result_action="return_value")


def knows(net: str) -> bool:
    """Return whether that is the name of a network that `simulate` runs."""
    try:
        trex.get(net)
    except (GoldenError, UnknownNetworkError):
        return False
    return True


def committed() -> list[str]:
    """Return the networks whose weights are in the package and fit the preset's macros."""
    return [name for name in trex.COMMITTED if not name.endswith("_AAAA")]


def load_sample(net: str, images: int) -> tuple[VitNetwork, LabelledTokens]:
    """Return a network and its first test inputs.

    Raises
    ------
    ValueError
        There are fewer.
    """
    recipe = trex.get(net)
    test = recipe.load_test()
    if not 1 <= images <= len(test.labels):
        raise ValueError(f"images must be in 1..{len(test.labels)}, not {images}")
    return recipe.load(), test.first(images)


@_app.default
def simulate(net: str = "trex_recall_ARAR", *, images: int = 10, config: str = PRESET,
             set_: Annotated[tuple[str, ...], Parameter(name="--set")] = (),
             out: Path = Path("out/sim")) -> int:
    """Run test inputs, and compare every logit.

    Parameters
    ----------
    net
        Name of the network.
    images
        Test inputs to run, from the first.
    config
        Preset of the hardware, or a TOML file.
    set_
        Override a field of the preset: FIELD=VALUE.
    out
        Folder for NET.json.
    """
    hardware = load_unit_config(config, set_)
    if not isinstance(hardware, VitCoreConfig):
        raise ConfigError(f"preset {config}: family must be vit_core here, "
                          f"not that of {type(hardware).__name__}")
    network, data = load_sample(net, images)
    program = compile_vit(network, hardware)
    _console.print(f"{net}: {images} inputs, macros programmed first, every logit compared")
    started = time.monotonic()
    run = run_inputs(program, hardware, data.tokens, out / net)
    seconds = time.monotonic() - started
    report = _report(net, hardware, program, run, network.run(data.tokens).logits.tolist(),
                     data.labels.tolist())
    _print(report, seconds)
    write_whole(out / f"{net}.json", json.dumps(report, indent=2) + "\n")
    _console.print(f"figures in {out / net}.json")
    return 0 if report["exact"] else 1


def _report(net: str, config: VitCoreConfig, program: Program, run: VitRun,
            expected: list[list[int]], labels: list[int]) -> dict[str, Any]:
    mismatch = "the core is stuck" if run.stuck else ""
    for index, logits in enumerate(expected):
        found = run.logits[index] if index < len(run.logits) else []
        if found != logits and not mismatch:
            mismatch = f"input {index}: logits must be {logits}, not {found}"
    right = [logits.index(max(logits)) == label for logits, label
             in zip(run.logits, labels, strict=False) if logits]
    count = max(len(run.cycles), 1)
    mean: dict[str, dict[str, float]] = {}
    for index, (part, fields) in enumerate(zip(program.parts, program.instructions, strict=True)):
        kind = Opcode(fields["op"]).name.lower()
        kinds = mean.setdefault(part, {})
        kinds[kind] = kinds.get(kind, 0) + sum(one[index] for one in run.cycles) / count
    return {
        "network": net, "config": config.as_dict(), "config_hash": config.hash(),
        "images": len(expected), "exact": not mismatch, "mismatch": mismatch,
        "accuracy": {"rtl": sum(right) / len(right) if right else None},
        "cycles": sum(map(sum, run.cycles)), "logits": run.logits,
        "loading": sum(run.loading) / count, "mean": mean, "programming": run.effort,
        "per_image": [sum(cycles) for cycles in run.cycles],
    }


def _print(report: dict[str, Any], seconds: float) -> None:
    verdict = "[green]exact[/]" if report["exact"] else "[red]mismatch[/]"
    tiles = report["config"]["tiles"]
    table = Table(title=f"{report['network']}, {report['images']} inputs, {tiles} macros",
                  box=SIMPLE_HEAD, caption="cycles of an input on average")
    names = [opcode.name.lower() for opcode in _OPCODES]
    for name in ("", *names, "all", "RTL"):
        table.add_column(name, justify="left" if name in ("", "RTL") else "right")
    for part, kinds in report["mean"].items():
        table.add_row(part, *(f"{kinds[name]:,.0f}" if name in kinds else "" for name in names),
                      f"{sum(kinds.values()):,.0f}", "")
    table.add_section()
    sums = {name: sum(kinds.get(name, 0) for kinds in report["mean"].values()) for name in names}
    table.add_row("all", *(f"{value:,.0f}" for value in sums.values()),
                  f"{report['cycles'] / max(len(report['per_image']), 1):,.0f}", verdict)
    _console.print(table)
    if report["mismatch"]:
        _console.print(f"first mismatch: {report['mismatch']}", style="red", highlight=False)
    effort = report["programming"]
    _console.print(f"before: {effort['cells']:,} cells programmed in {effort['cycles']:,} cycles "
                   f"with {effort['pulses']:,} pulses, {effort['failures']} failures; "
                   f"{report['loading']:,.0f} cycles to load an input")
    if report["accuracy"]["rtl"] is not None:
        _console.print(f"accuracy on the RTL: {report['accuracy']['rtl']:.2%} of "
                       f"{report['images']} inputs")
    _console.print(f"simulated in {seconds:.1f} s, building included")


def main(words: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status: 1 on a mismatch, 2 if the user is to mend a thing.

    Parameters
    ----------
    words : Sequence[str]
        Without the command's name; those that Python was started with if None.
    """
    torch.set_num_threads(1)  # the products are small: more threads lose
    return run_app(_app, words, UnknownNetworkError, ToolError, ValueError, BenchFailure)


if __name__ == "__main__":
    sys.exit(main())
