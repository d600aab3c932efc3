# SPDX-License-Identifier: Apache-2.0
"""Run all networks of the zoo on the accelerator: the job behind ``make regress``."""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cyclopts import App
from rich.console import Console
from rich.table import Table

from ..gen.run_app import run_app
from ..models.zoo import tt_variants
from . import sim, train_sim, tt_table, ttfs_sim, vit_run

__all__ = ["JOBS", "Job", "main"]


@dataclass(frozen=True)
class Job:
    """A network on a configuration, with fields of it that are set."""

    network: str
    config: str
    images: int
    set_: tuple[str, ...] = ()


_DIGITS = "dual_sparse_cnn"
JOBS = (
    Job(_DIGITS, "loas", 100), Job(_DIGITS, "small", 20), Job(_DIGITS, "tiny", 20),
    Job(_DIGITS, "sparten", 20),
    *(Job(network, "loas", 10) for network in (
        "vgg_fashion", "vgg_fashion_ft", "resnet_fashion", "resnet_fashion_ft",
        "ms_resnet_fashion")),
    *(Job(network, config, 2) for config in ("scan", "bcast", "imc") for network in (
        _DIGITS, "vgg_fashion", "vgg_fashion_ft", "resnet_fashion", "resnet_fashion_ft",
        "ms_resnet_fashion")),
    Job("digits_micro", "micro", 20),
    Job("statten_digits", "statten", 10),
    Job("statten_events", "statten", 10, (
        "timesteps=5", "attention.chunk_steps=5", "attention.chunks=1")),
    *(Job(f"{kind}_asked", "statten", 2, (
        "timesteps=8", "attention.chunk_steps=8", "attention.chunks=8"))
      for kind in ("statten", "ssa", "sdt")),
    *(Job(network, tt_table.PRESET, 2) for network, variant in
      tt_variants.VARIANTS.items() if variant.weight_bits == 8),
    *(Job(network, ttfs_sim.preset_of(network), 20) for network in ttfs_sim.committed()),
    *(Job(network, vit_run.PRESET, 10) for network in vit_run.committed()),
    Job("tt_train", "train", 16 * 200), Job("tt_train_stt", "train", 16 * 20),
    Job("tt_train_htt", "train", 16 * 20), Job("tt_train_stt", "train_array", 16 * 20),
    Job("tt_train_dense", train_sim.PRESETS["tt_train_dense"], 16 * 10),
)
_console = Console()
_app = App(name="python -m spikeloom.verif.regress", help="Run all networks on the RTL.",
           version_flags=[], result_action="return_value")


@_app.default
def regress(*, images: int = 0, out: Path = Path("out/regress")) -> int:
    """Run every job; compare every layer of every image, and the logits between configurations.

    Parameters
    ----------
    images
        Images of each job, in place of its own number.
    out
        Folder for the reports, ``CONFIG/NETWORK.json``.
    """
    table = Table("network", "config", "images", "RTL", "cycles an image", "accuracy")
    outputs: dict[str, list[list[list[int]]]] = {}
    failed = []
    for job in JOBS:
        count = images or job.images
        path = out / job.config / f"{job.network}.json"
        path.unlink(missing_ok=True)
        status = sim.main(["--net", job.network, "--config", job.config, "--images", str(count),
                           "--out", str(out / job.config),
                           *(word for text in job.set_ for word in ("--set", text))])
        report = json.loads(path.read_text()) if path.exists() else {}
        if status or not report.get("exact"):
            failed.append(f"{job.network} on {job.config}")
            table.add_row(job.network, job.config, str(count), "[red]failed[/]", "", "")
            continue
        outputs.setdefault(job.network, []).append(report["logits"])
        accuracy = report["accuracy"]["rtl"]
        table.add_row(job.network, job.config, str(count), "[green]exact[/]",
                      f"{report['cycles'] // count:,}",
                      "" if accuracy is None else f"{accuracy:.2%}")
    _console.print(table)
    for network, lists in outputs.items():
        shortest = min(map(len, lists))
        if any(logits[:shortest] != lists[0][:shortest] for logits in lists):
            failed.append(f"{network}: configurations disagree")
    for text in failed:
        _console.print(text, style="red")
    return 1 if failed else 0


def main(words: Sequence[str] | None = None) -> int:
    """Run the command; return 1 if anything differs, 2 if the arguments are wrong."""
    return run_app(_app, words)


if __name__ == "__main__":
    sys.exit(main())
