# SPDX-License-Identifier: Apache-2.0
"""The rescaler in Verilator against the golden op."""

from spikeloom.rtl.config import TrainConfig
from spikeloom.verif.runner import Run, run_bench


def test_bench():
    config = TrainConfig(lanes=4, max_inputs=8, max_outputs=8, max_rank=4)
    run_bench(Run(unit="rescaler", config=config, bench="tb_rescaler"))
