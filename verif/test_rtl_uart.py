# SPDX-License-Identifier: Apache-2.0
"""The UART in Verilator against the golden line."""

import pytest

from spikeloom.models.golden.uart import received, sent
from spikeloom.rtl.config import LinkConfig
from spikeloom.verif.runner import Run, run_bench

CONFIGS = [pytest.param(LinkConfig(divisor=4), id="least"),
           pytest.param(LinkConfig(divisor=13), id="odd", marks=pytest.mark.long)]


@pytest.mark.parametrize("config", CONFIGS)
def test_bench(config):
    run_bench(Run(unit="uart", config=config, bench="tb_uart"))


def test_the_golden_line():
    levels = [1, *sent(0xA5, 4), *[1] * 4, *sent(0x00, 4), *sent(0xFF, 4)]
    assert [byte for _, byte in received(levels, 4)] == [0xA5, 0x00, 0xFF]
    assert received([1, 0, *[1] * 60], 4) == [] == received([0] * 100, 4)
    assert received([0] * 45 + [1] + sent(0x12, 4), 4) == [(46 + 38, 0x12)]
