# SPDX-License-Identifier: Apache-2.0
"""The in-memory-computing engine in Verilator against the golden op."""

import random

import pytest
from amaranth.back.verilog import convert

from spikeloom.rtl.config import CrossbarConfig
from spikeloom.rtl.imc.imc_engine import IMCEngine
from spikeloom.verif.build import Design
from spikeloom.verif.crossbar_traffic import as_table, random_image, sign_words
from spikeloom.verif.runner import Run, run_bench

_SMALL = dict(rows=18, columns=21, on_off=10, fraction_bits=3, weight_bits=5, adc_bits=5,
              adc_shift=3, columns_per_adc=7, pulse_bits=6, tiles=2, timesteps=3, beat_values=6)
CONFIGS = {
    "sign": CrossbarConfig(encoding="sign", noise_bits=4, noise_shift=2, max_pulses=5, **_SMALL),
    "offset": CrossbarConfig(**_SMALL | dict(
        encoding="offset", tiles=3, columns_per_adc=3, adc_shift=5, timesteps=1)),
    "differential": CrossbarConfig(**_SMALL | dict(
        rows=16, columns=16, tiles=1, columns_per_adc=1, adc_shift=1, pulse_loss=0, timesteps=4,
        beat_values=16)),
}


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_bench(config):
    run_bench(Run(unit="imc_engine", config=config, bench="tb_imc_engine",
                  tests="^(?!.*reads_built_in)"))


def test_built_in_tables():
    config = CrossbarConfig(rows=24, columns=32, weight_bits=4, encoding="sign", tiles=2)
    images = [random_image(random.Random(tile), config, tile) for tile in range(2)]
    tables = [as_table(image, config).tolist() for image in images]
    unit = IMCEngine(config, tables, [sign_words(image) for image in images])
    verilog = "\n".join(convert(module, name=name, emit_src=False) for name, module in (
        ("imc_engine", unit), *unit.shared.items()))
    run_bench(Run(unit="imc_engine", config=config, bench="tb_imc_engine", tests="reads_built_in",
                  design=Design(top="imc_engine", verilog=verilog), parameters={
                      "tables": tables, "signs": [image.negative.tolist() for image in images]}))
