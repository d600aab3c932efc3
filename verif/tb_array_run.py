# SPDX-License-Identifier: Apache-2.0
"""cocotb: start the free-running array bench on the files of one layer and wait for its end."""

import json
import os
from pathlib import Path

import cocotb
from amaranth.lib import data
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, RisingEdge

from ..rtl.config import AcceleratorConfig
from ..rtl.ftp.activity_counters import counters_layout
from ..rtl.ftp.array_layouts import array_error_layout
from .bench import CONFIG_VARIABLE, PARAMETERS_VARIABLE
from .payload import unpack
from .streams import PERIOD_NS

__all__ = ["RESULT"]

RESULT = "result.json"  # beside the logs


@cocotb.test()
async def run_layer(dut):
    """Run one layer; write cycles, counters and errors to ``result.json``."""
    config = AcceleratorConfig(**json.loads(os.environ[CONFIG_VARIABLE]))
    parameters = json.loads(os.environ[PARAMETERS_VARIABLE])
    os.chdir(parameters["folder"])  # where the bench opens its files
    for name in ("tiles", "rows", "columns", "channels"):
        getattr(dut, name).value = parameters[name]
    dut.start.value = 0
    dut.rst.value = 1
    Clock(dut.clk, PERIOD_NS, "ns").start()
    await ClockCycles(dut.clk, 3)
    dut.rst.value = 0
    await ClockCycles(dut.clk, 1)
    dut.start.value = 1
    await ClockCycles(dut.clk, 1)
    dut.start.value = 0
    await RisingEdge(dut.done)
    await ClockCycles(dut.clk, 2)
    layouts: dict[str, data.Layout] = {
        "counters": counters_layout(config), "error": array_error_layout(),
    }
    result = {name: unpack(layout, int(getattr(dut, name).value))
              for name, layout in layouts.items()}
    result["stuck"] = bool(int(dut.stuck.value))
    Path(RESULT).write_text(json.dumps(result))
