# SPDX-License-Identifier: Apache-2.0
"""cocotb: let a free-running bench, see `free_run`, run to its end."""

import json
import os
from pathlib import Path

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, RisingEdge

from .bench import PARAMETERS_VARIABLE
from .streams import PERIOD_NS

__all__ = ["RESULT"]

RESULT = "result.json"  # beside the logs


@cocotb.test()
async def run_words(dut):
    """Run the words of a folder; write how it ended to ``result.json``."""
    parameters = json.loads(os.environ[PARAMETERS_VARIABLE])
    os.chdir(parameters["folder"])  # where the bench opens its files
    for name, value in parameters["inputs"].items():
        getattr(dut, name).value = value
    dut.rst.value = 1
    Clock(dut.clk, PERIOD_NS, "ns").start()
    await ClockCycles(dut.clk, 3)
    dut.rst.value = 0
    await RisingEdge(dut.done)
    result = {name: int(getattr(dut, name).value) for name in parameters["outputs"]}
    Path(RESULT).write_text(json.dumps(result))
