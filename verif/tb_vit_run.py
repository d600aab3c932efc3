# SPDX-License-Identifier: Apache-2.0
"""cocotb: let the free-running bench of the vision transformer core run to its end."""

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
async def run_lines(dut):
    """Run the lines of a folder; write how it ended to ``result.json``."""
    parameters = json.loads(os.environ[PARAMETERS_VARIABLE])
    os.chdir(parameters["folder"])  # where the bench opens its files
    for name in ("gaps", "stalls"):
        getattr(dut, name).value = parameters[name]
    dut.rst.value = 1
    Clock(dut.clk, PERIOD_NS, "ns").start()
    await ClockCycles(dut.clk, 3)
    dut.rst.value = 0
    await RisingEdge(dut.done)
    result = {name: int(getattr(dut, name).value) for name in ("cycle", "stuck", "effort")}
    Path(RESULT).write_text(json.dumps(result))
