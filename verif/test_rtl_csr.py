# SPDX-License-Identifier: Apache-2.0
"""The control and status registers in Verilator against the golden ones."""

import pytest

from spikeloom.gen.presets import load_config
from spikeloom.rtl.config import AcceleratorConfig
from spikeloom.verif.runner import Run, run_bench

CONFIGS = {
    "axi": load_config("loas"),
    "on_chip": load_config("tiny"),
    "crossbars": load_config("imc"),
    "limits": load_config("micro"),
    "wide_words": AcceleratorConfig(memory="on_chip", memory_bits=128, memory_words=300,
                                    inner_join="fast_fast", requantize=0),
}
ON_CHIP = {name: config for name, config in CONFIGS.items() if config.memory == "on_chip"}


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_bench(config):
    run_bench(Run(unit="csr", config=config, bench="tb_csr"))


@pytest.mark.parametrize("config", ON_CHIP.values(), ids=ON_CHIP)
def test_window(config):
    run_bench(Run(unit="csr", config=config, bench="tb_csr_window"))
