# SPDX-License-Identifier: Apache-2.0
"""Run vision transformers on their core: words to load, cells to program, the free-running bench.

Everything goes through the core's own ports: the macros are programmed with write-and-verify.
"""

import itertools
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from amaranth.lib import data

from ..gen.trex.program import Program
from ..rtl.config import VitCoreConfig
from ..rtl.imc.layouts import target_layout
from ..rtl.imc.programmer import effort_layout
from ..rtl.vit.instructions import Memory, instruction_layout, load_layout
from .build import Design, blank_memories
from .crossbar_traffic import as_table
from .payload import unpack, width
from .runner import Run, emitted, run_bench
from .tb_vit_run import RESULT

__all__ = ["VitRun", "input_words", "load_words", "run_inputs", "targets"]

_PROGRAM, _LOAD, _START, _MARK = range(4)  # kinds of lines of the bench


@dataclass(frozen=True, kw_only=True)
class VitRun:
    """What a run of the core gave.

    Attributes
    ----------
    logits : list of list of int
        Of each input.
    loading : list of int
        Cycles that the words of each input took.
    cycles : list of list of int
        Of each instruction, for each input.
    effort : dict
        Cells, cycles, pulses, verify reads and failures of programming.
    stuck : bool
        Whether nothing moved any more.
    """

    logits: list[list[int]]
    loading: list[int]
    cycles: list[list[int]]
    effort: dict[str, int]
    stuck: bool


def targets(config: VitCoreConfig, program: Program,
            present: Sequence[torch.Tensor] | None = None) -> Iterator[int]:
    """Yield what ``i_program`` is sent: the cells of rows in use that are to hold something else.

    Parameters
    ----------
    config : VitCoreConfig
    program : Program
    present : sequence of Tensor[R + 1, C], optional
        Tables that the macros hold; blank if not given.
    """
    layout = target_layout(config.crossbar)
    for tile, image in enumerate(program.images):
        table = as_table(image, config.crossbar)
        differs = table != (present[tile] if present else 0)
        differs[max(0, program.rows - tile * config.macro_rows):] = False
        rows, columns = torch.nonzero(differs, as_tuple=True)
        words = ((tile << layout["tile"].offset) + (rows << layout["row"].offset)
                 + (columns << layout["column"].offset)
                 + (table[rows, columns] << layout["value"].offset))
        yield from words.tolist()


def load_words(config: VitCoreConfig, program: Program) -> Iterator[int]:
    """Yield what ``i_load`` is sent before the first input."""
    layout = instruction_layout(config)
    for place, fields in enumerate(program.instructions):
        yield _load(config, Memory.INSTRUCTIONS, place, _packed(layout, fields))
    for place, word in enumerate(program.parameters):
        yield _load(config, Memory.PARAMETERS, place, word)
    for start, values in program.values.items():
        for place, value in enumerate(values):
            yield _load(config, Memory.VALUES, start + place, value)
    for number, table in enumerate(program.tables):
        for place, value in enumerate(table):
            yield _load(config, Memory.TABLES, 256 * number + place, value)


def input_words(config: VitCoreConfig, program: Program, tokens: torch.Tensor) -> Iterator[int]:
    """Yield what ``i_load`` is sent for an input, Tensor[N, features]."""
    for place, value in enumerate(tokens.flatten().tolist()):
        yield _load(config, Memory.VALUES, program.input + place, value)


def run_inputs(program: Program, config: VitCoreConfig, inputs: torch.Tensor, folder: Path, *,
               gaps: int = 0, stalls: int = 0, verilog: str | None = None) -> VitRun:
    """Program the macros, load the network, run inputs.

    Parameters
    ----------
    inputs : Tensor[B, N, features]
    folder : Path
        Where the files go.
    gaps, stalls : int
        Shares, of 256, of cycles without an offer, and without a logit taken.
    verilog : str, optional
        In place of the core's own.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in (RESULT, "out.log"):
        (folder / name).unlink(missing_ok=True)
    cells = list(targets(config, program))
    with (folder / "in.hex").open("w") as file:
        file.writelines(f"{_PROGRAM} {word:x}\n" for word in cells)
        file.writelines(f"{_LOAD} {word:x}\n" for word in load_words(config, program))
        for tokens in inputs:
            file.write(f"{_MARK} 0\n")
            file.writelines(f"{_LOAD} {word:x}\n" for word in input_words(config, program, tokens))
            file.write(f"{_START} 0\n")
    run_bench(Run(unit="vit_core", config=config, bench="tb_vit_run",
                  design=_design(config, verilog or emitted("vit_core", config)),
                  parameters={"folder": str(folder.resolve()), "gaps": gaps, "stalls": stalls}))
    result = json.loads((folder / RESULT).read_text())
    effort = unpack(effort_layout(config.crossbar), result["effort"])
    return _read(folder / "out.log", len(program.instructions), bool(result["stuck"]),
                 {"cells": len(cells)} | effort)


def _read(log: Path, instructions: int, stuck: bool, effort: dict[str, int]) -> VitRun:
    """Return what the log says."""
    logits: list[list[int]] = []
    loading, cycles, programmed, since = [], [], 0, 0
    found: list[int] = []
    steps: list[int] = []
    for line in log.read_text().splitlines():
        cycle, kind, value = line.split()
        if kind == "p":
            programmed = int(cycle)
        elif kind == "m":
            since = int(cycle)
        elif kind == "o":
            found.append(int(value))
        elif kind == "s":
            steps.append(int(cycle))
        elif kind == "e":
            steps = [*steps[:instructions], int(cycle)]
            loading.append(steps[0] - since)
            cycles.append([after - before for before, after in itertools.pairwise(steps)])
            logits.append(found)
            found, steps = [], []
    return VitRun(logits=logits, loading=loading, cycles=cycles, stuck=stuck,
                  effort=effort | {"cycles": programmed})


def _packed(layout: data.StructLayout, fields: dict[str, int]) -> int:
    return sum(value << layout[name].offset for name, value in fields.items())


def _load(config: VitCoreConfig, memory: Memory, address: int, word: int) -> int:
    layout = load_layout(config)
    mask = (1 << layout["word"].width) - 1
    return _packed(layout, {"memory": memory, "address": address, "word": word & mask})


def _design(config: VitCoreConfig, verilog: str) -> Design:
    """Return the core inside its free-running bench; memories lose their initial zeros."""
    widths: dict[str, Any] = {
        "LOAD": load_layout(config), "PROGRAM": target_layout(config.crossbar),
        "STEP": range(config.instructions)}
    bench = (Path(__file__).parent / "vit_bench.sv").read_text()
    return Design(top="vit_bench", verilog=bench + blank_memories(verilog),
                  arguments=tuple(f"-G{name}={width(shape)}" for name, shape in widths.items()))
