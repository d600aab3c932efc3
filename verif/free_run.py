# SPDX-License-Identifier: Apache-2.0
"""Run a core in a free-running bench: it reads words from a file, and writes a log by itself.

Such a bench is ``NAME_bench.sv``; cocotb starts it and waits for its end, so that a cycle costs
what Verilator takes for it.
"""

import json
from collections.abc import Iterable
from pathlib import Path

from ..rtl.config import Config
from .build import Design, blank_memories
from .runner import Run, emitted, run_bench
from .tb_free_run import RESULT

__all__ = ["LOG", "free_design", "free_run"]

LOG = "out.log"  # what the bench writes


def free_design(unit: str, config: Config, bench: str, verilog: str | None = None,
                **parameters: int) -> Design:
    """Return a core inside a bench.

    Memories lose their initial zeros, which no core relies on: they would be most of what is
    compiled.

    Parameters
    ----------
    bench : str
        Module and file, such as ``train_bench``.
    verilog : str, optional
        In place of the core's own.
    **parameters : int
        Of the bench.
    """
    here = Path(__file__).parent
    sources = [(here / f"{name}.sv").read_text() for name in (bench, "word_source")]
    return Design(top=bench,
                  verilog="".join([*sources, blank_memories(verilog or emitted(unit, config))]),
                  arguments=tuple(f"-G{name}={value}" for name, value in parameters.items()))


def free_run(unit: str, config: Config, design: Design, words: Iterable[int], folder: Path, *,
             outputs: tuple[str, ...] = ("error",), **inputs: int) -> dict[str, int]:
    """Run words; return how it ended: ``cycle``, ``stuck`` and some outputs of the bench.

    What the bench wrote is the file `LOG` of the folder.

    Parameters
    ----------
    design : Design
        Of `free_design`.
    words : iterable of int
        That the bench reads, unsigned.
    folder : Path
        Where the files go.
    outputs : tuple of str
    **inputs : int
        Of the bench: ``gaps`` and ``stalls``, shares, of 256, of cycles without an offer, and
        without a word taken; others that it has.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in (RESULT, LOG):
        (folder / name).unlink(missing_ok=True)
    with (folder / "in.hex").open("w") as file:
        file.writelines(f"{word:x}\n" for word in words)
    run_bench(Run(unit=unit, config=config, bench="tb_free_run", design=design, parameters={
        "folder": str(folder.resolve()), "inputs": inputs,
        "outputs": ["cycle", "stuck", *outputs]}))
    return json.loads((folder / RESULT).read_text())
