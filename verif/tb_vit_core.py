# SPDX-License-Identifier: Apache-2.0
"""Bench of the vision transformer core: whole networks, against the golden network."""

from typing import Any

import cocotb
import torch

from ..gen.trex.program import Program, compile_vit
from ..models.golden.vit_network_file import load_vit
from ..rtl.vit.instructions import Memory
from .bench import Bench

__all__ = ["matches_golden"]


def _words(bench: Bench, program: Program) -> list[dict[str, Any]]:
    """Return what the core is loaded with before the first tokens."""
    blank = {name: 0 for name, _ in bench.component.i_load.p.word.shape()}

    def low(word: int) -> dict[str, int]:
        """Return an instruction whose lowest bits are those of a word."""
        word &= 0xFFFFFFFF
        return blank | {"op": word & 7, "rows": word >> 3 & 0x1FFF, "columns": word >> 16 & 0x1FFF,
                        "length": word >> 29}

    words = [{"memory": Memory.INSTRUCTIONS, "address": place, "word": blank | fields}
             for place, fields in enumerate(program.instructions)]
    loads = [(Memory.PARAMETERS, 0, program.parameters)]
    loads += [(Memory.VALUES, start, values) for start, values in program.values.items()]
    loads += [(Memory.TABLES, 256 * number, table) for number, table in enumerate(program.tables)]
    return words + [{"memory": memory, "address": start + place, "word": low(word)}
                    for memory, start, values in loads for place, word in enumerate(values)]


@cocotb.test()
@cocotb.parametrize(stalls=[0.0, 0.5])
async def matches_golden(dut: Any, stalls: float) -> None:
    """The logits of several inputs, one after the other, are the golden ones."""
    bench = await Bench.start(dut)
    network = load_vit(bench.parameters["network"])
    inputs = torch.tensor(bench.parameters["inputs"])
    program = compile_vit(network, bench.config)
    source, sink = bench.source("i_load", stalls), bench.sink("o", stalls, burst=3)
    await source.send(_words(bench, program))
    logits = network.run(inputs).logits.tolist()
    for index, tokens in enumerate(inputs):
        values = Program(values={program.input: tokens.flatten().tolist()})
        await source.send(_words(bench, values))
        dut.start.value = 1
        await bench.edge()
        dut.start.value = 0
        found = await sink.take((index + 1) * len(logits[0]), timeout=2_000_000)
        found = found[index * len(logits[0]):]
        assert found == logits[index], (
            f"logits of input {index} must be {logits[index]}, not {found}")
        await bench.edge(200)
        assert not int(dut.busy.value), "the core must be done"
