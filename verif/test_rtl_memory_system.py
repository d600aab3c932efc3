# SPDX-License-Identifier: Apache-2.0
"""The memory system in Verilator: on chip, and on AXI with a partner that others wrote."""

import os
import re
from functools import cache

import pytest
from amaranth.back.verilog import convert

from spikeloom.rtl.config import AcceleratorConfig
from spikeloom.rtl.soc.memory_system import MemorySystem
from spikeloom.verif.build import Design
from spikeloom.verif.runner import Run, run_bench

CONFIGS = {  # with readers and writers
    "axi": (AcceleratorConfig(memory="axi", memory_words=1024), 6, 2),
    "axi_long_bursts": (AcceleratorConfig(memory="axi", memory_words=900, memory_bits=64,
                                          burst_words=128), 3, 2),
    "on_chip": (AcceleratorConfig(memory="on_chip", memory_words=400), 6, 2),
    "on_chip_narrow": (AcceleratorConfig(memory="on_chip", memory_words=499, memory_bits=32,
                                         beat_values=4, burst_words=4), 2, 3),
}
OWN = {"axi": "tb_axi_master", "on_chip": "tb_on_chip_memory"}


@cache
def _design(config, readers, writers):
    os.environ["AMARANTH_USE_YOSYS"] = "builtin"
    component = MemorySystem(config, readers, writers)
    return Design(top="memory_system", verilog=convert(
        component, name="memory_system", emit_src=False, strip_internal_attrs=True))


def _run(name, bench):
    config, readers, writers = CONFIGS[name]
    run_bench(Run(unit="memory_system", config=config, bench=bench,
                  design=_design(config, readers, writers),
                  parameters={"readers": readers, "writers": writers}))


@pytest.mark.parametrize("name", CONFIGS)
def test_traffic(name):
    _run(name, "tb_memory_system")


@pytest.mark.parametrize("name", CONFIGS)
def test_faults(name):
    _run(name, "tb_memory_faults")


@pytest.mark.parametrize("name", CONFIGS)
def test_what_only_this_memory_does(name):
    _run(name, OWN[CONFIGS[name][0].memory])


def test_simulators_find_the_words():
    """A simulation loads and saves them by their name, ``memory_system.memory.words``."""
    verilog = _design(*CONFIGS["on_chip"]).verilog
    assert re.search(r"^  \\memory_system\.memory +memory \(", verilog, re.MULTILINE)
    module = verilog[verilog.index("module \\memory_system.memory ("):]
    assert "reg [127:0] words [399:0];" in module[:module.index("endmodule")]
