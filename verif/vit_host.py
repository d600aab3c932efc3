# SPDX-License-Identifier: Apache-2.0
"""Run vision transformers on their core: words to load, cells to program, the free-running bench.

Everything goes through the core's own ports: the macros are programmed with write-and-verify.
"""

import itertools
from collections.abc import Iterable, Iterator, Sequence
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
from .crossbar_traffic import as_table
from .free_run import LOG, free_design, free_run
from .payload import unpack, width

__all__ = ["VitRun", "input_words", "load_words", "run_inputs", "targets"]

_PROGRAM, _LOAD, _START, _MARK = range(4)  # kinds of words of the bench


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
    cells = list(targets(config, program))
    widths: dict[str, Any] = {
        "LOAD": load_layout(config), "PROGRAM": target_layout(config.crossbar),
        "STEP": range(config.instructions)}
    design = free_design("vit_core", config, "vit_bench", verilog,
                         **{name: width(shape) for name, shape in widths.items()})
    result = free_run("vit_core", config, design, _words(config, program, cells, inputs), folder,
                      outputs=("effort",), gaps=gaps, stalls=stalls)
    effort = unpack(effort_layout(config.crossbar), result["effort"])
    return _read(folder / LOG, len(program.instructions), bool(result["stuck"]),
                 {"cells": len(cells)} | effort)


def _words(config: VitCoreConfig, program: Program, cells: Iterable[int],
           inputs: torch.Tensor) -> Iterator[int]:
    """Yield the words of the bench, which have a kind on top."""
    place = width(load_layout(config))
    for word in cells:
        yield _PROGRAM << place | word
    for word in load_words(config, program):
        yield _LOAD << place | word
    for tokens in inputs:
        yield _MARK << place
        for word in input_words(config, program, tokens):
            yield _LOAD << place | word
        yield _START << place


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
