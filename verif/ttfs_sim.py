# SPDX-License-Identifier: Apache-2.0
"""Run a network of neurons that spike once whole on the time-to-first-spike core.

``python -m spikeloom.verif.ttfs_sim --net ttfs_mnist_base``; ``random_base``, ``random_res``,
``random_shuffle`` and ``random_delay`` are networks of the published shapes with random weights.
"""

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, cast

import torch
from cyclopts import App, Parameter
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from ..gen.compiler.ttfs_program import TTFSResult, compile_ttfs
from ..gen.files import write_whole
from ..gen.presets import load_unit_config
from ..gen.run_app import run_app
from ..models.golden.ttfs_layers import TTFSNeurons
from ..models.golden.ttfs_network import TTFSNetwork
from ..models.zoo import ttfs as zoo
from ..models.zoo.registry import UnknownNetworkError
from ..rtl.config import ConfigError, TTFSConfig
from .random_ttfs import SHAPES, random_images, random_network
from .runner import BenchFailure
from .toolchain import ToolError
from .ttfs_compare import compare
from .ttfs_run import run_images

__all__ = ["Sample", "committed", "knows", "load_sample", "main", "preset_of", "simulate"]

_PRESETS = {6: "ttfs_small", 8: "ttfs"}  # by bits of a time word
_RANDOM = "random_"
_MODES = {False: "to the end", True: "early exit"}
_console = Console()
_app = App(name="python -m spikeloom.verif.ttfs_sim",
           help="Run a network of neurons that spike once on the RTL.", version_flags=[],
           result_action="return_value")


@dataclass(frozen=True, kw_only=True)
class Sample:
    """A network and images for it.

    Attributes
    ----------
    network : TTFSNetwork
    images : Tensor[B, C, H, W]
        Integers, 0..255.
    labels : Tensor[B] or None
        int64; None if the images are random.
    """

    network: TTFSNetwork
    images: torch.Tensor
    labels: torch.Tensor | None


def knows(net: str) -> bool:
    """Return whether that is the name of a network that `simulate` runs."""
    return net in zoo.NETWORKS or (
        net.startswith(_RANDOM) and net.removeprefix(_RANDOM) in SHAPES)


def committed() -> list[str]:
    """Return the networks whose weights are in the package; random ones if there are none."""
    found = [name for name, recipe in zoo.NETWORKS.items() if recipe.weights.exists()]
    return found or [_RANDOM + shape for shape in SHAPES]


def load_sample(net: str, images: int) -> Sample:
    """Return a network of the zoo, or a random one, and its first test images.

    Raises
    ------
    UnknownNetworkError
        There is no such network.
    ValueError
        There are fewer test images.
    """
    if knows(net) and net not in zoo.NETWORKS:
        network = random_network(net.removeprefix(_RANDOM))
        return Sample(network=network, images=random_images(network, images), labels=None)
    recipe = zoo.get(net)
    test = recipe.load_test()
    if not 1 <= images <= len(test.images):
        raise ValueError(f"images must be in 1..{len(test.images)}, not {images}")
    return Sample(network=recipe.load(), images=test.images[:images, None].to(torch.int64),
                  labels=test.labels[:images])


def preset_of(net: str) -> str:
    """Return the preset that a network is run on if none is named."""
    return _PRESETS[zoo.NETWORKS[net].time_bits if net in zoo.NETWORKS else 8]


@_app.default
def simulate(*, net: str = "ttfs_mnist_base", images: int = 20, config: str = "",
             set_: Annotated[tuple[str, ...], Parameter(name="--set")] = (),
             out: Path = Path("out/sim")) -> int:
    """Run test images, each to the end and with early exit; compare the time of every spike.

    Parameters
    ----------
    net
        Name of the network.
    images
        Test images to run, from the first.
    config
        Preset of the hardware, or a TOML file; by default the one that the network is for.
    set_
        Override a field of the preset: FIELD=VALUE.
    out
        Folder for NET.json.
    """
    preset = config or preset_of(net)
    hardware = load_unit_config(preset, set_)
    if not isinstance(hardware, TTFSConfig):
        raise ConfigError(f"preset {preset}: family must be ttfs here, "
                          f"not that of {type(hardware).__name__}")
    sample = load_sample(net, images)
    program = compile_ttfs(sample.network, hardware)
    _console.print(f"{net}: {images} images, with early exit and without, every spike compared")
    started = time.monotonic()
    results = run_images(program, sample.images, out / net)
    seconds = time.monotonic() - started
    trace = sample.network.run(sample.images)
    problems = [problem for mode in _MODES for index, result in enumerate(results[mode])
                if (problem := compare(sample.network, trace, index, result))]
    report = _report(net, hardware, sample, results, problems)
    _print(report, seconds)
    write_whole(out / f"{net}.json", json.dumps(report, indent=2) + "\n")
    _console.print(f"figures in {out / net}.json")
    return 1 if problems else 0


def _report(net: str, config: TTFSConfig, sample: Sample, results: dict[bool, list[TTFSResult]],
            problems: list[str]) -> dict[str, Any]:
    early = results[True]
    right = None
    if sample.labels is not None:
        right = sum(result.predicted == int(label) for result, label
                    in zip(early, sample.labels, strict=True)) / len(early)
    return {
        "network": net, "config": config.as_dict(), "config_hash": config.hash(),
        "images": len(early), "exact": not problems, "mismatch": next(iter(problems), ""),
        "accuracy": {"rtl": right}, "cycles": sum(result.counters["cycles"] for result in early),
        "logits": [[result.predicted, result.decision] for result in early],
        "undecided": sum(result.undecided for result in early),
        "mean": {name: {field: sum(result.counters[field] for result in results[mode]) / len(early)
                        for field in early[0].counters} for mode, name in _MODES.items()},
        "mean_decision": sum(result.decision for result in early) / len(early),
        "window": cast(TTFSNeurons, sample.network.layers[-1]).window,
        "per_image": {name: [result.counters for result in results[mode]]
                      for mode, name in _MODES.items()},
    }


def _print(report: dict[str, Any], seconds: float) -> None:
    verdict = "[green]exact[/]" if report["exact"] else "[red]mismatch[/]"
    table = Table(title=f"{report['network']}, {report['images']} images, "
                        f"{report['config']['lanes']} lanes", box=SIMPLE_HEAD,
                  caption="of an image on average; first: cycles of the first layer")
    for name in ("", "cycles", "first", "steps", "spikes", "events", "updates", "RTL"):
        table.add_column(name, justify="left" if name in ("", "RTL") else "right")
    for mode, mean in report["mean"].items():
        table.add_row(mode, *(f"{mean[field]:,.0f}" for field in (
            "cycles", "first_cycles", "steps", "spikes", "events", "updates")), verdict)
    _console.print(table)
    if report["mismatch"]:
        _console.print(f"first mismatch: {report['mismatch']}", style="red", highlight=False)
    whole, early = (report["mean"][name]["cycles"] for name in _MODES.values())
    _console.print(f"early exit: {whole / early:.2f} times fewer cycles; decision at step "
                   f"{report['mean_decision']:.1f} of {report['window']} on average, "
                   f"{report['undecided']} undecided")
    if report["accuracy"]["rtl"] is not None:
        _console.print(f"accuracy on the RTL: {report['accuracy']['rtl']:.2%} of "
                       f"{report['images']} images")
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
