# SPDX-License-Identifier: Apache-2.0
"""Compare ways to train a layer on the RTL: cycles, counted events, and their energy.

``python -m spikeloom.verif.train_table`` trains a batch of 16 images in each way, the 101st of a
training whose other steps the golden model does: a dense layer and STT on one array, core after
core, with as many lanes as a cluster and as all clusters; then STT, PTT and HTT on four clusters.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from cyclopts import App
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from ..gen.files import write_whole
from ..gen.presets import load_unit_config
from ..gen.run_app import run_app
from ..models.zoo import tt_training as zoo
from ..rtl.config import TrainConfig
from .accounting.energy import DEFAULT_TABLES, EnergyError, energy, load_table
from .runner import BenchFailure
from .toolchain import ToolError
from .train_course import Course, read_back
from .train_host import run_instructions

__all__ = ["WAYS", "events", "main", "measure"]

WAYS = {  # mode, preset, lanes of all clusters for one array
    "dense, one array": ("dense", "train_array", False),
    "dense, one array of all lanes": ("dense", "train_array", True),
    "STT, one array": ("stt", "train_array", False),
    "STT, one array of all lanes": ("stt", "train_array", True),
    "STT, clusters": ("stt", "train", False),
    "PTT, clusters": ("ptt", "train", False),
    "HTT, clusters": ("htt", "train", False),
}
_CLUSTERS = 4
_TRAINED = 100  # steps before the one that is measured: errors are zero at first
_BUFFERS = ("weight_byte", "activation_byte", "error_byte", "spike_byte", "gradient_byte")
_console = Console(width=max(130, Console().width))
_app = App(name="python -m spikeloom.verif.train_table",
           help="Compare ways to train a layer on the RTL.", version_flags=[],
           result_action="return_value")


def events(counters: Mapping[str, int], config: TrainConfig) -> dict[str, float]:
    """Return how often each event of the table ``sata`` happened; whole words are charged."""
    lanes = config.lanes
    return {
        "accumulate_for_spike": counters["accumulates"],
        "multiply_accumulate": counters["multiplies"],
        "neuron_step": lanes * counters["currents"],
        "neuron_back_step": lanes * counters["derivatives"],
        "weight_byte": lanes * counters["weight_words"],
        "activation_byte": lanes * (counters["activation_words"]
                                    + counters["activation_writes"]),
        "error_byte": lanes * (counters["error_words"] + counters["error_writes"]
                               + counters["derivatives"]),  # each is made of an error read
        # two bits of a neuron are written forward and read back
        "spike_byte": lanes / 8 * (counters["spike_words"] + 2 * counters["currents"]
                                   + 2 * counters["derivatives"]),
        "gradient_byte": lanes * 4 * 2 * counters["gradient_words"],  # read and written
    }


def measure(way: str, layer: str, out: Path, table: str = "sata",
            tables: Path = DEFAULT_TABLES) -> dict[str, Any]:
    """Train a batch in one way; return figures of an image.

    Raises
    ------
    BenchFailure
        The core does not do what the golden model does.
    """
    mode, preset, wide = WAYS[way]
    lanes = load_unit_config("train").flat()["lanes"]
    config = load_unit_config(preset, (f"lanes={int(lanes) * _CLUSTERS}",) if wide else ())
    assert isinstance(config, TrainConfig)
    course = Course(config=config, mode=mode, layer=layer)
    course.advance(_TRAINED)
    run = run_instructions(config, course.instructions(1), out)
    back = read_back(course, run, _TRAINED)
    if back["mismatch"]:
        raise BenchFailure(f"{way}: {back['mismatch']}")
    counters = {name: value / zoo.Course.batch for name, value in back["counters"][0].items()}
    counted = events(counters, config)
    charged = energy(counted, load_table(table, tables))
    return {"way": way, "config": config.as_dict(), "counters": counters, "events": counted,
            "picojoules": charged}


@_app.default
def compare(*, layer: str = "tt_layer", energies: Path = DEFAULT_TABLES, table: str = "sata",
            out: Path = Path("out/train_table")) -> int:
    """Train a batch in each way, and print cycles, events and energy side by side.

    Parameters
    ----------
    layer
        Sizes of the layer: tt_unit or tt_layer.
    energies
        TOML file of tables of energies.
    table
        Name of the table.
    out
        Folder for LAYER.json.
    """
    if layer not in zoo.CONFIGURATIONS:
        raise ValueError(f"layer must be one of {', '.join(zoo.CONFIGURATIONS)}, not {layer!r}")
    load_table(table, energies)  # before the work
    found = [measure(way, layer, out / way.replace(", ", "_").replace(" ", "_"), table, energies)
             for way in WAYS]
    inputs, outputs, rank = zoo.CONFIGURATIONS[layer]
    shown = Table(title=f"{layer}: {inputs} to {outputs} channels, rank {rank}; an image of the "
                        f"101st step, readout and update not counted", box=SIMPLE_HEAD,
                  caption=f"energy: table {table}; operators and neurons, buffers, both")
    for name in ("", "lanes", "cycles\nforward", "cycles\nback", "adds for\nspikes", "int8\nMACs",
                 "skipped\nzeros", "buffer\nbytes", "operators\nnJ", "buffers\nnJ", "nJ"):
        shown.add_column(name, justify="right" if name else "left")
    for row in found:
        counters, charged = row["counters"], row["picojoules"]
        buffers = sum(charged[name] for name in _BUFFERS) / 1000
        total = sum(charged.values()) / 1000
        lanes = row["config"]["lanes"] * (1 if row["config"]["single_array"] else _CLUSTERS)
        shown.add_row(
            row["way"], str(lanes), *(f"{counters[name]:,.0f}" for name in (
                "forward_cycles", "back_cycles", "accumulates", "multiplies", "skipped")),
            f"{sum(row['events'][name] for name in _BUFFERS):,.0f}",
            f"{total - buffers:,.1f}", f"{buffers:,.1f}", f"{total:,.1f}")
    _console.print(shown)
    path = out / f"{layer}.json"
    write_whole(path, json.dumps(found, indent=2) + "\n")
    _console.print(f"figures in {path}")
    return 0


def main(words: Sequence[str] | None = None) -> int:
    """Run the command; return 2 if the user is to mend a thing.

    Parameters
    ----------
    words : Sequence[str]
        Without the command's name; those that Python was started with if None.
    """
    torch.set_num_threads(1)
    return run_app(_app, words, EnergyError, ToolError, ValueError, BenchFailure)


if __name__ == "__main__":
    sys.exit(main())
