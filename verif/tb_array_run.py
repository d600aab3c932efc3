# SPDX-License-Identifier: Apache-2.0
"""cocotb: let the free-running array bench run on the files of one layer to its end."""

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
async def run_layer(dut):
    """Run one layer; write what the bench counted to ``result.json``."""
    parameters = json.loads(os.environ[PARAMETERS_VARIABLE])
    os.chdir(parameters["folder"])  # where the bench opens its files
    for name in ("bandwidth", "stride"):
        getattr(dut, name).value = parameters[name]
    for name in ("total", "room"):
        getattr(dut, name).value = sum(
            value << 32 * index for index, value in enumerate(parameters[name]))
    dut.rst.value = 1
    Clock(dut.clk, PERIOD_NS, "ns").start()
    await ClockCycles(dut.clk, 3)
    dut.rst.value = 0
    await RisingEdge(dut.done)
    await ClockCycles(dut.clk, 2)
    result = {name: int(getattr(dut, name).value)
              for name in ("cycles", "stuck", "error", "counters", "fetched", "written")}
    Path(RESULT).write_text(json.dumps(result))
