# SPDX-License-Identifier: Apache-2.0
"""The host link in Verilator against the golden one."""

import pytest

from spikeloom.rtl.config import LinkConfig
from spikeloom.verif.runner import Run, run_bench

CONFIGS = [pytest.param(LinkConfig(words=1), id="one_word", marks=pytest.mark.long),
           pytest.param(LinkConfig(words=6), id="odd"),
           pytest.param(LinkConfig(), id="most", marks=pytest.mark.long)]


@pytest.mark.parametrize("config", CONFIGS)
def test_bench(config):
    run_bench(Run(unit="host_link", config=config, bench="tb_host_link"))
