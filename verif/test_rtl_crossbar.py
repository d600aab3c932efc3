# SPDX-License-Identifier: Apache-2.0
"""The crossbar macro in Verilator against the golden op."""

import random

import pytest
from amaranth.back.verilog import convert

from spikeloom.rtl.config import CrossbarConfig
from spikeloom.rtl.imc.crossbar import Crossbar
from spikeloom.verif.build import Design
from spikeloom.verif.crossbar_traffic import as_table, random_image
from spikeloom.verif.runner import Run, run_bench

CONFIGS = {
    "noise": CrossbarConfig(
        rows=18, columns=21, on_off=10, fraction_bits=3, weight_bits=5, encoding="sign",
        adc_bits=5, adc_shift=3, columns_per_adc=7, noise_bits=4, noise_shift=2, pulse_loss=2,
        tiles=3, beat_values=6),
    "an_adc_for_each_column": CrossbarConfig(
        rows=16, columns=16, cell_bits=1, on_off=2, fraction_bits=0, adc_bits=3, adc_shift=0,
        weight_bits=4, columns_per_adc=1, pulse_bits=1, pulse_loss=0),
    "one_adc": CrossbarConfig(
        rows=33, columns=16, cell_bits=4, on_off=2, fraction_bits=2, adc_bits=8, adc_shift=1,
        columns_per_adc=16, noise_bits=16, pulse_bits=7, pulse_loss=3, beat_values=3),
}


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_bench(config):
    run_bench(Run(unit="crossbar", config=config, bench="tb_crossbar",
                  tests="^(?!.*reads_built_in_table)"))


def test_built_in_table():
    config = CrossbarConfig(rows=24, columns=32, noise_bits=8, noise_shift=3)
    table = as_table(random_image(random.Random(1), config), config).tolist()
    verilog = convert(Crossbar(config, table), name="crossbar", emit_src=False)
    run_bench(Run(unit="crossbar", config=config, bench="tb_crossbar", tests="reads_built_in",
                  parameters={"table": table}, design=Design(top="crossbar", verilog=verilog)))
