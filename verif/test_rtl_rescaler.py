# SPDX-License-Identifier: Apache-2.0
"""The rescaler in Verilator against the golden op."""

from spikeloom.verif.runner import Run, run_bench
from spikeloom.verif.train_traffic import CONFIG


def test_bench():
    run_bench(Run(unit="rescaler", config=CONFIG, bench="tb_rescaler"))
