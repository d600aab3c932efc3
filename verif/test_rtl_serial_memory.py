# SPDX-License-Identifier: Apache-2.0
"""The memory with one port in Verilator: what it shares with the memory system."""

import os
from functools import cache

import pytest
from amaranth.back.verilog import convert

from spikeloom.rtl.config import AcceleratorConfig, LimitsConfig
from spikeloom.rtl.soc.serial_memory import SerialMemory
from spikeloom.verif.build import Design
from spikeloom.verif.runner import Run, run_bench

CONFIGS = {  # with readers and writers
    "many_clients": (AcceleratorConfig(
        memory="on_chip", memory_words=400, memory_bits=32, beat_values=4, burst_words=4,
        requantize=0, limits=LimitsConfig(address_bits=9, serial=1)), 6, 2),
    "one_reader": (AcceleratorConfig(
        memory="on_chip", memory_words=499, memory_bits=32, beat_values=4, burst_words=4,
        requantize=0, limits=LimitsConfig(address_bits=10, serial=1)), 1, 3),
}
SHARED = "carries_all_traffic|nobody_is_blocked|tells_when_writes_are_in|restarts_after_reset"


@cache
def _design(config, readers, writers):
    os.environ["AMARANTH_USE_YOSYS"] = "builtin"
    component = SerialMemory(config, readers, writers)
    return Design(top="serial_memory", verilog=convert(
        component, name="serial_memory", emit_src=False, strip_internal_attrs=True))


@pytest.mark.parametrize("name", CONFIGS)
def test_traffic(name):
    config, readers, writers = CONFIGS[name]
    run_bench(Run(unit="serial_memory", config=config, bench="tb_memory_system", tests=SHARED,
                  design=_design(config, readers, writers),
                  parameters={"readers": readers, "writers": writers}))
